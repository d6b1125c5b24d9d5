/** What decoders are given: scores of classes at each step of each row. */
import { RefrainError, show } from '../errors.ts'
import { type NestedArray, Tensor } from './tensor.ts'

/** Scores [B,T,K]: a Tensor, or nested arrays, ragged in T if you like. */
export type Scores = Tensor | readonly NestedArray[]

export interface ScoreRows {
  /** Each row's scores, [T,K] flat. */
  readonly rows: Float64Array[]
  /** K; 0 if there is no step to show it. */
  readonly classes: number
}

/**
 * Rows of scores, cut to `lengths` if there are any. Throws `BAD_SHAPE` where steps differ in their
 * number of classes or that is not `classes`.
 */
export function scoreRows(
  where: string,
  scores: Scores,
  classes: number | null,
  lengths?: readonly number[],
): ScoreRows {
  const found = scores instanceof Tensor ? fromTensor(scores) : fromArrays(scores, classes)
  if (
    !found ||
    (classes !== null && found.classes !== classes && found.rows.some((r) => r.length))
  ) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected scores of shape ${show([null, null, classes])}, got ` +
        (scores instanceof Tensor ? show([...scores.shape]) : 'others'),
    )
  }
  if (!lengths) return found
  if (lengths.length !== found.rows.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where} 'lengths': expected ${found.rows.length} of them, got ${lengths.length}`,
    )
  }
  const rows = found.rows.map((row, r) => {
    const steps = row.length / (found.classes || 1)
    if (Number.isInteger(lengths[r]) && lengths[r] >= 0 && lengths[r] <= steps) {
      return row.subarray(0, lengths[r] * found.classes)
    }
    throw new RefrainError(
      'BAD_SHAPE',
      `${where} 'lengths': row ${r} has ${steps} steps, got the length ${show(lengths[r])}`,
    )
  })
  return { rows, classes: found.classes }
}

function fromTensor({ shape, elements }: Tensor): ScoreRows | null {
  if (shape.length !== 3) return null
  const [b, t, classes] = shape
  const size = t * classes
  const rows = Array.from({ length: b }, (_, r) =>
    Float64Array.from(elements.subarray(r * size, (r + 1) * size)),
  )
  return { rows, classes }
}

function fromArrays(given: readonly NestedArray[], wanted: number | null): ScoreRows | null {
  if (!Array.isArray(given)) return null
  let classes = wanted
  const rows: Float64Array[] = []
  for (const row of given) {
    if (!Array.isArray(row)) return null
    for (const step of row) {
      if (!Array.isArray(step)) return null
      classes ??= step.length
      if (step.length !== classes) return null
    }
    rows.push(Float64Array.from(row.flat() as number[]))
  }
  return { rows, classes: classes ?? 0 }
}
