// Sums, products and copies, element by element.
#pragma once
#include "parallel.h"

void fill(float* out, double value, int32_t n) {
  V v = splat((float)value);
  forElements(n, 1, [&](long i, int lanes) LANES { store(out + i, v, lanes); });
}

void addScaled(const float* x, float* out, double scale, int32_t n) {
  V s = splat((float)scale);
  forElements(n, 1, [&](long i, int lanes) LANES {
    store(out + i, fma(s, load(x + i, lanes), load(out + i, lanes)), lanes);
  });
}

void multiply(const float* a, const float* b, float* out, int32_t n, int32_t accumulate) {
  if (accumulate) {
    forElements(n, 1, [&](long i, int lanes) LANES {
      store(out + i, fma(load(a + i, lanes), load(b + i, lanes), load(out + i, lanes)), lanes);
    });
  } else {
    forElements(n, 1, [&](long i, int lanes) LANES {
      store(out + i, load(a + i, lanes) * load(b + i, lanes), lanes);
    });
  }
}

void multiplyRepeated(const float* x, const float* scale, float* out, int32_t outer, int32_t repeat,
                      int32_t inner, int32_t accumulate) {
  long I = inner;
  forRows((long)outer * repeat, (double)outer * repeat * inner, [&](long row) {
    const float *from = x + row * I, *factor = scale + row / repeat * I;
    float* to = out + row * I;
    forVectors(0, I, [&](long i, int lanes) LANES {
      V product = load(from + i, lanes) * load(factor + i, lanes);
      store(to + i, accumulate ? load(to + i, lanes) + product : product, lanes);
    });
  });
}

/** Calls body(v, lanes) for the vectors of `columns` floats, N of them or fewer. */
template <int N, class Body>
INLINE void forLanes(long columns, Body body) {
  if (columns == N * W) {
    UNROLL
    for (int v = 0; v < N; v++) body(v, W);
  } else {
    for (int v = 0; v * W < columns; v++) body(v, columns - v * W < W ? (int)(columns - v * W) : W);
  }
}

/** Threads take columns, so that each column is summed in the order of its rows. */
void sumRows(const float* x, float* out, int32_t rows, int32_t cols, int32_t accumulate) {
  long C = cols;
  constexpr int vectors = 8;
  constexpr long width = vectors * W, block = 256;
  parallel((C + width - 1) / width, (double)rows * cols, [&](long task) {
    long first = task * width, columns = C - first < width ? C - first : width;
    V total[vectors] = {};
    // Partial sums of `block` rows, for accuracy; side by side, as the rows lie far apart.
    for (long r0 = 0; r0 < rows; r0 += block) {
      V sum[vectors] = {};
      for (long r = r0; r < r0 + block && r < rows; r++) {
        forLanes<vectors>(columns, [&](int v, int lanes) LANES {
          sum[v] += load(x + r * C + first + v * W, lanes);
        });
      }
      UNROLL
      for (int v = 0; v < vectors; v++) total[v] += sum[v];
    }
    forLanes<vectors>(columns, [&](int v, int lanes) LANES {
      float* to = out + first + v * W;
      store(to, accumulate ? load(to, lanes) + total[v] : total[v], lanes);
    });
  });
}

namespace {

#if defined(__wasm__)
// The module is embedded in pages.
#define COPY NOINLINE
#else
#define COPY INLINE
#endif

/** to[i] = from[i], or added. */
COPY void copyRow(const float* from, float* to, long count, bool add) {
  forVectors(0, count, [&](long i, int lanes) LANES {
    V value = load(from + i, lanes);
    store(to + i, add ? load(to + i, lanes) + value : value, lanes);
  });
}

}  // namespace

void copyBlock(const float* x, int32_t xOffset, int32_t xStride, float* out, int32_t outOffset,
               int32_t outStride, int32_t rows, int32_t cols, int32_t accumulate) {
  forRows(rows, (double)rows * cols, [&](long r) {
    copyRow(x + xOffset + r * xStride, out + outOffset + r * outStride, cols, accumulate);
  });
}

void reverseTime(const float* x, float* out, int32_t b, int32_t t, int32_t f, int32_t accumulate) {
  long T = t, F = f;
  forRows(b * T, (double)b * t * f, [&](long row) {
    long first = row - row % T;
    copyRow(x + (first + T - 1 - row % T) * F, out + row * F, F, accumulate);
  });
}

void swapAxes(const float* x, float* out, int32_t a, int32_t b, int32_t c, int32_t d,
              int32_t accumulate) {
  long B = b, C = c, D = d;
  forRows((long)a * C, (double)a * b * c * d, [&](long row) {
    const float* from = x + (row / C * B * C + row % C) * D;
    float* to = out + row * B * D;
    for (long j = 0; j < B; j++) copyRow(from + j * C * D, to + j * D, D, accumulate);
  });
}
