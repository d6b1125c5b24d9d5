import type { Context } from '../tensor/context.ts'
import { poolMax, poolMean } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  checkRank,
  featuresOf,
  type LayerOptions,
  layerOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'

/** Options of pooling over all steps or pixels. */
export interface GlobalPoolingOptions extends LayerOptions {
  /** Keep the dimensions that are pooled over, with length 1. Default false. */
  keepdims?: boolean
}

class GlobalPooling extends SimpleLayer {
  readonly kind: string
  readonly rank: 1 | 2
  readonly keepdims: boolean
  readonly #pool: (ctx: Context, x: Tensor) => Tensor

  constructor(
    kind: string,
    pool: (ctx: Context, x: Tensor) => Tensor,
    rank: 1 | 2,
    given: GlobalPoolingOptions,
  ) {
    const options = layerOptions(kind, given, ['keepdims'])
    super(options)
    this.kind = kind
    this.rank = rank
    this.keepdims = options.keepdims ?? false
    this.#pool = pool
  }

  options() {
    return { keepdims: this.keepdims }
  }

  outputShape(input: Shape): Shape {
    const meaning = this.rank === 1 ? '[batch, time, features]' : '[batch, height, width, channels]'
    checkRank(this, input, this.rank + 2, meaning)
    const kept: Shape = this.keepdims ? input.slice(1, -1).map(() => 1) : []
    return [input[0], ...kept, featuresOf(this, input)]
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const [batch, ...rest] = x.shape
    const features = rest.pop()!
    const pixels = rest.reduce((product, length) => product * length, 1)
    const y = this.#pool(ctx, this.rank === 1 ? x : x.view([batch, pixels, features]))
    return this.keepdims ? y.view([batch, ...rest.map(() => 1), features]) : y
  }
}

/** Mean over the steps that are not masked: [B,T,F] → [B,F]. Keras's `GlobalAveragePooling1D`. */
export function globalAveragePooling1d(options: GlobalPoolingOptions = {}): GlobalPooling {
  return new GlobalPooling('globalAveragePooling1d', poolMean, 1, options)
}

/**
 * Maximum over the steps that are not masked: [B,T,F] → [B,F]; 0 where all are. Keras's
 * `GlobalMaxPooling1D`, which ignores masks.
 */
export function globalMaxPooling1d(options: GlobalPoolingOptions = {}): GlobalPooling {
  return new GlobalPooling('globalMaxPooling1d', poolMax, 1, options)
}

/** Mean over all pixels of an image: [B,H,W,C] → [B,C]. Keras's `GlobalAveragePooling2D`. */
export function globalAveragePooling2d(options: GlobalPoolingOptions = {}): GlobalPooling {
  return new GlobalPooling('globalAveragePooling2d', poolMean, 2, options)
}

/** Maximum over all pixels of an image: [B,H,W,C] → [B,C]. Keras's `GlobalMaxPooling2D`. */
export function globalMaxPooling2d(options: GlobalPoolingOptions = {}): GlobalPooling {
  return new GlobalPooling('globalMaxPooling2d', poolMax, 2, options)
}
