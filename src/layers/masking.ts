import type { Context } from '../tensor/context.ts'
import { bothMasks, maskBy } from '../tensor/mask.ts'
import { scaleRepeated } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkNumber } from '../util/check.ts'
import { checkRank, type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'

/** Options of `masking`. */
export interface MaskingOptions extends LayerOptions {
  /** A step does not count if all of its features are this number. Default 0. */
  maskValue?: number
}

class Masking extends SimpleLayer {
  readonly kind = 'masking'
  readonly maskValue: number

  constructor(options: MaskingOptions) {
    super(options)
    this.maskValue = checkNumber("masking 'maskValue'", options.maskValue ?? 0)
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return { maskValue: this.maskValue }
  }

  outputShape(input: Shape): Shape {
    checkRank(this, input, 3, '[batch, time, features]')
    return input
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const [rows, steps, features] = x.shape
    const mask = maskBy(ctx, [rows, steps], (flags) => {
      const { values } = x
      // The input's numbers have the backend's precision, so the value must have it, too.
      const value = values instanceof Float32Array ? Math.fround(this.maskValue) : this.maskValue
      flags.fill(0)
      for (let i = 0; i < values.length; i++) {
        if (values[i] !== value) flags[Math.floor(i / features)] = 1
      }
    })
    const factors = ctx.empty([rows * steps, 1])
    ctx.perform(() => factors.values.set(mask.valid.ints))
    const y = scaleRepeated(ctx, x, factors, [rows * steps, features, 1])
    y.mask = bothMasks(ctx.arena, x.mask, mask)
    return y
  }
}

/**
 * Masks the steps whose features all are `maskValue`, for the layers behind it, and makes them zeros.
 * A mask that is there stays: steps count that count in both. Keras's `Masking`.
 */
export function masking(options: MaskingOptions = {}): Masking {
  return new Masking(layerOptions('masking', options, ['maskValue']))
}
