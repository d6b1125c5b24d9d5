import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { dropout as dropoutOf } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'

export interface DropoutOptions extends LayerOptions {
  /** Share of the elements set to zero in training, from 0 to below 1. */
  rate: number
}

class Dropout extends SimpleLayer {
  readonly kind = 'dropout'
  readonly rate: number

  constructor(options: DropoutOptions) {
    super(options)
    this.rate = checkRate("dropout 'rate'", options.rate)
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return { rate: this.rate }
  }

  outputShape(input: Shape): Shape {
    return input
  }

  forward(ctx: Context, x: Tensor): Tensor {
    if (!ctx.training || this.rate === 0) return x
    const y = dropoutOf(ctx, x, this.rate)
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
export function dropout(options: DropoutOptions): Dropout {
  return new Dropout(layerOptions('dropout', options, ['rate']))
}
