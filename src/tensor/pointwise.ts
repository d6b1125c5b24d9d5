/** Any function of one element, given its derivative, for what has no kernel. */
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
