// Windows over images as rows of a matrix, for convolutions and pooling, and back.
#pragma once
#include "elementwise.h"
#include "matmul.h"

namespace {

NOINLINE void zeroRow(float* to, long count) {
  forVectors(0, count, [&](long i, int lanes) LANES { store(to + i, V{}, lanes); });
}

/** How windows lie on images, as the kernels' arguments name it. */
struct Windows {
  long b, height, width, channels, outHeight, outWidth, kernelHeight, kernelWidth;
  long strideY, strideX, dilationY, dilationX, padTop, padLeft;

  /**
   * One row of a window, `line`, from the image's row y (or, `back`, to it, added), x the place of the
   * first pixel. Neighbours are moved together, which is faster than pixel by pixel.
   */
  INLINE void moveLine(float* image, float* line, long y, long x, bool back) const {
    long run = dilationX == 1 ? kernelWidth : 1, runs = kernelWidth / run;
    for (long i = 0; i < runs; i++, x += dilationX, line += run * channels) {
      // Pixels `begin` to `end` of the run lie inside of the image.
      bool inside = y >= 0 && y < height;
      long begin = inside ? within(-x, 0, run) : run, end = within(width - x, begin, run);
      float *pixels = image + (y * width + x + begin) * channels, *to = line + begin * channels;
      long count = (end - begin) * channels;
      if (back) {
        copyRow(to, pixels, count, true);
      } else {
        zeroRow(line, begin * channels);
        copyRow(pixels, to, count, false);
        zeroRow(to + count, (run - end) * channels);
      }
    }
  }

  /** All windows, image by image: threads take images, so that windows add in one order. */
  NOINLINE void move(float* images, float* patches, bool back) const {
    long size = outHeight * outWidth * kernelHeight * kernelWidth * channels;
    parallel(b, (double)b * size, [&](long i) {
      float *image = images + i * height * width * channels, *line = patches + i * size;
      for (long oy = 0; oy < outHeight; oy++) {
        for (long ox = 0; ox < outWidth; ox++) {
          for (long ky = 0; ky < kernelHeight; ky++, line += kernelWidth * channels) {
            moveLine(image, line, oy * strideY + ky * dilationY - padTop, ox * strideX - padLeft, back);
          }
        }
      }
    });
  }
};

}  // namespace

void gatherPatches(const float* x, float* patches, int32_t b, int32_t height, int32_t width,
                   int32_t channels, int32_t outHeight, int32_t outWidth, int32_t kernelHeight,
                   int32_t kernelWidth, int32_t strideY, int32_t strideX, int32_t dilationY,
                   int32_t dilationX, int32_t padTop, int32_t padLeft) {
  Windows{b,           height,  width,   channels,  outHeight, outWidth, kernelHeight,
          kernelWidth, strideY, strideX, dilationY, dilationX, padTop,   padLeft}
      .move(const_cast<float*>(x), patches, false);
}

void gatherPatchesBackward(const float* dPatches, float* dx, int32_t b, int32_t height,
                           int32_t width, int32_t channels, int32_t outHeight, int32_t outWidth,
                           int32_t kernelHeight, int32_t kernelWidth, int32_t strideY,
                           int32_t strideX, int32_t dilationY, int32_t dilationX, int32_t padTop,
                           int32_t padLeft) {
  Windows{b,           height,  width,   channels,  outHeight, outWidth, kernelHeight,
          kernelWidth, strideY, strideX, dilationY, dilationX, padTop,   padLeft}
      .move(dx, const_cast<float*>(dPatches), true);
}
