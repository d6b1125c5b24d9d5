// Activations and softmax. Codes: `activationCodes` in src/kernels/kernels.ts.
#pragma once
#include "math.h"
#include "parallel.h"

namespace {

enum Activation {
  linear, relu, sigmoidCode, tanhCode, hardSigmoid, hardSigmoidLegacy, elu, selu, softplusCode,
  softsign, exponentialCode, gelu, silu, leakyRelu, relu6, mish
};

constexpr float seluScale = 1.0507009873554805f, seluAlpha = 1.6732632423543772f;

INLINE V zero() { return V{}; }
INLINE V clip(V x, float low, float high) { return atLeast(atMost(x, splat(high)), splat(low)); }

/** e^x - 1, accurate near 0, for x <= 0. */
INLINE V expm1Negative(V x) {
  Exponent n;
  V r = reducedExpm1(atLeast(x, splat(-87.0f)), n), power = scale(splat(1.0f), n);
  return fma(power, r, power - 1.0f);
}

template <int code>
INLINE V activated(V x) {
  if constexpr (code == relu) return atLeast(x, zero());
  if constexpr (code == sigmoidCode) return sigmoid(x);
  if constexpr (code == tanhCode) return hyperbolicTangent(x);
  if constexpr (code == hardSigmoid) return clip(x + 3.0f, 0, 6) / 6.0f;
  if constexpr (code == hardSigmoidLegacy) return clip(fma(x, splat(0.2f), splat(0.5f)), 0, 1);
  if constexpr (code == elu) return x > zero() ? x : expm1Negative(x);
  if constexpr (code == selu) {
    return seluScale * (x > zero() ? x : seluAlpha * expm1Negative(x));
  }
  if constexpr (code == softplusCode) return softplus(x);
  if constexpr (code == softsign) return x / (1.0f + absolute(x));
  if constexpr (code == exponentialCode) return exponential(x);
  if constexpr (code == gelu) return x * normalDistribution(x);
  if constexpr (code == silu) return x * sigmoid(x);
  if constexpr (code == leakyRelu) return x > zero() ? x : x * 0.2f;
  if constexpr (code == relu6) return clip(x, 0, 6);
  if constexpr (code == mish) return x * hyperbolicTangent(softplus(x));
  return x;
}

/** f'(x), given y = f(x). */
template <int code>
INLINE V derivative(V x, V y) {
  V one = splat(1.0f);
  if constexpr (code == relu) return x > zero() ? one : zero();
  if constexpr (code == sigmoidCode) return y * (1.0f - y);
  if constexpr (code == tanhCode) return 1.0f - y * y;
  if constexpr (code == hardSigmoid) return absolute(x) < splat(3.0f) ? one / 6.0f : zero();
  if constexpr (code == hardSigmoidLegacy) {
    return absolute(x) < splat(2.5f) ? splat(0.2f) : zero();
  }
  if constexpr (code == elu) return x > zero() ? one : y + 1.0f;
  if constexpr (code == selu) {
    return x > zero() ? splat(seluScale) : y + seluScale * seluAlpha;
  }
  if constexpr (code == softplusCode) return sigmoid(x);
  if constexpr (code == softsign) {
    V d = 1.0f + absolute(x);
    return 1.0f / (d * d);
  }
  if constexpr (code == exponentialCode) return y;
  if constexpr (code == gelu) {
    return fma(x, exponential(-0.5f * x * x) * 0.39894228040143268f, normalDistribution(x));
  }
  if constexpr (code == silu) {
    V s = sigmoid(x);
    return s * fma(x, 1.0f - s, one);
  }
  if constexpr (code == leakyRelu) return x > zero() ? one : splat(0.2f);
  if constexpr (code == relu6) return x > zero() ? (x < splat(6.0f) ? one : zero()) : zero();
  if constexpr (code == mish) {
    V t = hyperbolicTangent(softplus(x));
    return fma(x * (1.0f - t * t), sigmoid(x), t);
  }
  return one;
}

/** Both directions: y = f(x); dx (+)= dy f'(x). */
struct Activating {
  const float *x, *y, *dy;
  float* to;
  bool add;
};
typedef void (*ActivateRange)(const Activating&, long begin, long end);

template <int code>
NOINLINE void activateRange(const Activating& a, long begin, long end) {
  forVectors(begin, end, [&](long i, int lanes) LANES {
    store(a.to + i, activated<code>(load(a.x + i, lanes)), lanes);
  });
}

template <int code>
NOINLINE void activateRangeBackward(const Activating& a, long begin, long end) {
  forVectors(begin, end, [&](long i, int lanes) LANES {
    V slope = derivative<code>(load(a.x + i, lanes), load(a.y + i, lanes));
    V before = a.add ? load(a.to + i, lanes) : V{};
    store(a.to + i, fma(load(a.dy + i, lanes), slope, before), lanes);
  });
}

template <int code = 0>
INLINE ActivateRange rangeOf(int wanted, bool backward) {
  if (wanted == code) return backward ? activateRangeBackward<code> : activateRange<code>;
  if constexpr (code < mish) return rangeOf<code + 1>(wanted, backward);
  return nullptr;
}

/** One way to share out the work for all activations: the code of each is only its loop. */
NOINLINE void activateAll(int code, bool backward, const Activating& a, long n) {
  ActivateRange range = rangeOf(code, backward);
  forRanges(n, 16, [&](long begin, long end) { range(a, begin, end); });
}

/** max of the numbers in x[0..n). A NaN, which it leaves out, stays in what is made of x itself. */
NOINLINE float maximum(const float* x, long n) {
  V best = splat(-__builtin_inff());
  forVectors(0, n, [&](long i, int lanes) LANES {
    V v = load(x + i, lanes);
    if (lanes < W) {
      for (int lane = lanes; lane < W; lane++) v[lane] = x[i];
    }
    best = atLeast(best, v);
  });
  float result = best[0];
  for (int lane = 1; lane < W; lane++) result = best[lane] > result ? best[lane] : result;
  return result;
}

NOINLINE V firstLanes(V v, int lanes) {
  for (int lane = lanes; lane < W; lane++) v[lane] = 0;
  return v;
}

/** Σ exp(x[i] - max), and each of them in `to` if it is not null. */
NOINLINE float sumExponentials(const float* x, float max, float* to, long n) {
  V sum = zero(), shift = splat(max);
  forVectors(0, n, [&](long i, int lanes) LANES {
    V e = exponential(load(x + i, lanes) - shift);
    if (to) store(to + i, e, lanes);
    sum += lanes < W ? firstLanes(e, lanes) : e;
  });
  return sumLanes(sum);
}

NOINLINE float logarithmOf(float x) { return logarithm(splat(x))[0]; }

}  // namespace

