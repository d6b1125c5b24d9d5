/** Keras's `Dot`: sums over one dimension of each of two tensors. */
import { RefrainError, show } from '../errors.ts'
import { permute } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import { multiplyMatrices } from '../tensor/products.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'
import { type LayerOptions, layerOptions, type Shape } from './layer.ts'
import { SeveralToOne } from './merge.ts'

/** Options of `dot`. */
export interface DotOptions extends LayerOptions {
  /**
   * The dimensions of the two inputs that are multiplied and summed, counted with the batch, 0; negative ones from
   * the end. One number stands for both.
   */
  axes: number | readonly [number, number]
}

class Dot extends SeveralToOne {
  readonly kind = 'dot'
  readonly axes: readonly [number, number]

  constructor(options: DotOptions) {
    super(options)
    const { axes } = options
    const both = Array.isArray(axes) ? axes : [axes, axes]
    if (both.length !== 2 || !both.every((axis) => Number.isInteger(axis) && axis !== 0)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `dot 'axes': expected a whole number other than 0, or two of them, got ${show(axes)}`,
        'dot({ axes: [2, 1] }) sums over the last of [B,T,K] and the first of [B,K,N]',
      )
    }
    this.axes = both as [number, number]
  }

  options() {
    return { axes: [...this.axes] }
  }

  /** The dimensions that are summed over, from the front. */
  #axesOf(shapes: readonly Shape[]): [number, number] {
    const found = shapes.map(({ length }, i) => (this.axes[i] + length) % length)
    const fits = shapes.every(({ length }, i) => found[i] >= 1 && Math.abs(this.axes[i]) < length)
    const [a, b] = shapes.map((shape, i) => shape[found[i]])
    if (fits && (a === b || a === null || b === null)) return found as [number, number]
    throw new RefrainError(
      'BAD_SHAPE',
      `${this.name || this.kind}: expected as many numbers in dimension ${this.axes[0]} of ${show([...shapes[0]])} ` +
        `as in dimension ${this.axes[1]} of ${show([...shapes[1]])}`,
    )
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    this.checkCount(inputs, 2, 2)
    const axes = this.#axesOf(inputs)
    const rest = inputs.map((shape, i) => shape.filter((_, axis) => axis > 0 && axis !== axes[i]))
    const shape = rest.flat()
    return [[inputs[0][0], ...(shape.length > 0 ? shape : [1])]]
  }

  call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    const shapes = inputs.map(({ shape }) => shape)
    const axes = this.#axesOf(shapes)
    const [output] = this.outputShapes(shapes)
    // [B,rest,K] and [B,rest,K]
    const [a, b] = inputs.map((x, i) => {
      const others = x.shape.map((_, axis) => axis).filter((axis) => axis > 0 && axis !== axes[i])
      const moved = permute(ctx, x, [0, ...others, axes[i]])
      const rest = sizeOf(others.map((axis) => x.shape[axis]))
      return moved.view([x.shape[0], rest, x.shape[axes[i]]])
    })
    return [multiplyMatrices(ctx, a, b, { transposeB: true }).view(output as number[])]
  }
}

/**
 * Σ_k a[…,k,…]·b[…,k,…] for each row: of [B,M,K] and [B,K,N] with `axes: [2, 1]` the matrices' product [B,M,N]; of
 * [B,K] and [B,M,K] with `axes: [1, 2]` the vector [B,M]. Masks end here, as in Keras. Keras's `Dot`.
 */
export function dot(options: DotOptions): Dot {
  return new Dot(layerOptions('dot', options, ['axes']))
}
