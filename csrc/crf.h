// The linear-chain CRF: equations in src/kernels/reference/crf.ts. Rows are independent; the inner
// loops run over labels. The largest element leaves α and β at every step, so sums keep their digits.
#pragma once
#include "loss.h"

namespace {

/** A row's steps that count, and where each stands in arrays [B,T,K]. */
struct ChainRow {
  const int32_t* times;
  long first, length, K;
  long time(long s) const { return first + (times ? times[s] : s); }
  long at(long s) const { return time(s) * K; }
};

INLINE ChainRow chainRow(long row, const int32_t* steps, const int32_t* lengths, long T, long K) {
  return {steps ? steps + row * T : nullptr, row * T, lengths ? lengths[row] : T, K};
}

/** Subtracts the largest of x[0..n) from all and returns it. */
NOINLINE float lowerAll(float* x, long n) {
  float max = maximum(x, n);
  for (long i = 0; i < n; i++) x[i] -= max;
  return max;
}

NOINLINE void sumTo(float* to, const float* a, const float* b, long n) {
  for (long i = 0; i < n; i++) to[i] = a[i] + b[i];
}

/** x becomes its softmax; returns log Σ exp(x). */
NOINLINE float normalizeAll(float* x, long n) {
  float max = maximum(x, n), sum = sumExponentials(x, max, x, n);
  for (long i = 0; i < n; i++) x[i] /= sum;
  return max + logarithmOf(sum);
}

NOINLINE void clearAll(float* x, long n) {
  for (long i = 0; i < n; i++) x[i] = 0;
}

/** (2): to[j] = x[j] + log Σ_i exp(from[i] + a[i,j]). */
NOINLINE void chainStep(const float* from, const float* a, const float* x, float* to, long K) {
  forVectors(0, K, [&](long j, int lanes) LANES {
    V max = splat(-__builtin_inff()), sum = V{};
    for (long i = 0; i < K; i++) max = atLeast(max, load(a + i * K + j, lanes) + from[i]);
    for (long i = 0; i < K; i++) sum += exponentials(load(a + i * K + j, lanes) + from[i] - max);
    store(to + j, load(x + j, lanes) + max + logarithms(sum), lanes);
  });
}

/**
 * (4) and (6): adds factor · P(i, j) to dPairs and writes β of the step before, given `inner`, x_t + β_t.
 * Σ_j P(i, j) is P(i), so β[i] follows from α[i] without exponentials of its own.
 */
NOINLINE void pairStep(const float* alpha, const float* a, const float* inner, float norm, V factor,
                       float* dPairs, float* beta, long K) {
  for (long i = 0; i < K; i++) {
    V shift = splat(alpha[i] - norm), sum = V{};
    forVectors(0, K, [&](long j, int lanes) LANES {
      V p = exponentials(load(a + i * K + j, lanes) + load(inner + j, lanes) + shift);
      float* to = dPairs + i * K + j;
      store(to, fma(p, factor, load(to, lanes)), lanes);
      sum += lanes < W ? firstLanes(p, lanes) : p;
    });
    beta[i] = logarithmOf(sumLanes(sum)) + norm - alpha[i];
  }
}

/** One row of `crfLoss` with at least one step. */
NOINLINE float chainLoss(const ChainRow& r, const float* x, const int32_t* labels, const float* a,
                         const float* start, const float* end, float scale, float* dx,
                         float* dPairs, float* scratch) {
  long K = r.K, last = r.length - 1;
  float *lowered = scratch, *beta = scratch + r.length, *marginal = beta + K, *spare = marginal + K;
  // α stands where the gradient will, or, without one, in two places in turn.
  auto alphaAt = [&](long s) { return dx ? dx + r.at(s) : spare + s % 2 * K; };
  double logZ = 0, score = 0;
  for (long s = 0; s <= last; s++) {
    const float* now = x + r.at(s);
    float* alpha = alphaAt(s);
    long label = labels[r.time(s)];
    if (s == 0) sumTo(alpha, now, start, K);
    else chainStep(alphaAt(s - 1), a, now, alpha, K);
    lowered[s] = lowerAll(alpha, K);
    logZ += lowered[s];
    score += (double)now[label] + (s == 0 ? start[label] : a[labels[r.time(s - 1)] * K + label]);
  }
  for (long j = 0; j < K; j++) beta[j] = end[j];
  sumTo(marginal, alphaAt(last), beta, K);
  float norm = normalizeAll(marginal, K);
  float loss = (float)(logZ + norm - score - end[labels[r.time(last)]]);
  if (!dx) return loss;
  V factor = splat(scale);
  for (long s = last;; s--) {
    float* to = dx + r.at(s);
    long label = labels[r.time(s)];
    for (long j = 0; j < K; j++) to[j] = scale * marginal[j];
    to[label] -= scale;
    if (s == 0) return loss;
    sumTo(spare, x + r.at(s), beta, K);
    pairStep(alphaAt(s - 1), a, spare, norm + lowered[s], factor, dPairs, beta, K);
    dPairs[labels[r.time(s - 1)] * K + label] -= scale;
    lowerAll(beta, K);
    sumTo(marginal, alphaAt(s - 1), beta, K);
    norm = normalizeAll(marginal, K);
  }
}

}  // namespace

void crfLoss(const float* x, const int32_t* labels, const float* transitions, const float* start,
             const float* end, const int32_t* steps, const int32_t* lengths, const float* scale,
             float* out, float* dx, float* dPairs, float* scratch, int32_t b, int32_t t, int32_t k) {
  long T = t, K = k;
  forRows(b, (dx ? 40.0 : 20.0) * b * t * k * k, [&](long row) {
    ChainRow r = chainRow(row, steps, lengths, T, K);
    float* pairs = dPairs ? dPairs + row * K * K : nullptr;
    if (dx && r.length < T) clearAll(dx + row * T * K, T * K);
    if (dx) clearAll(pairs, K * K);
    out[row] = r.length == 0 ? 0
                             : chainLoss(r, x, labels, transitions, start, end, scale[row], dx,
                                         pairs, scratch + row * (T + 4 * K));
  });
}