void activate(int32_t code, const float* x, float* out, int32_t n) {
  activateAll(code, false, {x, nullptr, nullptr, out, false}, n);
}

void activateBackward(int32_t code, const float* x, const float* y, const float* dy, float* dx,
                      int32_t n, int32_t accumulate) {
  activateAll(code, true, {x, y, dy, dx, accumulate != 0}, n);
}

void softmax(const float* x, float* out, int32_t rows, int32_t cols, int32_t log) {
  long C = cols;
  forRows(rows, 32.0 * rows * cols, [&](long row) {
    const float* from = x + row * C;
    float* to = out + row * C;
    float max = maximum(from, C), sum = sumExponentials(from, max, log ? nullptr : to, C);
    if (log) {
      V shift = splat(max), logSum = splat(logarithmOf(sum));
      forVectors(0, C, [&](long i, int lanes) LANES {
        store(to + i, load(from + i, lanes) - shift - logSum, lanes);
      });
    } else {
      V scale = splat(1.0f / sum);
      forVectors(0, C, [&](long i, int lanes) LANES {
        store(to + i, load(to + i, lanes) * scale, lanes);
      });
    }
  });
}

void softmaxMasked(const float* x, const int32_t* valid, float* out, int32_t b, int32_t queries,
                   int32_t keys, int32_t causal) {
  long Q = queries, K = keys;
  forRows(b * Q, 32.0 * b * Q * K, [&](long row) {
    const float* from = x + row * K;
    float* to = out + row * K;
    const int32_t* used = valid ? valid + row / Q * K : nullptr;
    long count = causal && row % Q + 1 < K ? row % Q + 1 : K;
    for (long k = 0; k < K; k++) {
      to[k] = k < count && (!used || used[k]) ? from[k] : -__builtin_inff();
    }
    float max = maximum(to, K);
    // Without a key that counts all differences to -inf were NaN.
    if (max == -__builtin_inff()) max = 0;
    float sum = sumExponentials(to, max, to, K);
    V scale = splat(sum > 0.0f || sum != sum ? 1.0f / sum : 0.0f);
    forVectors(0, K, [&](long k, int lanes) LANES {
      store(to + k, load(to + k, lanes) * scale, lanes);
    });
  });
}

/** softmax: dx += y (dy - Σ dy·y); log-softmax: dx += dy - e^y Σ dy. */
void softmaxBackward(const float* y, const float* dy, float* dx, int32_t rows, int32_t cols,
                     int32_t log) {
  long C = cols;
  forRows(rows, 16.0 * rows * cols, [&](long row) {
    const float *out = y + row * C, *dOut = dy + row * C;
    float* to = dx + row * C;
    V partial = zero();
    forVectors(0, C, [&](long i, int lanes) LANES {
      V d = load(dOut + i, lanes);
      partial = log ? partial + d : fma(d, load(out + i, lanes), partial);
    });
    V sum = splat(sumLanes(partial));
    forVectors(0, C, [&](long i, int lanes) LANES {
      V d = load(dOut + i, lanes), value = load(out + i, lanes);
      V gradient = log ? d - exponential(value) * sum : value * (d - sum);
      store(to + i, load(to + i, lanes) + gradient, lanes);
    });
  });
}
