import type { Arena } from './arena.ts'
import type { Context } from './context.ts'
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

/**
 * Builds the mask from `valid`, a [B,T] int32 tensor of 0 and 1; with `renewable`, one that has
 * lengths even where every step counts.
 */
export function makeMask(arena: Arena, valid: Tensor, renewable = false): Mask {
  const [rows, steps] = valid.shape
  const lengths = arena.tensor([rows], 'int32')
  const order = arena.tensor([rows], 'int32')
  const times = arena.tensor([rows, steps], 'int32')
  const { hasGaps, count } = countSteps(valid, lengths, times)
  sortRows(steps, lengths, order)
  const full = count === rows * steps && !renewable
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

/** The mask [B,T] whose flags, 0 or 1, `fill` writes: now, and in each step of a stream. */
export function maskBy(
  ctx: Context,
  shape: readonly number[],
  fill: (flags: Int32Array) => void,
): Mask {
  const valid = ctx.empty(shape, 'int32')
  ctx.perform(() => fill(valid.ints))
  const mask = makeMask(ctx.arena, valid, ctx.streaming)
  if (ctx.streaming) ctx.perform(() => renewMask(mask))
  return mask
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

/** Steps that count in one of two masks or in both. */
export function eitherMask(ctx: Context, a: Mask, b: Mask): Mask {
  if (a === b) return a
  return maskBy(ctx, [a.rows, a.steps], (flags) => {
    const fromA = a.valid.ints
    const fromB = b.valid.ints
    for (let i = 0; i < flags.length; i++) flags[i] = fromA[i] | fromB[i]
  })
}

/** The mask of sequences that are joined in time; null stands for steps that all count. */
export function joinMasks(
  arena: Arena,
  masks: readonly (Mask | null)[],
  rows: number,
  lengths: readonly number[],
): Mask {
  const steps = lengths.reduce((sum, length) => sum + length, 0)
  const valid = arena.tensor([rows, steps], 'int32')
  const flags = valid.ints.fill(1)
  let start = 0
  masks.forEach((mask, i) => {
    const length = lengths[i]
    for (let b = 0; mask && b < rows; b++) {
      const row = mask.valid.ints.subarray(b * length, (b + 1) * length)
      flags.set(row, b * steps + start)
    }
    start += length
  })
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
