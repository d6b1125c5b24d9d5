/** Losses by Keras's names in camelCase, with Keras 3's definitions and reduction. */
import { RefrainError, show } from '../errors.ts'
import { lossCodes } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import type { CtcReduction } from '../tensor/ctc.ts'
import { activate } from '../tensor/ops.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkNumber, checkOneOf, checkOptions, sizeOf, suggest } from '../util/check.ts'
import {
  checkSequenceLoss,
  computeSequenceLoss,
  isSequenceLoss,
  type SequenceLossName,
  sequenceLossNames,
} from './sequence-losses.ts'

/** How the losses of a batch's rows become one number: `reduction`. */
export type LossReduction = 'sumOverBatchSize' | 'sum' | 'meanWithSampleWeight'

const reductions: readonly LossReduction[] = ['sumOverBatchSize', 'sum', 'meanWithSampleWeight']

/** Options of all losses; each takes its own. */
export interface LossOptions {
  /**
   * Of every loss: 'sumOverBatchSize', the default, divides the weighted sum over rows (examples, or
   * all steps of all sequences) by their number; 'meanWithSampleWeight' by the sum of their weights;
   * 'sum' by nothing. Masked steps are no rows. Keras's 'none' is not offered: training needs one number.
   */
  readonly reduction?: LossReduction
  /** The predictions are logits, not probabilities. Default false. */
  readonly fromLogits?: boolean
  /**
   * From 0 to 1, s: targets are drawn to the middle, y (1 - s) + s / 2 in binary losses and
   * y (1 - s) + s / C in categorical ones. Default 0.
   */
  readonly labelSmoothing?: number
  /** Rows of this class number do not count, as if masked; it need not be a class. Default none. */
  readonly ignoreClass?: number | null
  /** Where the squared error of `huber` becomes linear. Default 1. */
  readonly delta?: number
  /**
   * The focal losses' exponent: how little what is right already counts. Default 2. Of `circle` the factor of
   * similarities, 80.
   */
  readonly gamma?: number
  /**
   * The focal losses' weight of class 1 (others have 1 - α), or of all classes. Default 0.25. Of `tversky` the
   * weight of what was missed, 0.5.
   */
  readonly alpha?: number
  /** Of `tversky`: the weight of what was predicted and is not so. Default 0.5. */
  readonly beta?: number
  /** Of `circle`: how far from perfect similarities may stay. Default 0.4. */
  readonly margin?: number
  /** Of `circle`: an example is not its own neighbour. Default true. */
  readonly removeDiagonal?: boolean
  /** Of `categoricalGeneralizedCrossEntropy`, between 0 and 1. Default 0.5. */
  readonly q?: number
  /** Whether the binary focal loss uses `alpha`. Default false. */
  readonly applyClassBalancing?: boolean
  /**
   * The dimension of the classes or of the vector, counted with the batch, which it cannot be: [B,C,T] has
   * its classes along 1. Targets and outputs are permuted; masks cannot be told apart along any dimension
   * but the last, -1, the default. Of `dice` and `tversky` the dimensions, 0 being the batch, that are taken
   * together; null, their default: all.
   */
  readonly axis?: number | readonly number[] | null
  /** Of the `quantile` loss, each between 0 and 1: one for each output. */
  readonly quantiles?: readonly number[]
}

/** A loss and its options, as it stands in files. */
export interface LossConfig extends Omit<LossOptions, 'reduction'> {
  /** A `LossName`, or the name of a loss of your own. */
  readonly name: LossName | (string & {})
  readonly reduction?: CtcReduction
  /** What `defineLoss` made. Files do not hold it. */
  readonly custom?: { readonly labels?: boolean; readonly run: RunLoss }
}

/** Writes the losses of all rows to `perRow` and, if wanted, sends the gradient of Σ scale · loss back. */
export type RunLoss = (batch: {
  ctx: Context
  prediction: Tensor
  target: Tensor
  scale: Tensor
  perRow: Tensor
  gradients: boolean
}) => void

/** What a loss gets: outputs [B,…,C], targets, and weights of the positions [B,…]. */
export interface LossBatch {
  readonly prediction: Tensor
  readonly target: Tensor
  readonly weights: Float32Array | null
}

