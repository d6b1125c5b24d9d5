/**
 * Windows that slide over images: convolutions as matrix products over gathered patches ("im2col"),
 * and pooling. Images are [B,height,width,channels]; a sequence is an image of height 1.
 *
 * The patches of one image are `size` times as large as the image. They are therefore gathered for as
 * many images at a time as fill a few megabytes, and again for the backward pass.
 */
import { RefrainError, show } from '../errors.ts'
import type { Floats, FloatsOut } from '../kernels/kernels.ts'
import type { Context } from './context.ts'
import { linear } from './ops.ts'
import { shapeError, type Tensor } from './tensor.ts'

/**
 * 'valid': only windows inside of the image; 'same': as many as there are strides in it; 'causal': as
 * 'same', but a window sees nothing behind itself, for sequences.
 */
export type Padding = 'valid' | 'same' | 'causal'
/** Down the image and across it. */
export type Pair = readonly [number, number]

/** How windows lie on an image. */
export interface Windows {
  readonly size: Pair
  readonly strides: Pair
  readonly dilation: Pair
  readonly padding: Padding
}

/** Elements of patches that are in memory at a time, if one image has not more. */
const chunkSize = 1 << 20

/** Number of windows over `length` pixels; TensorFlow's and Keras's rule. */
export function windowCount(length: number, axis: 0 | 1, windows: Windows): number {
  const reach = windows.dilation[axis] * (windows.size[axis] - 1)
  const covered = windows.padding === 'valid' ? length - reach : length
  return Math.max(0, Math.ceil(covered / windows.strides[axis]))
}

/** Pixels before the first one that the first window covers. */
function paddingBefore(length: number, axis: 0 | 1, windows: Windows): number {
  const reach = windows.dilation[axis] * (windows.size[axis] - 1)
  if (windows.padding === 'valid') return 0
  if (windows.padding === 'causal') return reach
  const last = (windowCount(length, axis, windows) - 1) * windows.strides[axis]
  return Math.max(0, (last + reach + 1 - length) >> 1)
}

/** The windows over images of one size: counts, and the kernels' arguments. */
class Layout {
  readonly images: number
  /** [outHeight, outWidth] */
  readonly out: Pair
  /** Windows of an image. */
  readonly count: number
  /** Elements that a window covers. */
  readonly patch: number
  /** Elements of an image. */
  readonly image: number
  /** Whether some window reaches over the image's edge. */
  readonly padded: boolean
  /** Images that are worked on together. */
  readonly most: number
  readonly #sizes: readonly number[]

  constructor(shape: readonly number[], windows: Windows) {
    const [images, height, width, channels] = shape
    const { size, strides, dilation } = windows
    const before = [paddingBefore(height, 0, windows), paddingBefore(width, 1, windows)]
    this.images = images
    this.out = [windowCount(height, 0, windows), windowCount(width, 1, windows)]
    if (this.out.includes(0)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `a window of ${show(size[0] === 1 ? size[1] : [...size])} does not fit into an input of ` +
          `shape ${show([...shape])}`,
        "use padding 'same', or larger inputs",
      )
    }
    this.count = this.out[0] * this.out[1]
    this.patch = size[0] * size[1] * channels
    this.image = height * width * channels
    this.padded = windows.padding !== 'valid'
    this.most = Math.max(1, Math.floor(chunkSize / (this.count * this.patch)))
    this.#sizes = [
      height,
      width,
      channels,
      ...this.out,
      ...size,
      ...strides,
      ...dilation,
      ...before,
    ]
  }

  /** Memory for the patches of as many images as are worked on together. */
  room(ctx: Context): Tensor {
    const images = Math.min(this.most, Math.max(1, this.images))
    return ctx.empty([images * this.count, this.patch])
  }

  /** Whether all images fit in at once. */
  get atOnce(): boolean {
    return this.images <= this.most
  }

  /** Calls work(first image, number of images); once at least. */
  forChunks(work: (first: number, images: number) => void): void {
    for (let first = 0; first === 0 || first < this.images; first += this.most) {
      work(first, Math.min(this.most, this.images - first))
    }
  }

  /** The images from `first` on of x [B,…], each of `size` elements. */
  part(x: Tensor, first: number, images: number, size: number): Tensor {
    return x.part(first * size, [images, size])
  }

  gather(ctx: Context, x: Tensor, first: number, images: number, patches: FloatsOut): void {
    const from = this.part(x, first, images, this.image).values
    this.#run(ctx.kernels.gatherPatches, from, patches, images)
  }

  /** Adds patches' gradients to those of the images that they come from. */
  addTo(ctx: Context, dx: Tensor, first: number, images: number, dPatches: Floats): void {
    const to = this.part(dx, first, images, this.image).values
    this.#run(ctx.kernels.gatherPatchesBackward, dPatches, to, images)
  }

  #run(kernel: Context['kernels']['gatherPatches'], from: Floats, to: FloatsOut, images: number) {
    const [height, width, channels, outHeight, outWidth, kernelHeight, ...rest] = this.#sizes
    const [kernelWidth, strideY, strideX, dilationY, dilationX, padTop, padLeft] = rest
    kernel(
      from,
      to,
      images,
      height,
      width,
      channels,
      outHeight,
      outWidth,
      kernelHeight,
      kernelWidth,
      strideY,
      strideX,
      dilationY,
      dilationX,
      padTop,
      padLeft,
    )
  }
}

