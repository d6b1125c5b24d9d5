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

class GlobalPooling extends SimpleLayer {
  readonly kind: string
  readonly #pool: (ctx: Context, x: Tensor) => Tensor

  constructor(kind: string, pool: (ctx: Context, x: Tensor) => Tensor, options: LayerOptions) {
    super(options)
    this.kind = kind
    this.#pool = pool
  }

  options() {
    return {}
  }

  outputShape(input: Shape): Shape {
    checkRank(this, input, 3, '[batch, time, features]')
    return [input[0], featuresOf(this, input)]
  }

  forward(ctx: Context, x: Tensor): Tensor {
    return this.#pool(ctx, x)
  }
}

/** Mean over the steps that are not masked: [B,T,F] → [B,F]. Keras's `GlobalAveragePooling1D`. */
export function globalAveragePooling1d(options: LayerOptions = {}): GlobalPooling {
  const kind = 'globalAveragePooling1d'
  return new GlobalPooling(kind, poolMean, layerOptions(kind, options, []))
}

/**
 * Maximum over the steps that are not masked: [B,T,F] → [B,F]; 0 where all are. Keras's
 * `GlobalMaxPooling1D`, which ignores masks.
 */
export function globalMaxPooling1d(options: LayerOptions = {}): GlobalPooling {
  const kind = 'globalMaxPooling1d'
  return new GlobalPooling(kind, poolMax, layerOptions(kind, options, []))
}
