/** The operations that a cell of `defineCell` and a `lambda` layer compute with. */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { normalizeRows } from '../tensor/normalize.ts'
import {
  activate,
  columns,
  concatenate,
  dropout,
  largest,
  linear,
  multiply,
  weightedSum,
} from '../tensor/ops.ts'
import { pointwise } from '../tensor/pointwise.ts'
import { clip, repeatRows } from '../tensor/row-ops.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { checkRate } from './dropout.ts'

/**
 * A tensor or a number. Where two tensors meet, the smaller one is repeated: a number or [F] over all
 * rows of […,F], […,1] over the columns of […,F].
 */
export type Operand = Tensor | number

/** Operations with gradients. All last dimensions are the features'. */
export interface Operations {
  /** True in training, where dropout acts. */
  readonly training: boolean
  /** x […,K]·kernel [K,N] + bias [N]: […,N]. */
  linear(x: Tensor, kernel: Tensor, bias?: Tensor | null): Tensor
  /** The sum of all terms. */
  add(...terms: [Operand, Operand, ...Operand[]]): Tensor
  /** a - b. */
  subtract(a: Operand, b: Operand): Tensor
  /** The product of all factors, element by element. */
  multiply(...factors: [Operand, Operand, ...Operand[]]): Tensor
  /** a / b. */
  divide(a: Operand, b: Operand): Tensor
  /** The larger of each pair. */
  maximum(a: Operand, b: Operand): Tensor
  /** The smaller of each pair. */
  minimum(a: Operand, b: Operand): Tensor
  /** 1 / (1 + e^-x). */
  sigmoid(x: Tensor): Tensor
  /** The hyperbolic tangent. */
  tanh(x: Tensor): Tensor
  /** max(x, 0). */
  relu(x: Tensor): Tensor
  /** Over the last dimension. */
  softmax(x: Tensor): Tensor
  /** Any activation by its name. */
  activate(name: ActivationName, x: Tensor): Tensor
  /** e^x. */
  exp(x: Tensor): Tensor
  /** The natural logarithm. */
  log(x: Tensor): Tensor
  /** The square root. */
  sqrt(x: Tensor): Tensor
  /** x². */
  square(x: Tensor): Tensor
  /** |x|. */
  abs(x: Tensor): Tensor
  /** min(max(x, low), high); no gradient outside. */
  clip(x: Tensor, low: number, high: number): Tensor
  /** Over the last dimension, which stays with a length of 1. */
  sum(x: Tensor): Tensor
  /** Over the last dimension, which stays with a length of 1. */
  mean(x: Tensor): Tensor
  /** (x - mean) / √(variance + epsilon) over the last dimension; epsilon 0.001 unless given. */
  normalize(x: Tensor, epsilon?: number): Tensor
  /** Side by side along the last dimension. */
  concatenate(parts: readonly Tensor[]): Tensor
  /** The last dimension in `parts` equal parts. */
  split(x: Tensor, parts: number): Tensor[]
  /** `width` columns of the last dimension, from `start` on. */
  columns(x: Tensor, start: number, width: number): Tensor
  /** The same elements in another shape of equal size. */
  reshape(x: Tensor, shape: readonly number[]): Tensor
  /** Inverted dropout in training, a new mask each time; x itself otherwise. */
  dropout(x: Tensor, rate: number): Tensor
}

