/** Operations of attention: products of a batch of matrices, masked softmax, sums of all pairs. */
import type { Context } from './context.ts'
import type { Mask } from './mask.ts'
import { shapeError, type Tensor } from './tensor.ts'

/** y[i] = a[i]·b[i] for a [B,M,K] and b [B,K,N], with `transposeB` b [B,N,K]: [B,M,N]. */
export function multiplyMatrices(
  ctx: Context,
  a: Tensor,
  b: Tensor,
  { transposeB = false }: { transposeB?: boolean } = {},
): Tensor {
  const { kernels } = ctx
  const [batch, m, k] = a.shape
  const n = b.shape[transposeB ? 1 : 2]
  const wanted = transposeB ? [batch, n, k] : [batch, k, n]
  if (wanted.some((length, axis) => length !== b.shape[axis])) {
    throw shapeError('a product of matrices', wanted, b.shape)
  }
  const y = ctx.empty([batch, m, n])
  kernels.matmulBatch(a.values, b.values, y.values, batch, m, k, n, 0, transposeB ? 1 : 0, 0)
  return ctx.record(y, [a, b], () => {
    const dy = ctx.gradientOf(y).values
    ctx.give(a, ({ values }, add) => {
      kernels.matmulBatch(dy, b.values, values, batch, m, n, k, 0, transposeB ? 0 : 1, add)
    })
    ctx.give(b, ({ values }, add) => {
      if (transposeB) kernels.matmulBatch(dy, a.values, values, batch, n, m, k, 1, 0, add)
      else kernels.matmulBatch(a.values, dy, values, batch, k, m, n, 1, 0, add)
    })
  })
}

/**
 * Softmax of scores [B,Q,K] over the keys that `mask` [B,K] leaves and, with `causal`, that do not
 * come after the query; 0 for the others, and where there are none.
 */
export function softmaxMasked(
  ctx: Context,
  scores: Tensor,
  mask: Mask | null,
  causal = false,
): Tensor {
  const { kernels } = ctx
  const [b, queries, keys] = scores.shape
  if (mask && (mask.rows !== b || mask.steps !== keys)) {
    throw shapeError('a mask of keys', [b, keys], [mask.rows, mask.steps])
  }
  const y = ctx.empty(scores.shape)
  const valid = mask?.lengths ? mask.valid.ints : null
  kernels.softmaxMasked(scores.values, valid, y.values, b, queries, keys, causal ? 1 : 0)
  return ctx.record(y, [scores], () => {
    const dy = ctx.gradientOf(y)
    const dx = ctx.gradientOf(scores)
    kernels.softmaxBackward(y.values, dy.values, dx.values, b * queries, keys, 0)
  })
}

/** y[b,q,k,:] = a[b,q,:] + b[b,k,:] for a [B,Q,D] and b [B,K,D]: [B,Q,K,D]. */
export function addPairs(ctx: Context, a: Tensor, b: Tensor): Tensor {
  const { kernels } = ctx
  const [batch, queries, width] = a.shape
  const keys = b.shape[1]
  const wanted = [batch, keys, width]
  if (wanted.some((length, axis) => length !== b.shape[axis])) {
    throw shapeError('sums of pairs', wanted, b.shape)
  }
  const y = ctx.empty([batch, queries, keys, width])
  const line = keys * width
  for (let k = 0; k < keys; k++) {
    const at = k * width
    kernels.copyBlock(a.values, 0, width, y.values, at, line, batch * queries, width, 0)
  }
  for (let q = 0; q < queries; q++) {
    kernels.copyBlock(b.values, 0, line, y.values, q * line, queries * line, batch, line, 1)
  }
  return ctx.record(y, [a, b], () => {
    const dy = ctx.gradientOf(y).values
    ctx.give(a, ({ values }, add) => {
      for (let k = 0; k < keys; k++) {
        const more = k > 0 ? 1 : add
        kernels.copyBlock(dy, k * width, line, values, 0, width, batch * queries, width, more)
      }
    })
    ctx.give(b, ({ values }, add) => {
      for (let q = 0; q < queries; q++) {
        const more = q > 0 ? 1 : add
        kernels.copyBlock(dy, q * line, queries * line, values, 0, line, batch, line, more)
      }
    })
  })
}
