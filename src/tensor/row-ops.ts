/** Operations on rows: one row for all, limits, normalisation. As `ops.ts`; the loops are plain. */
import type { Context } from './context.ts'
import type { Tensor } from './tensor.ts'

/** v [F] as each of `rows` rows: [rows,F]. */
export function repeatRows(ctx: Context, v: Tensor, rows: number): Tensor {
  const { kernels } = ctx
  const [width] = v.shape
  const y = ctx.empty([rows, width])
  kernels.copyBlock(v.values, 0, 0, y.values, 0, width, rows, width, 0)
  return ctx.record(y, [v], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(v, (dv, add) => kernels.sumRows(dy.values, dv.values, rows, width, add))
  })
}

/** x limited to [low, high]; no gradient flows where it was outside. */
export function clip(ctx: Context, x: Tensor, low: number, high: number): Tensor {
  const y = ctx.empty(x.shape)
  ctx.perform(() => {
    const from = x.values
    const to = y.values
    for (let i = 0; i < to.length; i++) to[i] = Math.min(Math.max(from[i], low), high)
  })
  return ctx.record(y, [x], () => {
    const from = x.values
    const dy = ctx.gradientOf(y).values
    const dx = ctx.gradientOf(x).values
    for (let i = 0; i < dx.length; i++) if (from[i] >= low && from[i] <= high) dx[i] += dy[i]
  })
}

/**
 * (x - mean) / √(variance + epsilon) over the last dimension, the variance divided by the number of
 * elements: layer normalisation (Ba et al. 2016) before gain and bias.
 */
export function normalizeRows(ctx: Context, x: Tensor, epsilon: number): Tensor {
  const width = x.shape[x.shape.length - 1]
  const rows = x.size / width
  const y = ctx.empty(x.shape)
  const scales = ctx.empty([rows])
  ctx.perform(() => {
    const from = x.values
    const to = y.values
    const kept = scales.values
    for (let r = 0, start = 0; r < rows; r++, start += width) {
      let mean = 0
      for (let i = start; i < start + width; i++) mean += from[i]
      mean /= width
      let variance = 0
      for (let i = start; i < start + width; i++) variance += (from[i] - mean) ** 2
      const scale = 1 / Math.sqrt(variance / width + epsilon)
      kept[r] = scale
      for (let i = start; i < start + width; i++) to[i] = (from[i] - mean) * scale
    }
  })
  return ctx.record(y, [x], () => {
    const out = y.values
    const kept = scales.values
    const dy = ctx.gradientOf(y).values
    const dx = ctx.gradientOf(x).values
    for (let r = 0, start = 0; r < rows; r++, start += width) {
      let mean = 0
      let along = 0
      for (let i = start; i < start + width; i++) {
        mean += dy[i]
        along += dy[i] * out[i]
      }
      mean /= width
      along /= width
      for (let i = start; i < start + width; i++) {
        dx[i] += (dy[i] - mean - out[i] * along) * kept[r]
      }
    }
  })
}