/**
 * y[b,oy,ox,:] = window(b,oy,ox)·kernel + bias for x [B,H,W,C], kernel [kh,kw,C,F] and bias [F]. (It is
 * a cross-correlation: the kernel is not mirrored.)
 */
export function convolve(
  ctx: Context,
  x: Tensor,
  kernel: Tensor,
  bias: Tensor | null,
  windows: Windows,
): Tensor {
  const { kernels } = ctx
  const filters = kernel.shape[3]
  const layout = new Layout(x.shape, windows)
  const { images, out, count, patch } = layout
  if (patch * filters !== kernel.size) {
    throw shapeError('a convolution', [...windows.size, x.shape[3], filters], kernel.shape)
  }
  // Every pixel is a patch.
  if (windows.size.every((n) => n === 1) && windows.strides.every((n) => n === 1)) {
    return linear(ctx, x, kernel.view([patch, filters]), bias)
  }
  const y = ctx.empty([images, ...out, filters])
  const patches = layout.room(ctx)
  const outputSize = count * filters
  layout.forChunks((first, n) => {
    layout.gather(ctx, x, first, n, patches.values)
    const to = layout.part(y, first, n, outputSize).values
    const rows = n * count
    const added = bias?.values ?? null
    kernels.matmul(patches.values, kernel.values, added, to, rows, patch, filters, 0, 0, 0)
  })
  return ctx.record(y, [x, kernel, bias], () => {
    const dy = ctx.gradientOf(y)
    const dyOf = (first: number, n: number) => layout.part(dy, first, n, outputSize).values
    ctx.give(kernel, ({ values }, add) => {
      layout.forChunks((first, n) => {
        if (!layout.atOnce) layout.gather(ctx, x, first, n, patches.values)
        const more = first > 0 ? 1 : add
        const given = dyOf(first, n)
        kernels.matmul(patches.values, given, null, values, patch, n * count, filters, 1, 0, more)
      })
    })
    ctx.give(x, (dx, add) => {
      if (!add) kernels.fill(dx.values, 0, dx.size)
      layout.forChunks((first, n) => {
        const [given, rows] = [dyOf(first, n), n * count]
        kernels.matmul(given, kernel.values, null, patches.values, rows, filters, patch, 0, 1, 0)
        layout.addTo(ctx, dx, first, n, patches.values)
      })
    })
    ctx.give(bias, ({ values }, add) => {
      kernels.sumRows(dy.values, values, images * count, filters, add)
    })
  })
}

/**
 * The mean or the maximum of every window over x [B,H,W,C], channel by channel; pixels outside of the
 * image do not count.
 */
export function poolWindows(
  ctx: Context,
  x: Tensor,
  windows: Windows,
  kind: 'mean' | 'max',
): Tensor {
  const { kernels } = ctx
  const layout = new Layout(x.shape, windows)
  const { images, out, count, patch } = layout
  const channels = x.shape[3]
  const size = windows.size[0] * windows.size[1]
  const y = ctx.empty([images, ...out, channels])
  const patches = layout.room(ctx)
  const valid = layout.padded ? insidePixels(ctx, x, windows, patches.shape[0]) : null
  const argmax = kind === 'max' ? ctx.empty([images, count * channels], 'int32') : null
  const outputSize = count * channels
  layout.forChunks((first, n) => {
    layout.gather(ctx, x, first, n, patches.values)
    const to = layout.part(y, first, n, outputSize).values
    const flags = valid?.ints.subarray(0, n * count * size) ?? null
    if (argmax) {
      const at = layout.part(argmax, first, n, outputSize).ints
      kernels.poolMax(patches.values, flags, to, at, n * count, size, channels)
    } else {
      kernels.poolMean(patches.values, flags, to, n * count, size, channels)
    }
  })
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => {
      if (!add) kernels.fill(dx.values, 0, dx.size)
      layout.forChunks((first, n) => {
        const given = layout.part(dy, first, n, outputSize).values
        const flags = valid?.ints.subarray(0, n * count * size) ?? null
        kernels.fill(patches.values, 0, n * count * patch)
        if (argmax) {
          const at = layout.part(argmax, first, n, outputSize).ints
          kernels.poolMaxBackward(given, at, patches.values, n * count, size, channels)
        } else {
          kernels.poolMeanBackward(given, flags, patches.values, n * count, size, channels)
        }
        layout.addTo(ctx, dx, first, n, patches.values)
      })
    })
  })
}

/** For every window of `rows / count` images and every place in it, 1 where a pixel is: [rows, size]. */
function insidePixels(ctx: Context, x: Tensor, windows: Windows, rows: number): Tensor {
  const [, height, width] = x.shape
  const one = new Layout([1, height, width, 1], windows)
  const ones = ctx.empty([height * width])
  const flags = ctx.empty([one.count, one.patch])
  const valid = ctx.empty([rows, one.patch], 'int32')
  ctx.kernels.fill(ones.values, 1, ones.size)
  one.gather(ctx, ones, 0, 1, flags.values)
  ctx.perform(() => {
    const { ints } = valid
    for (let at = 0; at < ints.length; at += flags.size) ints.set(flags.values, at)
  })
  return valid
}
