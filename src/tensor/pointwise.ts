/** Operations of one element at a time that have no kernel: any function with its derivative. */
import type { Context } from './context.ts'
import type { Tensor } from './tensor.ts'

/** y = f(x), given f and its derivative in terms of x and y. */
export function pointwise(
  ctx: Context,
  x: Tensor,
  f: (x: number) => number,
  derivative: (x: number, y: number) => number,
): Tensor {
  const y = ctx.empty(x.shape)
  ctx.perform(() => {
    const from = x.values
    const to = y.values
    for (let i = 0; i < to.length; i++) to[i] = f(from[i])
  })
  return ctx.record(y, [x], () => {
    const from = x.values
    const to = y.values
    const dy = ctx.gradientOf(y).values
    const dx = ctx.gradientOf(x).values
    for (let i = 0; i < dx.length; i++) dx[i] += dy[i] * derivative(from[i], to[i])
  })
}

/** The larger of a and b, of equal shapes; of equal elements a's gets the gradient. */
export function larger(ctx: Context, a: Tensor, b: Tensor): Tensor {
  const y = ctx.empty(a.shape)
  ctx.perform(() => {
    const [left, right, to] = [a.values, b.values, y.values]
    for (let i = 0; i < to.length; i++) to[i] = Math.max(left[i], right[i])
  })
  return ctx.record(y, [a, b], () => {
    const [left, right, dy] = [a.values, b.values, ctx.gradientOf(y).values]
    const da = a.tracked ? ctx.gradientOf(a).values : null
    const db = b.tracked ? ctx.gradientOf(b).values : null
    for (let i = 0; i < dy.length; i++) {
      const to = left[i] >= right[i] ? da : db
      if (to) to[i] += dy[i]
    }
  })
}