/** How a loss that is a mean over rows is computed: by the kernel's code, or by `run`. */
export interface LossKind {
  readonly code?: number
  readonly logitsCode?: number
  readonly activation?: string
  readonly labels?: boolean
  /** Names of the options. */
  readonly options?: readonly (keyof LossOptions)[]
  /** The options of the kernel, after the smoothing. */
  readonly own?: (config: LossConfig) => readonly number[]
  readonly run?: (config: LossConfig) => RunLoss
  /** Labels are any numbers, not those of the output's classes. */
  readonly anyLabel?: boolean
  /** What the rows are, if not the positions [B,…]: prediction and target [K,M], weights [K]. */
  readonly rows?: (ctx: Context, config: LossConfig, batch: LossBatch) => LossBatch
  /** For each row, whether it counts; all do without this. */
  readonly counts?: (config: LossConfig, prediction: Tensor, target: Tensor) => readonly boolean[]
  /** Fails on options that will not do; `where` begins the message. */
  readonly check?: (where: string, config: LossConfig) => void
}

const entropyOptions = ['fromLogits', 'labelSmoothing', 'axis'] as const
const binary: LossKind = {
  code: lossCodes.binaryCrossentropy,
  logitsCode: lossCodes.binaryCrossentropyLogits,
  activation: 'sigmoid',
  options: entropyOptions,
}
const categorical: LossKind = {
  code: lossCodes.categoricalCrossentropy,
  logitsCode: lossCodes.categoricalCrossentropyLogits,
  activation: 'softmax',
  options: entropyOptions,
}
const focalOptions = [...entropyOptions, 'gamma', 'alpha'] as const

const core = {
  binaryCrossentropy: binary,
  categoricalCrossentropy: categorical,
  sparseCategoricalCrossentropy: {
    ...categorical,
    labels: true,
    options: [...entropyOptions, 'ignoreClass'],
  },
  meanSquaredError: { code: lossCodes.squaredError },
  meanAbsoluteError: { code: lossCodes.absoluteError },
  meanAbsolutePercentageError: { code: lossCodes.percentageError },
  meanSquaredLogarithmicError: { code: lossCodes.logarithmicError },
  huber: { code: lossCodes.huber, options: ['delta'], own: ({ delta = 1 }) => [delta] },
  logCosh: { code: lossCodes.logCosh },
  poisson: { code: lossCodes.poisson },
  hinge: { code: lossCodes.hinge },
  squaredHinge: { code: lossCodes.squaredHinge },
  categoricalHinge: { code: lossCodes.categoricalHinge },
  klDivergence: { code: lossCodes.klDivergence },
  cosineSimilarity: { code: lossCodes.cosineSimilarity, options: ['axis'] },
  quantile: {
    code: lossCodes.quantile,
    options: ['quantiles'],
    own: ({ quantiles }) => quantiles!,
  },
  binaryFocalCrossentropy: {
    code: lossCodes.binaryFocal,
    activation: 'sigmoid',
    options: [...focalOptions, 'applyClassBalancing'],
    own: ({ gamma = 2, alpha = 0.25, applyClassBalancing }) => [
      gamma,
      applyClassBalancing ? alpha : -1,
    ],
  },
  categoricalFocalCrossentropy: {
    code: lossCodes.categoricalFocal,
    activation: 'softmax',
    options: focalOptions,
    own: ({ gamma = 2, alpha = 0.25 }) => [gamma, alpha],
  },
} satisfies Record<string, LossKind>

/** Losses that a bundle has only with their functions, or with what reads files. */
export type MoreLossName = 'dice' | 'tversky' | 'circle' | 'categoricalGeneralizedCrossEntropy'

/** Losses that are means over rows: over all steps of all sequences. */
export type RowLossName = keyof typeof core | MoreLossName

const kinds: Record<string, LossKind> = { ...core }

/** Makes losses known by their names. */
export function addLosses(more: Record<MoreLossName, LossKind>): void {
  Object.assign(kinds, more)
}

/** Losses that `compile` knows by name. */
export type LossName = RowLossName | SequenceLossName

/** The names of the losses that are means over rows. */
export const lossNames = () => Object.keys(kinds)

/** Whether there is a loss of this name that is a mean over rows. */
export const isLossName = (name: unknown): name is RowLossName =>
  Object.hasOwn(kinds, name as string)

/** Undefined for a loss of the user's own. */
const kindOf = ({ name, custom }: LossConfig): LossKind | undefined =>
  custom ? undefined : kinds[name]

