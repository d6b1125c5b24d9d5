/** Losses by Keras's names in camelCase, with Keras 3's definitions and reduction. */
import { RefrainError, show } from '../errors.ts'
import { lossCodes } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkOptions, sizeOf, suggest } from '../util/check.ts'
import {
  checkSequenceLoss,
  computeSequenceLoss,
  isSequenceLoss,
  type SequenceLossName,
  sequenceLossNames,
} from './sequence-losses.ts'

/** Losses that `compile` knows by name. */
export type LossName = RowLossName | SequenceLossName

/** Losses that are means over rows: over all steps of all sequences. */
type RowLossName =
  | 'binaryCrossentropy'
  | 'categoricalCrossentropy'
  | 'sparseCategoricalCrossentropy'
  | 'meanSquaredError'
  | 'meanAbsoluteError'

/** A loss and its options, as it stands in files. */
export interface LossConfig {
  readonly name: LossName
  /** The predictions are logits, not probabilities. Default false. */
  readonly fromLogits?: boolean
}

const kinds: Record<
  RowLossName,
  { code: number; logitsCode?: number; activation?: string; labels?: boolean }
> = {
  binaryCrossentropy: {
    code: lossCodes.binaryCrossentropy,
    logitsCode: lossCodes.binaryCrossentropyLogits,
    activation: 'sigmoid',
  },
  categoricalCrossentropy: {
    code: lossCodes.categoricalCrossentropy,
    logitsCode: lossCodes.categoricalCrossentropyLogits,
    activation: 'softmax',
  },
  sparseCategoricalCrossentropy: {
    code: lossCodes.categoricalCrossentropy,
    logitsCode: lossCodes.categoricalCrossentropyLogits,
    activation: 'softmax',
    labels: true,
  },
  meanSquaredError: { code: lossCodes.squaredError },
  meanAbsoluteError: { code: lossCodes.absoluteError },
}

/** Cross-entropy of independent yes-or-no targets; mean over the last dimension. */
export const binaryCrossentropy = (options: { fromLogits?: boolean } = {}): LossConfig => ({
  name: 'binaryCrossentropy',
  ...options,
})
/** Cross-entropy of one-hot (or soft) targets. */
export const categoricalCrossentropy = (options: { fromLogits?: boolean } = {}): LossConfig => ({
  name: 'categoricalCrossentropy',
  ...options,
})
/** Cross-entropy of class numbers. */
export const sparseCategoricalCrossentropy = (
  options: { fromLogits?: boolean } = {},
): LossConfig => ({ name: 'sparseCategoricalCrossentropy', ...options })
/** Mean of the squared differences over the last dimension. */
export const meanSquaredError = (): LossConfig => ({ name: 'meanSquaredError' })
/** Mean of the absolute differences over the last dimension. */
export const meanAbsoluteError = (): LossConfig => ({ name: 'meanAbsoluteError' })

const short = new Map<string, LossName>([
  ['mse', 'meanSquaredError'],
  ['mae', 'meanAbsoluteError'],
])

/** The loss of a name or configuration; throws `UNKNOWN_OPTION` naming the nearest. */
export function resolveLoss(wanted: LossName | 'mse' | 'mae' | LossConfig): LossConfig {
  const config =
    typeof wanted === 'string' ? { name: short.get(wanted) ?? (wanted as LossName) } : wanted
  const known = [...Object.keys(kinds), ...sequenceLossNames]
  if (!known.includes(config?.name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `loss: unknown loss ${show(config?.name ?? wanted)}`,
      suggest(String(config?.name ?? wanted), known),
    )
  }
  if (isSequenceLoss(config)) checkSequenceLoss(config)
  else checkOptions(`loss '${config.name}'`, config, ['name', 'fromLogits'])
  return config
}

/** Whether the loss takes class numbers instead of one number for each output. */
export function takesLabels(loss: LossConfig): boolean {
  return isSequenceLoss(loss) || (kinds[loss.name as RowLossName].labels ?? false)
}

/**
 * The loss of a batch by Keras's reduction `sum_over_batch_size`: the weighted sum over rows, divided
 * by the number of rows; masked steps are not rows. Where `ctx` records, the prediction's gradient is
 * set, too; then `ctx.backward()` does the rest.
 *
 * @param prediction [B,…,C]
 * @param target [B,…,C] floats, or int32 class numbers [B,…] for the sparse loss
 * @param weights one for each row (each [B,…] position), or null
 * @param factor of the gradient: the output's weight in the sum of several losses; the value is without it
 */