/** The operations of a pass. */
export function operations(ctx: Context): Operations {
  const filled = (shape: readonly number[], value: number) => {
    const tensor = ctx.empty(shape)
    ctx.kernels.fill(tensor.values, value, tensor.size)
    return tensor
  }
  /** As `shape`: repeated where it is smaller. */
  const spread = (where: string, v: Operand, shape: readonly number[]): Tensor => {
    if (typeof v === 'number') return filled(shape, v)
    const width = shape[shape.length - 1]
    const rows = shape.slice(0, -1)
    if (same(v.shape, shape)) return v
    if (same(v.shape, [width])) {
      return repeatRows(
        ctx,
        v,
        rows.reduce((all, length) => all * length, 1),
      ).view(shape)
    }
    if (same(v.shape, [...rows, 1])) return linear(ctx, v, filled([1, width], 1), null)
    throw shapeError(`operations.${where}`, shape, v.shape)
  }
  /** Both in the shape of the larger one. */
  const pair = (where: string, a: Operand, b: Operand): [Tensor, Tensor] => {
    const sizes = [a, b].map((v) => (typeof v === 'number' ? [] : v.shape))
    if (sizes[0].length + sizes[1].length === 0) {
      throw new RefrainError('BAD_ARGUMENT', `operations.${where}: expected a tensor, got numbers`)
    }
    const size = (shape: readonly number[]) => shape.reduce((all, length) => all * length, 1)
    const larger =
      sizes[0].length > sizes[1].length ||
      (sizes[0].length === sizes[1].length && size(sizes[0]) >= size(sizes[1]))
    const shape = larger ? sizes[0] : sizes[1]
    return [spread(where, a, shape), spread(where, b, shape)]
  }
  const fold =
    (join: (a: Operand, b: Operand) => Tensor) =>
    (...terms: [Operand, Operand, ...Operand[]]): Tensor => {
      const [first, second, ...rest] = terms
      return rest.reduce<Tensor>(join, join(first, second))
    }
  const times = (a: Operand, b: Operand): Tensor => {
    if (typeof a === 'number' && typeof b !== 'number') return weightedSum(ctx, [b], [a])
    if (typeof b === 'number' && typeof a !== 'number') return weightedSum(ctx, [a], [b])
    return multiply(ctx, ...pair('multiply', a, b))
  }
  const inverse = (x: Tensor) =>
    pointwise(
      ctx,
      x,
      (v) => 1 / v,
      (_, y) => -y * y,
    )
  const over = (x: Tensor, weight: number) =>
    linear(ctx, x, filled([x.shape[x.shape.length - 1], 1], weight), null)
  return {
    training: ctx.training,
    linear: (x, kernel, bias = null) => linear(ctx, x, kernel, bias),
    add: fold((a, b) => weightedSum(ctx, pair('add', a, b), [1, 1])),
    subtract: (a, b) => weightedSum(ctx, pair('subtract', a, b), [1, -1]),
    multiply: fold(times),
    divide: (a, b) => times(a, typeof b === 'number' ? 1 / b : inverse(b)),
    maximum: (a, b) => largest(ctx, pair('maximum', a, b)),
    minimum(a, b) {
      const [left, right] = pair('minimum', a, b)
      return times(-1, largest(ctx, [times(-1, left), times(-1, right)]))
    },
    sigmoid: (x) => activate(ctx, 'sigmoid', x),
    tanh: (x) => activate(ctx, 'tanh', x),
    relu: (x) => activate(ctx, 'relu', x),
    softmax: (x) => activate(ctx, 'softmax', x),
    activate: (name, x) => activate(ctx, checkActivation('operations.activate', name), x),
    exp: (x) => activate(ctx, 'exponential', x),
    log: (x) => pointwise(ctx, x, Math.log, (v) => 1 / v),
    sqrt: (x) => pointwise(ctx, x, Math.sqrt, (_, y) => 0.5 / y),
    square: (x) => multiply(ctx, x, x),
    abs: (x) => pointwise(ctx, x, Math.abs, Math.sign),
    clip: (x, low, high) => clip(ctx, x, low, high),
    sum: (x) => over(x, 1),
    mean: (x) => over(x, 1 / x.shape[x.shape.length - 1]),
    normalize: (x, epsilon = 1e-3) => normalizeRows(ctx, x, null, null, epsilon),
    concatenate: (parts) => concatenate(ctx, parts),
    split(x, parts) {
      const width = x.shape[x.shape.length - 1] / checkInteger("operations.split 'parts'", parts)
      if (!Number.isInteger(width)) {
        throw new RefrainError(
          'BAD_SHAPE',
          `operations.split: expected a last dimension that ${parts} divides, got shape ${show([...x.shape])}`,
        )
      }
      return Array.from({ length: parts }, (_, part) => columns(ctx, x, part * width, width))
    },
    columns: (x, start, width) => columns(ctx, x, start, width),
    reshape: (x, shape) => x.view(shape),
    dropout: (x, rate) =>
      ctx.training && checkRate("operations.dropout 'rate'", rate) > 0 ? dropout(ctx, x, rate) : x,
  }
}

const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((length, i) => length === b[i])
