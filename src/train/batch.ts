/** Rows of the data as the tensors of one step. */
import { batchOf, type Column } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import type { Arena } from '../tensor/arena.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'
import type { TrainingData } from './plan.ts'

/** A batch's tensors; targets and weights by output. */
export interface Batch {
  readonly rows: number
  readonly inputs: Tensor[]
  readonly targets: (Tensor | null)[]
  readonly weights: (Tensor | null)[]
}

/** A batch of these rows. */
export function makeBatch(arena: Arena, data: TrainingData, rows: Int32Array): Batch {
  const tensorOf = (column: Column) => batchOf(arena, column, rows)
  // Ragged targets and weights have the lengths of an input, so they are padded to as many steps.
  return {
    rows: rows.length,
    inputs: data.inputs.map(tensorOf),
    targets: data.targets.map((target) => target && tensorOf(target)),
    weights: data.weights.map((weights) => weights && tensorOf(weights)),
  }
}

/**
 * A weight for every row of the loss along the dimension `axis`: a weight for each example counts for all
 * of its steps.
 */
export function rowWeights(
  weights: Tensor | null,
  prediction: Tensor,
  axis = -1,
): Float32Array | null {
  if (!weights) return null
  const rowShape = prediction.shape.toSpliced(axis, 1)
  const rows = sizeOf(rowShape)
  if (weights.size !== rowShape[0] && weights.size !== rows) {
    const fitting = [rowShape.slice(0, 1), rowShape].slice(0, rowShape.length).map(show)
    throw new RefrainError(
      'BAD_SHAPE',
      `'sampleWeight': expected shape ${fitting.join(' or ')}, got ${show([...weights.shape])}`,
    )
  }
  const { values } = weights
  const steps = rows / weights.size
  const out = new Float32Array(rows)
  for (let i = 0; i < rows; i++) out[i] = values[Math.floor(i / steps)]
  return out
}
