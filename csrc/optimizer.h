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

namespace {

/** `adam`'s steps with gradient 0, from which rows take those that they have missed. */
struct Missed {
  const float *rates, *keeps;
  long count;
  V new1, new2, epsilon;
  float largestRate;
  /** Weights are taken off: in each step, too, in which `adam` moves them no more. */
  bool decays;
  /** m/√v falls so fast that an update too small to change a weight is followed by such alone. */
  bool fades;
};

/** Steps x -= share·x; ends early where that changes nothing any more. */
template <int N>
INLINE void fade(V (&x)[N], V share, long steps) {
  while (steps > 0) {
    long some = steps < 16 ? steps : 16;
    V before[N];
    UNROLL
    for (int k = 0; k < N; k++) before[k] = x[k];
    for (long s = 0; s < some; s++) {
      UNROLL
      for (int k = 0; k < N; k++) x[k] = fma(share, 0.0f - x[k], x[k]);
    }
    VI changed = {};
    UNROLL
    for (int k = 0; k < N; k++) changed |= bits(x[k]) ^ bits(before[k]);
    if (!anyLane(changed)) return;
    steps -= some;
  }
}

/** The steps from `s` on for N vectors, in registers. vMax null: none. */
template <int N>
INLINE void replay(float* w, float* m, float* v, const float* vMax, int lanes, long s,
                   const Missed& missed) {
  V weight[N], mean[N], square[N], root[N];
  VI live = {};
  UNROLL
  for (int k = 0; k < N; k++) {
    weight[k] = load(w + k * W, lanes);
    mean[k] = load(m + k * W, lanes);
    square[k] = load(v + k * W, lanes);
    if (vMax) root[k] = squareRoot(load(vMax + k * W, lanes)) + missed.epsilon;
    live |= bits(mean[k]) | bits(square[k]);
  }
  // A row that no gradient has reached.
  if (!missed.decays && !anyLane(live)) return;
  V shift = splat(missed.largestRate), smallest = 1e-37f * shift / missed.epsilon;
  while (s < missed.count) {
    long left = missed.count - s;
    if (missed.fades && left > 8) {
      // Below 2^-25 of a weight, a step leaves it as it is. `smallest` is for means that have become
      // denormal, which no longer fade.
      VI moves = {};
      UNROLL
      for (int k = 0; k < N; k++) {
        V bottom = vMax ? root[k] : squareRoot(square[k]) + missed.epsilon;
        V step = absolute(shift * mean[k] / bottom) + smallest;
        VI rests = (step <= absolute(weight[k]) * 7.4505806e-9f) | (mean[k] == 0.0f);
        moves |= ~rests;
      }
      if (!anyLane(moves)) break;
    }
    long end = s + (left < 16 ? left : 16);
    for (; s < end; s++) {
      V rate = splat(missed.rates[s]), keep = splat(missed.keeps[s]);
      UNROLL
      for (int k = 0; k < N; k++) {
        mean[k] = fma(missed.new1, 0.0f - mean[k], mean[k]);
        square[k] = fma(missed.new2, 0.0f - square[k], square[k]);
        V bottom = vMax ? root[k] : squareRoot(square[k]) + missed.epsilon;
        weight[k] = weight[k] * keep - rate * mean[k] / bottom;
      }
    }
  }
  fade(mean, missed.new1, missed.count - s);
  fade(square, missed.new2, missed.count - s);
  if (missed.decays) {
    for (; s < missed.count; s++) {
      UNROLL
      for (int k = 0; k < N; k++) weight[k] *= missed.keeps[s];
    }
  }
  UNROLL
  for (int k = 0; k < N; k++) {
    store(w + k * W, weight[k], lanes);
    store(m + k * W, mean[k], lanes);
    store(v + k * W, square[k], lanes);
  }
}

}  // namespace

/**
 * A row is read and written once for all the steps that it has missed. After some 150 of them its
 * update no longer reaches the last bit of its weights; from there on only m and v are followed.
 */
void adamReplay(float* w, float* m, float* v, const float* vMax, int32_t* done, const int32_t* rows,
                int32_t n, int32_t dim, const float* rates, const float* keeps, int32_t count,
                double beta1, double beta2, double epsilon) {
  float largest = 0, leastKept = 1;
  for (long s = 0; s < count; s++) {
    float rate = rates[s] < 0 ? -rates[s] : rates[s];
    if (!(rate <= largest)) largest = rate;
    if (!(keeps[s] >= leastKept)) leastKept = keeps[s];
  }
  Missed missed = {rates, keeps, count, splat((float)(1.0 - beta1)), splat((float)(1.0 - beta2)),
                   splat((float)epsilon), largest, leastKept != 1.0f,
                   beta1 < 0.99 * leastKept * __builtin_sqrt(beta2)};
  long D = dim;
  forRows(n, 64.0 * n * dim, [&](long i) {
    long row = rows ? rows[i] : i, from = done[row], at = row * D, end = at + D;
    done[row] = count;
    if (from == count) return;
    for (; at + 4 * W <= end; at += 4 * W) {
      replay<4>(w + at, m + at, v + at, vMax ? vMax + at : vMax, W, from, missed);
    }
    forVectors(at, end, [&](long j, int lanes) LANES {
      replay<1>(w + j, m + j, v + j, vMax ? vMax + j : vMax, lanes, from, missed);
    });
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

namespace {

/** The numbers of `optimize` as vectors. */
struct Formula {
  V keep, factor, step, new1, new2, first, second, small, ahead;
};

/** Some vectors of `optimize`. Not inline: memory is what takes the time, and the code is long. */
NOINLINE void optimizeSome(int code, float* w, const float* g, float* a, float* b, long i, int lanes,
                           const Formula& f) {
  V gradient = load(g + i, lanes) * f.factor, x = load(a + i, lanes), y = {};
  if (b) y = load(b + i, lanes);
  V square = gradient * gradient, move = gradient, bottom = splat(1.0f);
  if (code < 2) {
    x = code == 0 ? x + square : fma(f.new1, square - x, x);
    bottom = squareRoot(x + (code == 0 ? f.first : f.second));
    if (code == 1) {
      move = gradient * squareRoot(y + f.second) / bottom;
      y = fma(f.new1, move * move - y, y);
      bottom = splat(1.0f);
    }
  } else {
    move = fma(f.new1, gradient - x, x);
    x = code == 4 ? fma(f.new2, gradient - x, x) : move;
    if (code == 4) {
      move = toFloat((move < 0.0f) - (move > 0.0f));
    } else if (code == 2) {
      V high = f.second * y, size = absolute(gradient);
      y = high > size ? high : size;
      bottom = y + f.small;
    } else {
      y = fma(f.new2, square - y, y);
      bottom = squareRoot(y) + f.small;
    }
  }
  move = fma(f.ahead, gradient, f.step * move) / bottom;
  store(a + i, x, lanes);
  if (b) store(b + i, y, lanes);
  store(w + i, load(w + i, lanes) * f.keep - move, lanes);
}

}  // namespace

void optimize(int32_t code, float* w, const float* g, float* a, float* b, int32_t n, double scale,
              double rate, double decay, double p, double q, double r, double s) {
  Formula formula = {splat((float)(1.0 - decay)), splat((float)scale), splat((float)rate),
                     splat((float)(1.0 - p)),     splat((float)(1.0 - q)), splat((float)p),
                     splat((float)q),             splat((float)r),         splat(code == 3 ? (float)s : 0.0f)};
  forElements(n, 12, [&](long i, int lanes) LANES {
    optimizeSome(code, w, g, a, b, i, lanes, formula);
  });
}