const short = new Map<string, LossName>([
  ['mse', 'meanSquaredError'],
  ['mae', 'meanAbsoluteError'],
  ['mape', 'meanAbsolutePercentageError'],
  ['msle', 'meanSquaredLogarithmicError'],
])

/** The loss of a name or configuration; throws `UNKNOWN_OPTION` naming the nearest. */
export function resolveLoss(
  wanted: LossName | 'mse' | 'mae' | 'mape' | 'msle' | LossConfig,
  shared = ['name', 'reduction'],
): LossConfig {
  const config = typeof wanted === 'string' ? { name: short.get(wanted) ?? wanted } : wanted
  if (config?.custom) return checkReduction(config)
  if (config && isSequenceLoss(config)) {
    checkSequenceLoss(config)
    return config
  }
  if (!isLossName(config?.name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `loss: unknown loss ${show(config?.name ?? wanted)}`,
      suggest(String(config?.name ?? wanted), [...lossNames(), ...sequenceLossNames()]),
    )
  }
  const { options = [], check = checkLimits } = kindOf(config)!
  const where = `loss '${config.name}'`
  checkOptions(where, config, [...shared, ...options])
  check(where, config)
  const { quantiles } = config
  if (config.name === 'quantile' && !(Array.isArray(quantiles) && quantiles.every(isShare))) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected quantiles between 0 and 1, got ${show(quantiles)}`,
      'for example quantile({ quantiles: [0.1, 0.5, 0.9] }), one for each output',
    )
  }
  return checkReduction(config)
}

function checkLimits(where: string, config: LossConfig): void {
  for (const [option, high] of Object.entries(limits)) {
    const value = config[option as keyof typeof limits]
    if (value !== undefined) checkNumber(`${where} '${option}'`, value, 0, high)
  }
  checkAxis(where, axisOf(config))
}

function checkReduction(config: LossConfig): LossConfig {
  const { name, reduction = reductions[0] } = config
  checkOneOf<string>(`loss '${name}' 'reduction'`, reduction, reductions)
  return config
}

/** Prediction and target with a dimension moved to the end. */
type Turn = (ctx: Context, axis: number, prediction: Tensor, target: Tensor) => [Tensor, Tensor]

/** Present once `loss-axis.ts` is: a page has it by the functions of losses that take an axis. */
let turn: Turn | null = null

/** Makes losses able to go along another dimension than the last. */
export function setTurn(given: Turn): void {
  turn = given
}

/** Prediction and target with the dimension `axis` last. */
export const axisLast = (ctx: Context, axis = -1, prediction: Tensor, target: Tensor) =>
  axis === -1 ? ([prediction, target] as const) : turn!(ctx, axis, prediction, target)

/** The dimension along which rows lie, of a loss that has such rows; undefined: the last. */
export const axisOf = (loss: LossConfig): number | undefined =>
  kindOf(loss)?.rows ? undefined : (loss.axis as number | undefined)

/** The batch as the loss's rows, of a loss that has rows of its own. */
export const ownRows = (ctx: Context, loss: LossConfig, batch: LossBatch): LossBatch =>
  kindOf(loss)?.rows?.(ctx, loss, batch) ?? batch

/** Whether the loss of all batches does not depend on which rows come together in one. */
export const isMeanOfRows = (loss: LossConfig): boolean =>
  !loss.reduction && !kindOf(loss)?.rows && !kindOf(loss)?.counts

/** The batch as the loss's rows. */
function rowsOf(ctx: Context, loss: LossConfig, batch: LossBatch): LossBatch {
  const [prediction, target] = axisLast(ctx, axisOf(loss), batch.prediction, batch.target)
  return ownRows(ctx, loss, { ...batch, prediction, target })
}

/** Fails on another dimension than the last if nobody knows how to get there. */
export function checkAxis(where: string, axis = -1): void {
  if (axis === -1 || turn) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where} 'axis' ${axis}: write cosineSimilarity({ axis })`,
  )
}

/** From 0 to these. */
const limits = { labelSmoothing: 1, alpha: 1, delta: Infinity, gamma: Infinity }
const isShare = (value: unknown) => typeof value === 'number' && value > 0 && value < 1

/** Whether the loss takes class numbers instead of one number for each output. */
export function takesLabels(loss: LossConfig): boolean {
  return isSequenceLoss(loss) || ((loss.custom ?? kindOf(loss)!).labels ?? false)
}

