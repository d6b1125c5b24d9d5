/** Layers that give their input another shape: reshape, permute, repeatVector. */
import { RefrainError, show } from '../errors.ts'
import { permute as permuteOf, repeatAxis } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, sizeOf } from '../util/check.ts'
import {
  checkRank,
  featuresOf,
  type LayerOptions,
  layerOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'

/** Options of `reshape`. */
export interface ReshapeOptions extends LayerOptions {
  /** The new shape of one example, without the batch; one dimension may be -1: what is left. */
  targetShape: readonly number[]
}

class Reshape extends SimpleLayer {
  readonly kind = 'reshape'
  readonly targetShape: readonly number[]

  constructor(options: ReshapeOptions) {
    super(options)
    const { targetShape } = options
    const fits =
      Array.isArray(targetShape) &&
      targetShape.every((length) => Number.isInteger(length) && (length > 0 || length === -1)) &&
      targetShape.filter((length) => length === -1).length <= 1
    if (!fits) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        "reshape 'targetShape': expected positive whole numbers, one of which may be -1, " +
          `got ${show(targetShape)}`,
      )
    }
    this.targetShape = [...targetShape]
  }

  options() {
    return { targetShape: this.targetShape }
  }

  outputShape([batch, ...shape]: Shape): Shape {
    const target = this.targetShape
    if (shape.includes(null)) {
      return [batch, ...target.map((length) => (length === -1 ? null : length))]
    }
    return [batch, ...this.#fill(shape as number[])]
  }

  /** The target with -1 replaced. */
  #fill(shape: readonly number[]): number[] {
    const size = sizeOf(shape)
    const known = sizeOf(this.targetShape.filter((length) => length !== -1))
    const open = this.targetShape.includes(-1)
    if (open ? size % known !== 0 : size !== known) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: expected an input of ${open ? 'a multiple of ' : ''}${known} ` +
          `elements for the shape ${show([...this.targetShape])}, got ${show([...shape])}`,
      )
    }
    return this.targetShape.map((length) => (length === -1 ? size / known : length))
  }

  forward(_ctx: Context, x: Tensor): Tensor {
    const [batch, ...shape] = x.shape
    return x.view([batch, ...this.#fill(shape)])
  }
}

/** The same elements in another shape; a mask ends here. Keras's `Reshape`. */
export function reshape(options: ReshapeOptions): Reshape {
  return new Reshape(layerOptions('reshape', options, ['targetShape']))
}

/** Options of `permute`. */
export interface PermuteOptions extends LayerOptions {
  /** The dimensions in their new order, counted from 1: the batch stays. [2, 1] swaps time and features. */
  dims: readonly number[]
}

class Permute extends SimpleLayer {
  readonly kind = 'permute'
  readonly dims: readonly number[]

  constructor(options: PermuteOptions) {
    super(options)
    const { dims } = options
    const sorted = Array.isArray(dims) ? [...dims].sort((a, b) => a - b) : []
    if (sorted.length === 0 || sorted.some((dim, i) => dim !== i + 1)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `permute 'dims': expected the numbers from 1 on in some order, got ${show(dims)}`,
        'dims: [2, 1] swaps time and features',
      )
    }
    this.dims = [...dims]
  }

  options() {
    return { dims: this.dims }
  }

  outputShape(input: Shape): Shape {
    const meaning = 'as dims has, and the batch'
    checkRank(this, input, this.dims.length + 1, meaning)
    return [input[0], ...this.dims.map((dim) => input[dim])]
  }

  forward(ctx: Context, x: Tensor): Tensor {
    return permuteOf(ctx, x, [0, ...this.dims])
  }
}

/** Its input's dimensions in another order; a mask ends here. Keras's `Permute`. */
export function permute(options: PermuteOptions): Permute {
  return new Permute(layerOptions('permute', options, ['dims']))
}

/** Options of `repeatVector`. */
export interface RepeatVectorOptions extends LayerOptions {
  /** Number of steps. */
  n: number
}

class RepeatVector extends SimpleLayer {
  readonly kind = 'repeatVector'
  readonly n: number

  constructor(options: RepeatVectorOptions) {
    super(options)
    this.n = checkInteger("repeatVector 'n'", options.n)
  }

  options() {
    return { n: this.n }
  }

  outputShape(input: Shape): Shape {
    checkRank(this, input, 2, '[batch, features]')
    return [input[0], this.n, featuresOf(this, input)]
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const [batch, features] = x.shape
    return repeatAxis(ctx, x.view([batch, 1, features]), 1, this.n)
  }
}

/** The same vector at each of n steps: [B,F] → [B,n,F]. Keras's `RepeatVector`. */
export function repeatVector(options: RepeatVectorOptions | number): RepeatVector {
  const given = typeof options === 'number' ? { n: options } : options
  return new RepeatVector(layerOptions('repeatVector', given, ['n']))
}
