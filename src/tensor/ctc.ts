/** Connectionist temporal classification on tensors; `ctc-alignments.ts` has the equations. */
import { RefrainError } from '../errors.ts'
import type { Context } from './context.ts'
import { ctcAlignments } from './ctc-alignments.ts'
import { shapeError, type Tensor } from './tensor.ts'

/** How sequences' losses become one: Keras's means over sequences, PyTorch's 'mean', or their sum. */
export type CtcReduction = 'sumOverBatchSize' | 'meanWithSampleWeight' | 'mean' | 'sum'

/** What the loss depends on beside the data. */
export interface CtcSettings {
  readonly blank: number
  readonly zeroInfinity: boolean
  readonly reduction: CtcReduction
}

/**
 * The loss of labels [B,N], which end where their mask does or, without one, at the first blank or
 * negative number, given logits x [B,T,K]. Where `ctx` records, it adds to the gradient of x at once.
 *
 * @param weights [B] or null
 *
 * Throws `BAD_DATA` for labels that cannot be, and for labels with too few steps unless `zeroInfinity`.
 */
export function ctcNegativeLogLikelihood(
  ctx: Context,
  x: Tensor,
  labels: Tensor,
  weights: ArrayLike<number> | null,
  { blank, zeroInfinity, reduction }: CtcSettings,
): number {
  const [b, t, k] = x.shape
  const [rows, n = 0] = labels.shape
  if (rows !== b || labels.shape.length !== 2) throw shapeError("'y'", [b, null], labels.shape)
  if (blank >= k) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `loss 'ctc': blank ${blank} is none of the ${k} classes of the output`,
      'the last layer has a unit for each label and one for the blank',
    )
  }
  const counts = ctx.empty([b], 'int32')
  countLabels(labels, counts.ints, k, blank)
  const losses = ctx.empty([b])
  const scale = ctx.empty([b])
  const weightOf = (row: number) => (weights ? weights[row] : 1)
  const divisors: Record<CtcReduction, (row: number) => number> = {
    sumOverBatchSize: () => b,
    meanWithSampleWeight: () => all || 1,
    mean: (row) => Math.max(1, counts.ints[row]) * b,
    sum: () => 1,
  }
  let all = 0
  for (let row = 0; row < b; row++) all += weightOf(row)
  for (let row = 0; row < b; row++) scale.values[row] = weightOf(row) / divisors[reduction](row)
  const run = (dx: Tensor | null) =>
    ctcAlignments(
      {
        x: x.values,
        labels: labels.ints,
        counts: counts.ints,
        blank,
        steps: x.mask?.times?.ints ?? null,
        lengths: x.mask?.lengths?.ints ?? null,
        sizes: [b, t, k, n],
      },
      scale.values,
      losses.values,
      dx?.values ?? null,
    )
  if (ctx.recording && x.tracked) {
    ctx.give(x, (to, add) => {
      const dx = add ? ctx.empty(x.shape) : to
      run(dx)
      if (add) ctx.kernels.addScaled(dx.values, to.values, 1, x.size)
    })
  } else {
    run(null)
  }
  let value = 0
  for (let row = 0; row < b; row++) {
    const loss = losses.values[row]
    if (scale.values[row] === 0) continue
    if (loss !== Infinity) value += scale.values[row] * loss
    else if (!zeroInfinity) failTooShort(x, labels, row, counts.ints[row])
  }
  return value
}

/** Each row's number of labels. */
function countLabels(labels: Tensor, counts: Int32Array, classes: number, blank: number): void {
  const [b, n] = labels.shape
  const given = labels.ints
  const { mask } = labels
  for (let row = 0; row < b; row++) {
    const own = given.subarray(row * n, (row + 1) * n)
    const padding = own.findIndex((label) => label < 0 || label === blank)
    const full = mask ? (mask.lengths?.ints[row] ?? n) : padding < 0 ? n : padding
    const bad = own.findIndex((label, i) =>
      i < full
        ? label < 0 || label >= classes || label === blank
        : !mask && label >= 0 && label !== blank,
    )
    if (bad >= 0) {
      const behind = bad >= full ? ' behind padding' : ''
      throw new RefrainError(
        'BAD_DATA',
        `'y': expected labels from 0 to ${classes - 1} other than the blank, ${blank}, ` +
          `got ${own[bad]} at position ${bad} of a row${behind}`,
        'rows of unequal length are arrays of unequal length, or end with blanks or -1',
      )
    }
    counts[row] = full
  }
}

function failTooShort(x: Tensor, labels: Tensor, row: number, count: number): never {
  const [, t] = x.shape
  const n = labels.shape[1]
  const own = labels.ints.subarray(row * n, row * n + count)
  const repeats = own.filter((label, i) => i > 0 && label === own[i - 1]).length
  const steps = x.mask?.lengths ? x.mask.lengths.ints[row] : t
  throw new RefrainError(
    'BAD_DATA',
    `loss 'ctc': ${count} labels with ${repeats} repeats need at least ${count + repeats} steps, ` +
      `a row has ${steps}`,
    'use more steps or fewer labels, or ctc({ zeroInfinity: true }) to leave such rows out',
  )
}