/** Whether targets are numbers of the output's classes. */
export const takesClasses = (loss: LossConfig): boolean =>
  takesLabels(loss) && !isSequenceLoss(loss) && !kindOf(loss)?.anyLabel

/** Whether each row counts by itself; null: all do. */
export const countedRows = (loss: LossConfig, prediction: Tensor, target: Tensor) =>
  kindOf(loss)?.counts?.(loss, prediction, target) ?? null

/**
 * The loss of a batch by its reduction. Where `ctx` records, the prediction's gradient is set, too; then
 * `ctx.backward()` does the rest.
 *
 * @param prediction [B,…,C]
 * @param target [B,…,C] floats, or int32 class numbers [B,…] for the sparse loss
 * @param weights one for each row (each [B,…] position), or null
 * @param factor of the gradient: the output's weight in the sum of several losses; the value is without it
 * @param last nobody reads the prediction any more: the gradient may take the place of what it came from
 */
export function computeLoss(
  ctx: Context,
  loss: LossConfig,
  prediction: Tensor,
  target: Tensor,
  weights: Float32Array | null,
  factor = 1,
  last = false,
): number {
  if (isSequenceLoss(loss)) {
    if (factor === 1) return computeSequenceLoss(ctx, loss, prediction, target, weights)
    // These losses are linear in the weights, unless they divide by their sum.
    let each = weights ?? new Float32Array(sizeOf(prediction.shape.slice(0, -1))).fill(1)
    let linear = loss
    if (loss.reduction === 'meanWithSampleWeight') {
      const all = each.reduce((sum, weight) => sum + weight, 0)
      each = each.map((weight) => (weight * each.length) / (prediction.shape[0] * (all || 1)))
      linear = { ...loss, reduction: 'sum' }
    }
    const scaled = each.map((weight) => weight * factor)
    const value = computeSequenceLoss(ctx, linear, prediction, target, scaled)
    return factor === 0 ? 0 : value / factor
  }
  ;({ prediction, target, weights } = rowsOf(ctx, loss, { prediction, target, weights }))
  if (prediction.labelLoss) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `loss '${loss.name}': the model ends with a CRF`,
      "use loss: 'crf'",
    )
  }
  const { scales, total } = rowScales(loss, prediction, target, weights)
  const factors = loss.reduction === 'sum' ? scales : scales.map((value) => value / (total || 1))
  const scale = ctx.empty([factors.length])
  scale.values.set(factor === 1 ? factors : factors.map((value) => value * factor))
  const losses = rowLosses(ctx, loss, prediction, target, scale, ctx.recording, last).values
  let value = 0
  for (let r = 0; r < factors.length; r++) if (factors[r] !== 0) value += factors[r] * losses[r]
  return value
}

/** Each row's loss, 0 where its scale is; with `gradients`, that of Σ scale · loss is set. */
export function rowLosses(
  ctx: Context,
  loss: LossConfig,
  prediction: Tensor,
  target: Tensor,
  scale: Tensor,
  gradients: boolean,
  last = false,
): Tensor {
  checkTarget(loss, prediction, target)
  const rows = scale.size
  const cols = prediction.shape.at(-1) ?? 1
  const perRow = ctx.empty([rows])
  const run = loss.custom?.run ?? kindOf(loss)!.run?.(loss)
  if (run) {
    run({ ctx, prediction, target, scale, perRow, gradients })
    return perRow
  }
  const { code, logitsCode, activation, labels, own } = kindOf(loss)!
  // A sigmoid or softmax just before the loss is undone: the same value, without the clipping.
  const undone =
    !loss.fromLogits && logitsCode !== undefined && prediction.logits?.activation === activation
  const fromLogits = undone || loss.fromLogits
  let source = undone ? prediction.logits!.tensor : prediction
  if (fromLogits && logitsCode === undefined) source = activate(ctx, activation!, source)
  const values = [loss.labelSmoothing ?? 0, ...(own?.(loss) ?? [])]
  const options = own || values[0] !== 0 ? ctx.empty([values.length]) : null
  options?.values.set(values)
  const wanted = labels ? null : wantedOf(ctx, loss, target, rows, cols)
  // Logits of a large vocabulary fill the caches: their gradient takes their place if it can.
  const over = last && undone && labels && !options && prediction.deferred && prediction.logits!.own
  const { gradient: dSource, add } = gradientRoom(ctx, source, gradients, over)
  ctx.kernels.loss(
    fromLogits ? (logitsCode ?? code!) : code!,
    source.values,
    wanted?.values ?? null,
    labels ? target.ints : null,
    scale.values,
    options?.values ?? null,
    perRow.values,
    dSource?.values ?? null,
    rows,
    cols,
  )
  add()
  return perRow
}

