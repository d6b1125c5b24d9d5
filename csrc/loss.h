// Losses and their gradients, both in one visit to a row. Codes: `lossCodes` in src/kernels/kernels.ts.
#pragma once
#include "activation.h"

namespace {

enum Loss {
  squaredError, absoluteError, binary, binaryLogits, categorical, categoricalLogits
};

/** Keras keeps probabilities 1e-7 from 0 and 1, in floats. */
constexpr float lowest = 1e-7f, highest = 1.0f - 1e-7f;

INLINE V clipProbability(V p) { return atLeast(atMost(p, splat(highest)), splat(lowest)); }
/** value where p is a probability that clipping leaves alone, else 0. */
INLINE V unlessClipped(V p, V value) {
  return ((p < splat(lowest)) | (p > splat(highest))) ? V{} : value;
}

/** One row: predictions, targets or a label, and the gradient's factor and place, if wanted. */
struct LossRow {
  const float *p, *target;
  long label, C;
  float d;
  float* dp;
};

// Not inline: their code is long, and losses of few classes need them rarely.
NOINLINE V logarithms(V x) { return logarithm(x); }
NOINLINE V logarithms1p(V x) { return logarithm1p(x); }
NOINLINE V exponentials(V x) { return exponential(x); }

/** Σ term(c, lanes) over the row, in doubles after every 64 vectors. */
template <class Term>
INLINE double sumOver(long C, Term term) {
  constexpr long block = 64 * W;
  double total = 0;
  for (long first = 0; first < C; first += block) {
    V part = {};
    forVectors(first, first + block < C ? first + block : C, [&](long c, int lanes) LANES {
      V value = term(c, lanes);
      part += lanes < W ? firstLanes(value, lanes) : value;
    });
    total += sumLanes(part);
  }
  return total;
}

/** Loss of elements of the losses that are means over C. */
template <int code>
INLINE V elementLoss(V p, V y) {
  V difference = p - y;
  if constexpr (code == squaredError) return difference * difference;
  if constexpr (code == absoluteError) return absolute(difference);
  if constexpr (code == binary) {
    V q = clipProbability(p);
    return -(y * logarithms(q) + (1.0f - y) * logarithms(1.0f - q));
  }
  return atLeast(p, splat(0.0f)) - p * y + logarithms1p(exponentials(-absolute(p)));
}

template <int code>
INLINE V elementGradient(V p, V y) {
  V difference = p - y;
  if constexpr (code == squaredError) return difference + difference;
  if constexpr (code == absoluteError) {
    V sign = floats((bits(difference) & splatInt(INT32_MIN)) | bits(splat(1.0f)));
    return difference == 0.0f ? V{} : (difference == difference ? sign : difference);
  }
  if constexpr (code == binary) return unlessClipped(p, difference / (p * (1.0f - p)));
  return sigmoid(p) - y;
}

template <int code>
NOINLINE float meanLoss(const LossRow& r) {
  V scale = splat(r.d / (float)r.C);
  double sum = sumOver(r.C, [&](long c, int lanes) LANES {
    V p = load(r.p + c, lanes), y = load(r.target + c, lanes);
    if (r.dp) store(r.dp + c, scale * elementGradient<code>(p, y), lanes);
    return elementLoss<code>(p, y);
  });
  return (float)(sum / (double)r.C);
}

/** With q = p/Σp: dL/dq_c = -y_c/q_c where q_c is not clipped, dL/dp = (dL/dq - Σ dL/dq·q)/Σp. */
NOINLINE float categoricalLoss(const LossRow& r) {
  double total = sumOver(r.C, [&](long c, int lanes) LANES { return load(r.p + c, lanes); });
  V sum = splat((float)total);
  if (!r.target) {
    V q = splat((float)(r.p[r.label] / total));
    if (r.dp) {
      // Σ dL/dq·q is -1, or 0 where the probability is clipped.
      float inner = unlessClipped(q, splat(1.0f))[0];
      V rest = splat((float)(r.d * inner / total));
      forVectors(0, r.C, [&](long c, int lanes) LANES { store(r.dp + c, rest, lanes); });
      if (inner != 0) r.dp[r.label] -= (float)(r.d / q[0] / total);
    }
    return -logarithmOf(clipProbability(q)[0]);
  }
  double inner = 0;
  if (r.dp) {
    inner = sumOver(r.C, [&](long c, int lanes) LANES {
      return unlessClipped(load(r.p + c, lanes) / sum, load(r.target + c, lanes));
    });
  }
  return (float)sumOver(r.C, [&](long c, int lanes) LANES {
    V q = load(r.p + c, lanes) / sum, y = load(r.target + c, lanes);
    if (r.dp) {
      V slope = y == 0.0f ? V{} : unlessClipped(q, -y / q);
      store(r.dp + c, r.d * (slope + (float)inner) / sum, lanes);
    }
    return y == 0.0f ? V{} : -y * logarithms(clipProbability(q));
  });
}

/** log Σ e^x - x of the label; the gradient is (Σy) softmax(x) - y, from the same exponentials. */
NOINLINE float categoricalLogitsLoss(const LossRow& r) {
  float max = maximum(r.p, r.C);
  float sum = sumExponentials(r.p, max, r.dp, r.C);
  float logSum = logarithmOf(sum);
  if (!r.target) {
    if (r.dp) {
      V scale = splat(r.d / sum);
      forVectors(0, r.C, [&](long c, int lanes) LANES {
        store(r.dp + c, load(r.dp + c, lanes) * scale, lanes);
      });
      r.dp[r.label] -= r.d;
    }
    return (float)(logSum - ((double)r.p[r.label] - max));
  }
  double mass = sumOver(r.C, [&](long c, int lanes) LANES { return load(r.target + c, lanes); });
  V scale = splat((float)(r.d * mass / sum)), weight = splat(r.d);
  V top = splat(logSum), shift = splat(max);
  return (float)sumOver(r.C, [&](long c, int lanes) LANES {
    V y = load(r.target + c, lanes);
    if (r.dp) store(r.dp + c, load(r.dp + c, lanes) * scale - weight * y, lanes);
    return y * (top - (load(r.p + c, lanes) - shift));
  });
}

INLINE float lossOf(int code, const LossRow& row) {
  switch (code) {
    case squaredError: return meanLoss<squaredError>(row);
    case absoluteError: return meanLoss<absoluteError>(row);
    case binary: return meanLoss<binary>(row);
    case binaryLogits: return meanLoss<binaryLogits>(row);
    case categorical: return categoricalLoss(row);
    default: return categoricalLogitsLoss(row);
  }
}

}  // namespace

void loss(int32_t code, const float* prediction, const float* target, const int32_t* labels,
          const float* scale, float* out, float* dPrediction, int32_t rows, int32_t cols) {
  long C = cols;
  forRows(rows, 16.0 * rows * cols, [&](long i) {
    LossRow row = {prediction + i * C, target ? target + i * C : nullptr, labels ? labels[i] : 0, C,
                   scale ? scale[i] : 1.0f, dPrediction ? dPrediction + i * C : nullptr};
    if (row.d != 0.0f) {
      out[i] = lossOf(code, row);
      return;
    }
    out[i] = 0;
    if (!row.dp) return;
    forVectors(0, C, [&](long c, int lanes) LANES { store(row.dp + c, V{}, lanes); });
  });
}
