/** The linear-chain CRF on tensors; `kernels/reference/crf.ts` has the equations. */
import { RefrainError } from '../errors.ts'
import type { Context } from './context.ts'
import { crfViterbi } from './crf-viterbi.ts'
import { shapeError, type Tensor } from './tensor.ts'

/** Scores of a chain of K labels. */
export interface CrfScores {
  /** [K,K], from row to column. */
  readonly transitions: Tensor
  /** [K] */
  readonly start: Tensor
  /** [K] */
  readonly end: Tensor
}

/** Labels [B,T] int32 of the best paths through x [B,T,K]; 0 at masked steps. */
export function crfPath(ctx: Context, x: Tensor, { transitions, start, end }: CrfScores): Tensor {
  const [b, t] = x.shape
  const path = ctx.empty([b, t], 'int32')
  path.mask = x.mask
  // In training often nobody looks at the path.
  path.defer(() => {
    crfViterbi(
      x.values,
      transitions.values,
      start.values,
      end.values,
      x.mask?.times?.ints ?? null,
      x.mask?.lengths?.ints ?? null,
      path.ints,
      x.shape,
    )
  })
  return path
}

/**
 * The negative log-likelihood of labels [B,T], which have been checked: Σ_b weights[b] · loss[b] / B. Where `ctx` records, it
 * adds to the gradients of x and the scores at once, by forward-backward.
 */
export function crfNegativeLogLikelihood(
  ctx: Context,
  x: Tensor,
  scores: CrfScores,
  labels: Tensor,
  weights: Float32Array | null,
): number {
  const [b, t, k] = x.shape
  const losses = ctx.empty([b])
  const scale = ctx.empty([b])
  for (let row = 0; row < b; row++) scale.values[row] = (weights ? weights[row] : 1) / b
  const { transitions, start, end } = scores
  const wanted = ctx.recording && [x, transitions, start, end].some(({ tracked }) => tracked)
  const dx = wanted ? ctx.empty(x.shape) : null
  const dPairs = wanted ? ctx.empty([b, k, k]) : null
  const scratch = ctx.empty([b, t + 4 * k])
  const { kernels } = ctx
  kernels.crfLoss(
    x.values,
    labels.ints,
    transitions.values,
    start.values,
    end.values,
    x.mask?.times?.ints ?? null,
    x.mask?.lengths?.ints ?? null,
    scale.values,
    losses.values,
    dx?.values ?? null,
    dPairs?.values ?? null,
    scratch.values,
    b,
    t,
    k,
  )
  if (dx && dPairs) {
    ctx.give(x, (to, add) => kernels.copyBlock(dx.values, 0, 1, to.values, 0, 1, x.size, 1, add))
    ctx.give(transitions, (to, add) => kernels.sumRows(dPairs.values, to.values, b, k * k, add))
    giveEdge(ctx, x, dx, start, 'start')
    giveEdge(ctx, x, dx, end, 'end')
  }
  let value = 0
  for (let row = 0; row < b; row++) {
    if (scale.values[row] !== 0) value += scale.values[row] * losses.values[row]
  }
  return value
}

/** The gradient of the start or end scores: dx at each row's first or last step. */
function giveEdge(ctx: Context, x: Tensor, dx: Tensor, scores: Tensor, edge: 'start' | 'end') {
  const [b, t, k] = x.shape
  const { times, lengths } = x.mask ?? { times: null, lengths: null }
  ctx.give(scores, (to, add) => {
    const sums = to.values
    const from = dx.values
    if (!add) sums.fill(0)
    for (let row = 0; row < b; row++) {
      const length = lengths ? lengths.ints[row] : t
      if (length === 0) continue
      const s = edge === 'start' ? 0 : length - 1
      const time = times ? times.ints[row * t + s] : s
      for (let j = 0; j < k; j++) sums[j] += from[(row * t + time) * k + j]
    }
  })
}

/** Fails unless labels are [B,T] and, at steps that count, class numbers of x [B,T,K]. */
export function checkPathLabels(x: Tensor, labels: Tensor): void {
  const [b, t, k] = x.shape
  const [rows, steps, ...rest] = labels.shape
  if (rows !== b || steps !== t || rest.some((length) => length !== 1)) {
    throw shapeError("'y' (class numbers)", [b, t], labels.shape)
  }
  const valid = x.mask?.lengths ? x.mask.valid.ints : null
  const given = labels.ints
  for (let i = 0; i < given.length; i++) {
    if ((given[i] >= 0 && given[i] < k) || valid?.[i] === 0) continue
    throw new RefrainError(
      'BAD_DATA',
      `'y': expected class numbers from 0 to ${k - 1}, got ${given[i]}`,
      'the layer before crf has as many units as there are classes',
    )
  }
}
