import type { Arena } from './arena.ts'
import type { Tensor } from './tensor.ts'

/**
 * Which steps of a batch of sequences count, in the form that kernels read: each row's number of
 * valid steps, the rows by descending length, and, only where a row has a gap or starts late, the
 * time index of every valid step.
 */
export interface Mask {
  readonly rows: number
  readonly steps: number
  /** [B,T] int32, 1 where the step counts. */
  readonly valid: Tensor
  /** [B] number of valid steps; null if every step of every row counts. */
  readonly lengths: Tensor | null
  /** [B] rows by descending length, stable; null with `lengths`. */
  readonly order: Tensor | null
  /** [B,T] time index of the s-th valid step; null if valid steps always come first. */
  readonly times: Tensor | null
  /** Number of valid steps in the batch. */
  readonly count: number
}

/** Builds the mask from `valid`, a [B,T] int32 tensor of 0 and 1. */
export function makeMask(arena: Arena, valid: Tensor): Mask {
  const [rows, steps] = valid.shape
  const lengths = arena.tensor([rows], 'int32')
  const order = arena.tensor([rows], 'int32')
  const times = arena.tensor([rows, steps], 'int32')
  const { hasGaps, count } = countSteps(valid, lengths, times)
  sortRows(steps, lengths, order)
  const full = count === rows * steps
  return {
    rows,
    steps,
    valid,
    lengths: full ? null : lengths,
    order: full ? null : order,
    times: hasGaps ? times : null,
    count,
  }
}

/** Sets the lengths and the order of a mask of one step, whose `valid` has changed. */
export function renewMask({ steps, valid, lengths, order }: Mask): void {
  lengths!.ints.set(valid.ints)
  sortRows(steps, lengths!, order!)
}

function countSteps(valid: Tensor, lengths: Tensor, times: Tensor) {
  const [rows, steps] = valid.shape
  let hasGaps = false
  let count = 0
  const flags = valid.ints
  const timeOf = times.ints
  const lengthOf = lengths.ints
  for (let b = 0; b < rows; b++) {
    let length = 0
    for (let t = 0; t < steps; t++) {
      if (flags[b * steps + t] === 0) continue
      if (t !== length) hasGaps = true
      timeOf[b * steps + length++] = t
    }
    lengthOf[b] = length
    count += length
    timeOf.fill(0, b * steps + length, (b + 1) * steps)
  }
  return { hasGaps, count }
}

/** Counting sort by length: stable, and linear in the batch. */
function sortRows(steps: number, lengths: Tensor, order: Tensor): void {
  const lengthOf = lengths.ints
  const orderOf = order.ints
  const starts = new Int32Array(steps + 2)
  for (const length of lengthOf) starts[steps - length + 1]++
  for (let s = 1; s < starts.length; s++) starts[s] += starts[s - 1]
  for (let b = 0; b < lengthOf.length; b++) orderOf[starts[steps - lengthOf[b]]++] = b
}

/** The mask of sequences that begin at step 0 and have these lengths. */
export function maskFromLengths(arena: Arena, lengths: ArrayLike<number>, steps: number): Mask {
  const valid = arena.tensor([lengths.length, steps], 'int32')
  const flags = valid.ints
  flags.fill(0)
  for (let b = 0; b < lengths.length; b++) flags.fill(1, b * steps, b * steps + lengths[b])
  return makeMask(arena, valid)
}

/** Steps that count in both masks. */
export function bothMasks(arena: Arena, a: Mask | null, b: Mask | null): Mask | null {
  if (!a || !b) return a ?? b
  const valid = arena.tensor([a.rows, a.steps], 'int32')
  const flags = valid.ints
  const fromA = a.valid.ints
  const fromB = b.valid.ints
  for (let i = 0; i < flags.length; i++) flags[i] = fromA[i] & fromB[i]
  return makeMask(arena, valid)
}

/** The mask of the same steps in reversed time. */
export function reverseMask(arena: Arena, mask: Mask): Mask {
  const valid = arena.tensor([mask.rows, mask.steps], 'int32')
  const flags = valid.ints
  const source = mask.valid.ints
  for (let b = 0; b < mask.rows; b++) {
    for (let t = 0; t < mask.steps; t++) {
      flags[b * mask.steps + t] = source[b * mask.steps + mask.steps - 1 - t]
    }
  }
  return makeMask(arena, valid)
}
