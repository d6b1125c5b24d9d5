/** One row for all rows, and limits: as `ops.ts`, without kernels of their own. */
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
