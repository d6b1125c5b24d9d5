import { RefrainError, show } from '../errors.ts'
import { broadcast } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import { dropoutMask, dropout as dropoutOf, multiply } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  type LayerOptions,
  layerOptions,
  type SeedOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'

export interface DropoutOptions extends LayerOptions, SeedOptions {
  /** Share of the elements set to zero in training, from 0 to below 1. */
  rate: number
}

/** Options of `dropout`. */
export interface NoiseDropoutOptions extends DropoutOptions {
  /**
   * The shape of what is drawn, with the batch: 1 where all elements along a dimension are kept or dropped
   * together, null for the input's length. [null, 1, null] drops features of all steps. Default: each
   * element by itself.
   */
  noiseShape?: readonly (number | null)[]
}

class Dropout extends SimpleLayer {
  readonly kind = 'dropout'
  readonly rate: number
  readonly noiseShape: readonly (number | null)[] | null

  constructor(options: NoiseDropoutOptions) {
    super(options)
    this.rate = checkRate("dropout 'rate'", options.rate)
    this.noiseShape = options.noiseShape ?? null
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    const { rate, noiseShape } = this
    return { rate, ...(noiseShape && { noiseShape }) }
  }

  outputShape(input: Shape): Shape {
    const { noiseShape } = this
    if (!noiseShape) return input
    const fits = (length: number | null, i: number) =>
      length === null || length === 1 || input[i] === null || length === input[i]
    if (Array.isArray(noiseShape) && noiseShape.length === input.length && noiseShape.every(fits)) {
      return input
    }
    throw new RefrainError(
      'BAD_SHAPE',
      `${this.name || this.kind} 'noiseShape': expected a length for each dimension of ` +
        `${show([...input])}, its own, null or 1, got ${show(noiseShape)}`,
      'the batch is the first: [null, 1, null] drops features of all steps',
    )
  }

  forward(ctx: Context, x: Tensor): Tensor {
    if (!ctx.training || this.rate === 0) return x
    const shape = this.noiseShape?.map((length, i) => length ?? x.shape[i])
    const y = shape
      ? multiply(ctx, x, broadcast(ctx, dropoutMask(ctx, shape, this.rate), x.shape))
      : dropoutOf(ctx, x, this.rate)
    y.mask = x.mask
    return y
  }
}

/** A dropout rate: from 0 to below 1. */
export function checkRate(where: string, rate: unknown): number {
  if (typeof rate !== 'number' || !(rate >= 0 && rate < 1)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected a number from 0 to below 1, got ${show(rate)}`,
    )
  }
  return rate
}

/**
 * In training, sets a share of the elements to zero and divides the rest by 1 - rate, so that the
 * expectation stays; otherwise does nothing. Srivastava et al. 2014; Keras's `Dropout`.
 */
export function dropout(options: NoiseDropoutOptions): Dropout {
  return new Dropout(layerOptions('dropout', options, ['rate', 'noiseShape', 'seed']))
}
