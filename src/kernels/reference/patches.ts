/** Windows over images: for convolutions and pooling. */
import type { Kernels } from '../kernels.ts'

/** Calls visit(place among the patches, place in the images) for every pixel that a window covers. */
function forPixels(
  visit: (patch: number, pixel: number) => void,
  ...[b, height, width, channels, outHeight, outWidth, ...rest]: number[]
): void {
  const [kernelHeight, kernelWidth, strideY, strideX, dilationY, dilationX, padTop, padLeft] = rest
  let patch = 0
  for (let row = 0; row < b * outHeight; row++) {
    for (let ox = 0; ox < outWidth; ox++) {
      for (let ky = 0; ky < kernelHeight; ky++) {
        for (let kx = 0; kx < kernelWidth; kx++, patch += channels) {
          const y = (row % outHeight) * strideY + ky * dilationY - padTop
          const x = ox * strideX + kx * dilationX - padLeft
          if (y < 0 || y >= height || x < 0 || x >= width) continue
          const pixel = ((Math.floor(row / outHeight) * height + y) * width + x) * channels
          for (let c = 0; c < channels; c++) visit(patch + c, pixel + c)
        }
      }
    }
  }
}

export const patchKernels: Pick<Kernels, 'gatherPatches' | 'gatherPatchesBackward'> = {
  gatherPatches(x, patches, ...sizes) {
    const [b, , , channels, outHeight, outWidth, kernelHeight, kernelWidth] = sizes
    patches.fill(0, 0, b * outHeight * outWidth * kernelHeight * kernelWidth * channels)
    forPixels(
      (patch, pixel) => {
        patches[patch] = x[pixel]
      },
      ...sizes,
    )
  },

  gatherPatchesBackward(dPatches, dx, ...sizes) {
    forPixels(
      (patch, pixel) => {
        dx[pixel] += dPatches[patch]
      },
      ...sizes,
    )
  },
}
