/** Operations that move elements about: repeating, joining and swapping dimensions. */
import { sizeOf } from '../util/check.ts'
import type { Context } from './context.ts'
import { concatenate } from './ops.ts'
import { shapeError, type Tensor } from './tensor.ts'

/** x with its dimension `axis`, of length 1, repeated `count` times. */
export function repeatAxis(ctx: Context, x: Tensor, axis: number, count: number): Tensor {
  const { kernels } = ctx
  const before = x.shape.slice(0, axis)
  const after = x.shape.slice(axis + 1)
  const [outer, inner] = [sizeOf(before), sizeOf(after)]
  const y = ctx.empty([...before, count, ...after])
  if (inner === 1) {
    // A column of numbers, each to be a row: a product with ones.
    const ones = ctx.empty([count])
    kernels.fill(ones.values, 1, count)
    kernels.matmul(x.values, ones.values, null, y.values, outer, 1, count, 0, 0, 0)
    return ctx.record(y, [x], () => {
      const dy = ctx.gradientOf(y)
      ctx.give(x, (dx, add) => {
        kernels.matmul(dy.values, ones.values, null, dx.values, outer, count, 1, 0, 0, add)
      })
    })
  }
  const stride = count * inner
  for (let i = 0; i < count; i++) {
    kernels.copyBlock(x.values, 0, inner, y.values, i * inner, stride, outer, inner, 0)
  }
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => {
      for (let i = 0; i < count; i++) {
        const sum = i > 0 ? 1 : add
        kernels.copyBlock(dy.values, i * inner, stride, dx.values, 0, inner, outer, inner, sum)
      }
    })
  })
}

/** x repeated along its dimensions of length 1 until it has `shape`, of the same rank. */
export function broadcast(ctx: Context, x: Tensor, shape: readonly number[]): Tensor {
  let y = x
  shape.forEach((length, axis) => {
    if (y.shape[axis] === length) return
    if (y.shape[axis] !== 1) throw shapeError('broadcast', shape, x.shape)
    y = repeatAxis(ctx, y, axis, length)
  })
  return y
}

/** Tensors that agree in all dimensions but `axis`, one after the other along it. */
export function concatenateAxis(ctx: Context, parts: readonly Tensor[], axis: number): Tensor {
  const [{ shape }] = parts
  for (const part of parts) {
    const fits =
      part.shape.length === shape.length &&
      part.shape.every((length, i) => i === axis || length === shape[i])
    if (!fits) {
      const wanted = shape.map((length, i) => (i === axis ? null : length))
      throw shapeError('concatenate', wanted, part.shape)
    }
  }
  const outer = sizeOf(shape.slice(0, axis))
  const rows = parts.map((part) => part.view([outer, sizeOf(part.shape.slice(axis))]))
  const length = parts.reduce((sum, part) => sum + part.shape[axis], 0)
  return concatenate(ctx, rows).view([...shape.slice(0, axis), length, ...shape.slice(axis + 1)])
}

/** x with its dimensions in another order: dimension i of the result is dimension `order[i]` of x. */
export function permute(ctx: Context, x: Tensor, order: readonly number[]): Tensor {
  const axes = order.map((_, i) => i)
  let y = x
  order.forEach((axis, place) => {
    const at = axes.indexOf(axis)
    if (at === place) return
    y = moveForward(ctx, y, at, place)
    axes.splice(at, 1)
    axes.splice(place, 0, axis)
  })
  return y
}

/** x with dimension `from` moved to `to`, which is before it. */
function moveForward(ctx: Context, x: Tensor, from: number, to: number): Tensor {
  const { kernels } = ctx
  const { shape } = x
  const head = shape.slice(0, to)
  const tail = shape.slice(from + 1)
  const [a, b, c, d] = [head, shape.slice(to, from), [shape[from]], tail].map(sizeOf)
  const y = ctx.empty([...head, shape[from], ...shape.slice(to, from), ...tail])
  kernels.swapAxes(x.values, y.values, a, b, c, d, 0)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => kernels.swapAxes(dy.values, dx.values, a, c, b, d, add))
  })
}
