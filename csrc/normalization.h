// Layer normalization: each row by its own mean and variance.
#pragma once
#include "parallel.h"

void normalizeRows(const float* x, const float* gamma, const float* beta, float* out, float* mean,
                   float* scale, int32_t rows, int32_t cols, double epsilon) {
  long C = cols;
  forRows(rows, 8.0 * rows * cols, [&](long row) {
    const float* from = x + row * C;
    float* to = out + row * C;
    V sum = {}, squares = {};
    forVectors(0, C, [&](long i, int lanes) LANES { sum += load(from + i, lanes); });
    float centre = sumLanes(sum) / (float)C;
    V shift = splat(centre);
    forVectors(0, C, [&](long i, int lanes) LANES {
      // Centred in `out` first; lanes beyond the row's end must not count.
      store(to + i, load(from + i, lanes) - shift, lanes);
      V centred = load(to + i, lanes);
      squares = fma(centred, centred, squares);
    });
    float factor = 1.0f / __builtin_sqrtf(sumLanes(squares) / (float)C + (float)epsilon);
    mean[row] = centre;
    scale[row] = factor;
    V s = splat(factor);
    forVectors(0, C, [&](long i, int lanes) LANES {
      V normal = load(to + i, lanes) * s;
      if (gamma) normal *= load(gamma + i, lanes);
      if (beta) normal += load(beta + i, lanes);
      store(to + i, normal, lanes);
    });
  });
}

void normalizeRowsBackward(const float* x, const float* gamma, const float* mean,
                           const float* scale, const float* dy, float* dx, float* products,
                           int32_t rows, int32_t cols, int32_t accumulate) {
  long C = cols;
  forRows(rows, 8.0 * rows * cols, [&](long row) {
    const float *from = x + row * C, *dOut = dy + row * C;
    V shift = splat(mean[row]), s = splat(scale[row]), sum = {}, sumNormal = {};
    auto gradient = [&](long i, int lanes) LANES {
      V g = load(dOut + i, lanes);
      return gamma ? g * load(gamma + i, lanes) : g;
    };
    auto normal = [&](long i, int lanes) LANES { return (load(from + i, lanes) - shift) * s; };
    // Lanes beyond the row's end: g is 0 there.
    forVectors(0, C, [&](long i, int lanes) LANES {
      V g = gradient(i, lanes), n = normal(i, lanes);
      sum += g;
      sumNormal = fma(g, n, sumNormal);
      if (products) store(products + row * C + i, load(dOut + i, lanes) * n, lanes);
    });
    if (!dx) return;
    V meanG = splat(sumLanes(sum) / (float)C), meanGn = splat(sumLanes(sumNormal) / (float)C);
    forVectors(0, C, [&](long i, int lanes) LANES {
      V value = s * (gradient(i, lanes) - meanG - normal(i, lanes) * meanGn);
      float* to = dx + row * C + i;
      store(to, accumulate ? load(to, lanes) + value : value, lanes);
    });
  });
}
