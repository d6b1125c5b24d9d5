import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'

class Flatten extends SimpleLayer {
  readonly kind = 'flatten'

  options() {
    return {}
  }

  outputShape([batch, ...rest]: Shape): Shape {
    let size = 1
    for (const length of rest) {
      if (length === null) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${this.name || this.kind}: expected known dimensions after the batch, got ${show([batch, ...rest])}`,
          'pool over time instead, or give sequences of a fixed length',
        )
      }
      size *= length
    }
    return [batch, size]
  }

  forward(_ctx: Context, x: Tensor): Tensor {
    const [batch] = x.shape
    return x.view([batch, batch === 0 ? 0 : x.size / batch])
  }
}

/** All dimensions but the batch in one: [B,…] → [B,N]. Keras's `Flatten`. */
export function flatten(options: LayerOptions = {}): Flatten {
  return new Flatten(layerOptions('flatten', options, []))
}
