// The optimizer's step and what it measures. Formulas: src/kernels/kernels.ts.
#pragma once
#include "parallel.h"

namespace {

/** Elements whose squares are summed in floats before doubles take over. */
constexpr long sumBlock = 4096;

}  // namespace

double sumSquares(const float* x, int32_t n) {
  constexpr long group = 256;
  double total = 0, partial[group];
  for (long first = 0; first < n; first += group * sumBlock) {
    long rest = n - first, blocks = (rest + sumBlock - 1) / sumBlock;
    if (blocks > group) blocks = group;
    parallel(blocks, (double)blocks * sumBlock, [&](long block) {
      long begin = first + block * sumBlock, end = begin + sumBlock;
      V sum[4] = {};
      int next = 0;
      forVectors(begin, end < n ? end : n, [&](long i, int lanes) LANES {
        V v = load(x + i, lanes);
        sum[next] = fma(v, v, sum[next]);
        next = (next + 1) & 3;
      });
      double squares = 0;
      for (int k = 0; k < 4; k++) {
        for (int lane = 0; lane < W; lane++) squares += sum[k][lane];
      }
      partial[block] = squares;
    });
    for (long block = 0; block < blocks; block++) total += partial[block];
  }
  return total;
}

int32_t firstNonFinite(const float* x, int32_t n) {
  constexpr long block = 1024;
  for (long first = 0; first < n; first += block) {
    long end = first + block < n ? first + block : n;
    V probe = {};
    // v - v is 0 for finite numbers and NaN for the others.
    forVectors(first, end, [&](long i, int lanes) LANES {
      V v = load(x + i, lanes);
      probe += v - v;
    });
    if (sumLanes(probe) == 0.0f) continue;
    for (long i = first; i < end; i++) {
      if (x[i] - x[i] != 0.0f) return (int32_t)i;
    }
  }
  return -1;
}

int32_t clipValue(float* x, double limit, int32_t n) {
  V high = splat((float)limit), low = -high;
  VI cut = {};
  forVectors(0, n, [&](long i, int lanes) LANES {
    V v = load(x + i, lanes);
    cut -= (VI)(v > high) + (VI)(v < low);
    store(x + i, atLeast(atMost(v, high), low), lanes);
  });
  int32_t count = 0;
  for (int lane = 0; lane < W; lane++) count += cut[lane];
  return count;
}

void sgd(float* w, const float* g, float* velocity, int32_t n, double scale, double rate,
         double momentum, int32_t nesterov, double decay) {
  V keep = splat((float)(1.0 - decay)), step = splat((float)(scale * rate));
  V m = splat((float)momentum);
  bool plain = momentum == 0 || !velocity;
  forElements(n, 2, [&](long i, int lanes) LANES {
    V weight = load(w + i, lanes) * keep, move = load(g + i, lanes) * step;
    if (plain) return store(w + i, weight - move, lanes);
    V v = m * load(velocity + i, lanes) - move;
    store(velocity + i, v, lanes);
    store(w + i, weight + (nesterov ? m * v - move : v), lanes);
  });
}

void adam(float* w, const float* g, float* m, float* v, float* vMax, int32_t n, double scale,
          double rate, double beta1, double beta2, double epsilon, double decay) {
  V keep = splat((float)(1.0 - decay)), s = splat((float)scale), step = splat((float)rate);
  V new1 = splat((float)(1.0 - beta1)), new2 = splat((float)(1.0 - beta2));
  V small = splat((float)epsilon);
  forElements(n, 8, [&](long i, int lanes) LANES {
    V gradient = load(g + i, lanes) * s;
    V mean = load(m + i, lanes), square = load(v + i, lanes);
    mean = fma(new1, gradient - mean, mean);
    square = fma(new2, gradient * gradient - square, square);
    store(m + i, mean, lanes);
    store(v + i, square, lanes);
    if (vMax) {
      V max = load(vMax + i, lanes);
      square = square > max ? square : max;
      store(vMax + i, square, lanes);
    }
    V weight = load(w + i, lanes) * keep;
    store(w + i, weight - step * mean / (squareRoot(square) + small), lanes);
  });
}

void rmsprop(float* w, const float* g, float* meanSquare, float* mean, float* velocity, int32_t n,
             double scale, double rate, double rho, double momentum, double epsilon, double decay) {
  V keep = splat((float)(1.0 - decay)), s = splat((float)scale), step = splat((float)rate);
  V fresh = splat((float)(1.0 - rho)), m = splat((float)momentum), small = splat((float)epsilon);
  bool moving = momentum > 0 && velocity;
  forElements(n, 8, [&](long i, int lanes) LANES {
    V gradient = load(g + i, lanes) * s, square = load(meanSquare + i, lanes);
    square = fma(fresh, gradient * gradient - square, square);
    store(meanSquare + i, square, lanes);
    V denominator = square + small;
    if (mean) {
      V average = load(mean + i, lanes);
      average = fma(fresh, gradient - average, average);
      store(mean + i, average, lanes);
      denominator = square - average * average + small;
    }
    V move = step * gradient / squareRoot(denominator);
    if (moving) {
      move = fma(m, load(velocity + i, lanes), move);
      store(velocity + i, move, lanes);
    }
    store(w + i, load(w + i, lanes) * keep - move, lanes);
  });
}