/** Where a loss writes its gradient; `add` brings it to that of `source`, which two outputs may be. */
export function gradientRoom(ctx: Context, source: Tensor, wanted: boolean, over = false) {
  if (!wanted) return { gradient: null, add: () => {} }
  if (!ctx.hasGradient(source))
    return { gradient: ctx.firstGradientOf(source, over), add: () => {} }
  const gradient = ctx.empty(source.shape)
  const add = () =>
    ctx.kernels.addScaled(gradient.values, ctx.gradientOf(source).values, 1, source.size)
  return { gradient, add }
}

/** The targets as the kernel takes them. */
function wantedOf(
  ctx: Context,
  { name }: LossConfig,
  target: Tensor,
  rows: number,
  cols: number,
): Tensor {
  const made = (value: (y: ArrayLike<number>, i: number) => number) => {
    const tensor = ctx.empty([rows, cols])
    const [from, to] = [target.values, tensor.values]
    for (let i = 0; i < to.length; i++) to[i] = value(from, i)
    return tensor
  }
  // Keras takes 0 and 1 for -1 and 1 where a batch has nothing else.
  const isHinge = name === 'hinge' || name === 'squaredHinge'
  if (isHinge && target.values.every((y) => y === 0 || y === 1)) return made((y, i) => 2 * y[i] - 1)
  if (target.size < rows * cols) return made((y, i) => y[Math.floor(i / cols)])
  return target
}

/**
 * What the losses of windows count in the mean that is the loss of all of them: as much as they were
 * divided by, the steps that are not masked.
 */
export function windowWeight(
  ctx: Context,
  loss: LossConfig,
  prediction: Tensor,
  target: Tensor,
  weights: Float32Array | null,
): number {
  const rows = rowsOf(ctx, loss, { prediction, target, weights })
  return rowScales(loss, rows.prediction, rows.target, rows.weights).total
}

/** Each row's weight, 0 for masked steps, and what a mean divides by. */
function rowScales(
  loss: LossConfig,
  prediction: Tensor,
  target: Tensor,
  weights: Float32Array | null,
): { scales: Float64Array; total: number } {
  const { ignoreClass = null, reduction } = loss
  const cols = prediction.shape.at(-1) ?? 1
  const rows = cols === 0 ? 0 : prediction.size / cols
  const scales = new Float64Array(rows)
  const valid = stepFlags(prediction, rows)
  const counted = countedRows(loss, prediction, target)
  const counts = (r: number) =>
    valid?.[r] !== 0 &&
    counted?.[r] !== false &&
    (ignoreClass === null || target.ints[r] !== ignoreClass)
  let total = 0
  for (let r = 0; r < rows; r++) {
    if (!counts(r)) continue
    scales[r] = weights ? weights[r] : 1
    total += reduction === 'meanWithSampleWeight' ? scales[r] : 1
  }
  return { scales, total }
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
    if (!takesClasses(loss)) return
    const classes = target.ints
    const flags = stepFlags(prediction, classes.length)
    for (let i = 0; i < classes.length; i++) {
      if (classes[i] === loss.ignoreClass) continue
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
  } else {
    const wanted = loss.name === 'quantile' ? loss.quantiles!.length : cols
    if (cols !== wanted) throw shapeError("the output of 'quantile'", [...rows, wanted], shape)
    const one = cols === 1 || loss.name === 'quantile'
    const fits = one && (same(target.shape, rows) || same(target.shape, [...rows, 1]))
    if (fits || same(target.shape, shape)) return
    const hint =
      loss.name === 'categoricalCrossentropy' && same(target.shape, rows)
        ? "for class numbers use 'sparseCategoricalCrossentropy'"
        : ''
    const error = shapeError("'y'", shape, target.shape)
    throw hint ? new RefrainError('BAD_SHAPE', error.message, hint) : error
  }
}
