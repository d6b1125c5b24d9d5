import type { Context } from '../tensor/context.ts'
import { poolWindows } from '../tensor/patches.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type LayerOptions, layerOptions, type Shape } from './layer.ts'
import { checkPadding, checkSize, type Size2d, WindowLayer } from './windows.ts'

interface PoolingOptions<Size> extends LayerOptions {
  /** Length of the window; default 2. */
  poolSize?: Size
  /** From one window to the next; default `poolSize`. */
  strides?: Size
  /**
   * 'valid': windows inside of the input only; 'same': also those that reach over its edge, of which
   * only what lies inside counts. Default 'valid'.
   */
  padding?: 'valid' | 'same'
}

/** Options of pooling over time. */
export type Pooling1dOptions = PoolingOptions<number>
/** Options of pooling over images. A size is one number or [height, width]. */
export type Pooling2dOptions = PoolingOptions<Size2d>

class WindowPooling extends WindowLayer {
  readonly kind: string
  readonly #of: 'mean' | 'max'

  constructor(of: 'mean' | 'max', rank: 1 | 2, given: Pooling1dOptions | Pooling2dOptions) {
    const kind = `${of === 'max' ? 'max' : 'average'}Pooling${rank}d`
    const options = layerOptions(kind, given, ['poolSize', 'strides', 'padding'])
    const { poolSize = 2, padding = 'valid' } = options
    const size = checkSize(`${kind} 'poolSize'`, rank, poolSize)
    super(options, rank, {
      size,
      strides: checkSize(`${kind} 'strides'`, rank, options.strides ?? poolSize),
      dilation: [1, 1],
      padding: checkPadding(`${kind} 'padding'`, padding, ['valid', 'same']),
    })
    this.kind = kind
    this.#of = of
  }

  options() {
    const { size, strides, padding } = this.windows
    return { poolSize: this.size(size), strides: this.size(strides), padding }
  }

  outputShape(input: Shape): Shape {
    return this.shapeAfter(input, (channels) => channels)
  }

  forward(ctx: Context, x: Tensor): Tensor {
    return this.fromImages(poolWindows(ctx, this.asImages(x), this.windows, this.#of))
  }
}

/**
 * The maximum of every window over time: [B,T,C] → [B,T',C]. A mask has no influence and ends here, as
 * in Keras. Keras's `MaxPooling1D`.
 */
export function maxPooling1d(options: Pooling1dOptions = {}): WindowPooling {
  return new WindowPooling('max', 1, options)
}

/** As `maxPooling1d`, but the mean. Keras's `AveragePooling1D`. */
export function averagePooling1d(options: Pooling1dOptions = {}): WindowPooling {
  return new WindowPooling('mean', 1, options)
}

/** The maximum of every window over an image: [B,H,W,C] → [B,H',W',C]. Keras's `MaxPooling2D`. */
export function maxPooling2d(options: Pooling2dOptions = {}): WindowPooling {
  return new WindowPooling('max', 2, options)
}

/** The mean of every window over an image: [B,H,W,C] → [B,H',W',C]. Keras's `AveragePooling2D`. */
export function averagePooling2d(options: Pooling2dOptions = {}): WindowPooling {
  return new WindowPooling('mean', 2, options)
}
