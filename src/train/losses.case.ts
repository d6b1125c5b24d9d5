/** The loss of a batch with its gradient, on any backend, and the batches of fixtures. */
import type { FixtureCase } from '../../test/fixtures/load.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import { makeMask } from '../tensor/mask.ts'
import { activate } from '../tensor/ops.ts'
import { rowWeights } from './batch.ts'
import { axisOf, computeLoss, type LossConfig, takesLabels } from './losses.ts'

/** A batch; weights are one for each position, or each example. */
export interface Batch {
  shape: readonly number[]
  prediction: ArrayLike<number>
  targetShape: readonly number[]
  target: ArrayLike<number>
  mask?: ArrayLike<number>
  weights?: ArrayLike<number>
  /** The loss's own in the sum of several; it is in the gradient alone. */
  factor?: number
}

/** The loss of a batch and the gradient of the predictions, or of what `activation` makes them of. */
export function lossOf(backend: Backend, loss: LossConfig, batch: Batch, activation = 'linear') {
  const arena = new Arena(backend.heap)
  const ctx = new Context(backend, arena, { training: true })
  const prediction = arena.tensor(batch.shape)
  prediction.values.set(batch.prediction)
  prediction.tracked = true
  const output = activate(ctx, activation, prediction)
  const labels = takesLabels(loss)
  const target = arena.tensor(batch.targetShape, labels ? 'int32' : 'float')
  if (labels) target.ints.set(batch.target)
  else target.values.set(batch.target)
  if (batch.mask) {
    const valid = arena.tensor(batch.shape.slice(0, -1), 'int32')
    valid.ints.set(batch.mask)
    output.mask = makeMask(arena, valid)
  }
  let weights: Float32Array | null = null
  if (batch.weights) {
    const given = arena.tensor([batch.weights.length])
    given.values.set(batch.weights)
    weights = rowWeights(given, prediction, axisOf(loss))
  }
  const value = computeLoss(ctx, loss, output, target, weights, batch.factor)
  ctx.backward()
  const gradient = Float64Array.from(ctx.gradientOf(prediction).values)
  arena.release()
  return { value, gradient }
}

/** The batch of a fixture's case. */
export function batchOf({ arrays }: FixtureCase): Batch {
  const { yPred, yTrue, mask, sampleWeight } = arrays
  return {
    shape: yPred.shape,
    prediction: yPred.data,
    targetShape: yTrue.shape,
    target: yTrue.data,
    mask: mask?.data,
    weights: sampleWeight?.data,
  }
}
