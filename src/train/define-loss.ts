/** Losses of the user's own: functions of rows, or of tensors on the tape. */
import { RefrainError, show } from '../errors.ts'
import { type Operations, operations } from '../layers/operations.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkOptions } from '../util/check.ts'
import { gradientRoom, type LossConfig, type LossReduction, type RunLoss } from './losses.ts'

/** A loss of your own, row by row; see {@link defineLoss}. */
export interface CustomLoss {
  /** Targets are class numbers, one a row: `yTrue` has one element. Default false. */
  readonly labels?: boolean
  /** The loss of one row: `yTrue` and `yPred` are its C targets and predictions. */
  value(yTrue: Float64Array, yPred: Float64Array): number
  /** Writes ∂value/∂yPred to `out`, which holds C zeros. */
  gradient(yTrue: Float64Array, yPred: Float64Array, out: Float64Array): void
}

/** A loss of your own from operations, which know their gradients; see {@link defineLoss}. */
export interface ComputedLoss {
  /** The loss of each row, [B,…] or [B,…,1], of targets and predictions [B,…,C]. */
  compute(given: { yTrue: Tensor; yPred: Tensor; ops: Operations }): Tensor
}

/** Row by row in TypeScript. Other losses do without it, and so do bundles. */
export const rowByRow =
  ({ value, gradient }: CustomLoss): RunLoss =>
  ({ ctx, prediction, target, scale, perRow, gradients }) => {
    const rows = perRow.size
    const room = gradientRoom(ctx, prediction, gradients)
    const [p, losses, scales] = [prediction.values, perRow.values, scale.values]
    const dp = room.gradient?.values
    const y = target.dtype === 'int32' ? target.ints : target.values
    const [cols, wide] = [p.length / rows, y.length / rows]
    for (let r = 0; r < rows; r++) {
      const factor = scales[r]
      const out = new Float64Array(cols)
      const yTrue = Float64Array.from(y.subarray(r * wide, (r + 1) * wide))
      const yPred = Float64Array.from(p.subarray(r * cols, (r + 1) * cols))
      losses[r] = factor === 0 ? 0 : value(yTrue, yPred)
      if (!dp) continue
      if (factor !== 0) gradient(yTrue, yPred, out)
      for (let c = 0; c < cols; c++) dp[r * cols + c] = factor * out[c]
    }
    room.add()
  }

/** By operations on the tape. */
const byOperations =
  (name: string, { compute }: ComputedLoss): RunLoss =>
  ({ ctx, prediction, target, scale, perRow, gradients }) => {
    const yTrue = target.view(prediction.shape)
    const found = compute({ yTrue, yPred: prediction, ops: operations(ctx) })
    if (found?.size !== perRow.size) {
      const rows = prediction.shape.slice(0, -1)
      throw shapeError(`loss '${name}': one number for each row`, rows, found?.shape ?? [])
    }
    const scales = scale.values
    perRow.values.set(found.values.map((value, r) => (scales[r] === 0 ? 0 : value)))
    if (gradients) ctx.firstGradientOf(found).values.set(scales)
  }

/**
 * A loss of your own, for `compile`: a function of targets and predictions, written with operations
 * that know their gradients,
 *
 *     const quartic = defineLoss({
 *       name: 'quartic',
 *       compute: ({ yTrue, yPred, ops }) =>
 *         ops.mean(ops.square(ops.square(ops.subtract(yPred, yTrue)))),
 *     })
 *
 * or the loss of a row and its gradient in plain numbers:
 *
 *     const quartic = defineLoss({
 *       name: 'quartic',
 *       value: (yTrue, yPred) => (yPred[0] - yTrue[0]) ** 4,
 *       gradient: (yTrue, yPred, out) => { out[0] = 4 * (yPred[0] - yTrue[0]) ** 3 },
 *     })
 *
 * Masks, weights and `reduction` are as in all losses. A file keeps only the name: compile
 * the loaded model again to train it.
 */
export function defineLoss(
  options: (CustomLoss | ComputedLoss) & {
    readonly name: string
    /** Default 'sumOverBatchSize'. */
    readonly reduction?: LossReduction
  },
): LossConfig {
  checkOptions('defineLoss', options, [
    'name',
    'reduction',
    'labels',
    'value',
    'gradient',
    'compute',
  ])
  const { name, reduction } = options
  const functions = 'compute' in options ? [options.compute] : [options.value, options.gradient]
  if (typeof name !== 'string' || functions.some((one) => typeof one !== 'function')) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `defineLoss: expected a name, and compute or value and gradient, got ${show(options)}`,
      'they are functions of targets and predictions',
    )
  }
  const run = 'compute' in options ? byOperations(name, options) : rowByRow(options)
  return {
    name,
    ...(reduction && { reduction }),
    custom: { labels: 'labels' in options ? options.labels : false, run },
  }
}