export function computeLoss(
  ctx: Context,
  loss: LossConfig,
  prediction: Tensor,
  target: Tensor,
  weights: Float32Array | null,
  factor = 1,
): number {
  if (isSequenceLoss(loss)) {
    if (factor === 1) return computeSequenceLoss(ctx, loss, prediction, target, weights)
    // These losses are linear in the weights.
    const each = weights ?? new Float32Array(sizeOf(prediction.shape.slice(0, -1))).fill(1)
    const scaled = each.map((weight) => weight * factor)
    const value = computeSequenceLoss(ctx, loss, prediction, target, scaled)
    return factor === 0 ? 0 : value / factor
  }
  const kind = kinds[loss.name as RowLossName]
  const cols = prediction.shape.at(-1) ?? 1
  const rows = cols === 0 ? 0 : prediction.size / cols
  if (prediction.labelLoss) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `loss '${loss.name}': the model ends with a CRF`,
      "use loss: 'crf'",
    )
  }
  checkTarget(loss, prediction, target)
  // A sigmoid or softmax just before the loss is undone: the same value, without the clipping.
  const undone =
    !loss.fromLogits && prediction.logits && prediction.logits.activation === kind.activation
  const source = undone ? prediction.logits!.tensor : prediction
  const code = undone || loss.fromLogits ? (kind.logitsCode ?? kind.code) : kind.code
  const floats = kind.labels ? null : target
  const labels = kind.labels ? target : null
  const perRow = ctx.empty([rows])
  const scale = ctx.empty([rows])
  const scales = rowScales(prediction, rows, weights)
  scale.values.set(factor === 1 ? scales : scales.map((value) => value * factor))
  // Two outputs may be one tensor.
  const again = ctx.recording && ctx.hasGradient(source)
  const dSource = again
    ? ctx.empty(source.shape)
    : ctx.recording
      ? ctx.firstGradientOf(source)
      : null
  ctx.kernels.loss(
    code,
    source.values,
    floats?.values ?? null,
    labels?.ints ?? null,
    scale.values,
    perRow.values,
    dSource?.values ?? null,
    rows,
    cols,
  )
  if (again) {
    ctx.kernels.addScaled(dSource!.values, ctx.gradientOf(source).values, 1, source.size)
  }
  let value = 0
  const losses = perRow.values
  for (let r = 0; r < rows; r++) if (scales[r] !== 0) value += scales[r] * losses[r]
  return value
}

/** Each row's factor in the loss: weight / number of rows that count, 0 for masked steps. */
function rowScales(prediction: Tensor, rows: number, weights: Float32Array | null): Float64Array {
  const scales = new Float64Array(rows)
  const valid = stepFlags(prediction, rows)
  let count = 0
  for (let r = 0; r < rows; r++) if (valid?.[r] !== 0) count++
  for (let r = 0; r < rows; r++) {
    if (valid?.[r] !== 0) scales[r] = (weights ? weights[r] : 1) / Math.max(1, count)
  }
  return scales
}

/** The mask of a prediction with one flag a row, or null if none applies. */
export function stepFlags(prediction: Tensor, rows: number): Int32Array | null {
  const mask = prediction.mask
  return mask?.lengths && mask.rows * mask.steps === rows ? mask.valid.ints : null
}

function checkTarget(loss: LossConfig, prediction: Tensor, target: Tensor) {
  const { shape } = prediction
  const cols = shape.at(-1) ?? 1
  const rows = shape.slice(0, -1)
  const same = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length && a.every((length, i) => length === b[i])
  if (takesLabels(loss)) {
    const trimmed =
      target.shape.length === shape.length && target.shape.at(-1) === 1
        ? target.shape.slice(0, -1)
        : target.shape
    if (!same(trimmed, rows)) throw shapeError("'y' (class numbers)", rows, target.shape)
    const classes = target.ints
    const flags = stepFlags(prediction, classes.length)
    for (let i = 0; i < classes.length; i++) {
      if ((classes[i] < 0 || classes[i] >= cols) && flags?.[i] !== 0) {
        throw new RefrainError(
          'BAD_DATA',
          `'y': expected class numbers from 0 to ${cols - 1}, got ${classes[i]}`,
          'the last layer has as many units as there are classes',
        )
      }
      // Padding may hold anything; the kernel reads it all the same.
      if (classes[i] < 0 || classes[i] >= cols) classes[i] = 0
    }
  } else if (!same(target.shape, shape) && !(cols === 1 && same(target.shape, rows))) {
    const hint =
      loss.name === 'categoricalCrossentropy' && same(target.shape, rows)
        ? "for class numbers use 'sparseCategoricalCrossentropy'"
        : ''
    const error = shapeError("'y'", shape, target.shape)
    throw hint ? new RefrainError('BAD_SHAPE', error.message, hint) : error
  }
}
