// Losses and their gradients, both in one visit to a row. Codes: `lossCodes` in src/kernels/kernels.ts.
#pragma once
#include "activation.h"

namespace {

enum Loss {
  squaredError, absoluteError, binary, binaryLogits, categorical, categoricalLogits, huber, logCosh,
  poisson, percentageError, logarithmicError, hinge, squaredHinge, binaryFocal, klDivergence,
  quantile, categoricalFocal, categoricalHinge, cosine
};

/** Keras keeps probabilities 1e-7 from 0 and 1, in floats. */
constexpr float lowest = 1e-7f, highest = 1.0f - 1e-7f;

INLINE V clipProbability(V p) { return atLeast(atMost(p, splat(highest)), splat(lowest)); }
/** value where p is a probability that clipping leaves alone, else 0. */
INLINE V unlessClipped(V p, V value) {
  return ((p < splat(lowest)) | (p > splat(highest))) ? V{} : value;
}

/**
 * One row: predictions, targets or a label, and the gradient's factor and place, if wanted. Targets
 * count as keep · target + rest, which smooths labels. `options` are those of the loss itself.
 */
struct LossRow {
  const float *p, *target;
  long label, C;
  float d;
  float* dp;
  float keep, rest;
  const float* options;
};

/** Targets from column c on; of a label, ones and zeros. */
NOINLINE SMALL V targets(const LossRow& r, long c, int lanes) {
  V y = {};
  if (r.target) {
    y = load(r.target + c, lanes);
  } else if (r.label >= c && r.label < c + W) {
    y[r.label - c] = 1.0f;
  }
  return y * r.keep + r.rest;
}

// Not inline: their code is long, and losses of few classes need them rarely.
NOINLINE V logarithms(V x) { return logarithm(x); }
NOINLINE V logarithms1p(V x) { return logarithm1p(x); }
NOINLINE V exponentials(V x) { return exponential(x); }
NOINLINE V sigmoids(V x) { return sigmoid(x); }

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

/** x^power for x >= 0. */
NOINLINE SMALL V powers(V x, float power) {
  return power == 0.0f ? splat(1.0f) : exponentials(logarithms(x) * power);
}

/** ±1, 0 at 0; NaN stays. */
INLINE V signOf(V x) {
  V sign = floats((bits(x) & splatInt(INT32_MIN)) | bits(splat(1.0f)));
  return x == 0.0f ? V{} : (x == x ? sign : x);
}

INLINE V binaryEntropy(V p, V y) {
  V q = clipProbability(p);
  return -(y * logarithms(q) + (1.0f - y) * logarithms(1.0f - q));
}

INLINE V binaryEntropySlope(V p, V y) { return unlessClipped(p, (p - y) / (p * (1.0f - p))); }

/** Loss of elements of the losses that are means (or the sum) over C; `slope` becomes its derivative. */
INLINE V elementLoss(const LossRow& r, int code, V p, V y, long c, int lanes, V& slope) {
  V error = p - y, size = absolute(error), sign = signOf(error), zero = {};
  switch (code) {
    case squaredError: slope = error + error; return error * error;
    case absoluteError: slope = sign; return size;
    case binary: slope = binaryEntropySlope(p, y); return binaryEntropy(p, y);
    case binaryLogits:
      slope = sigmoids(p) - y;
      return atLeast(p, zero) - p * y + logarithms1p(exponentials(-absolute(p)));
    case huber: {
      V delta = splat(r.options[0]);
      slope = size > delta ? delta * sign : error;
      return size > delta ? delta * (size - 0.5f * delta) : 0.5f * error * error;
    }
    case logCosh:
      slope = 2.0f * sigmoids(error + error) - 1.0f;
      return size + logarithms1p(exponentials(-2.0f * size)) - 0.69314718f;
    case poisson: {
      V rate = p + lowest;
      slope = 1.0f - y / rate;
      return p - y * logarithms(rate);
    }
    case percentageError: {
      V scale = 100.0f / atLeast(absolute(y), splat(lowest));
      slope = sign * scale;
      return size * scale;
    }
    case logarithmicError: {
      V q = atLeast(p, splat(lowest)) + 1.0f;
      V ratio = logarithms(q) - logarithms(atLeast(y, splat(lowest)) + 1.0f);
      slope = p < splat(lowest) ? zero : (ratio + ratio) / q;
      return ratio * ratio;
    }
    case binaryFocal: {
      V wrong = y * (1.0f - p) + (1.0f - y) * p, alpha = splat(r.options[1]);
      float gamma = r.options[0];
      V weight = r.options[1] < 0 ? splat(1.0f) : y * alpha + (1.0f - y) * (1.0f - alpha);
      V factor = weight * powers(wrong, gamma), entropy = binaryEntropy(p, y);
      V turn = weight * gamma * powers(wrong, gamma - 1.0f) * (1.0f - 2.0f * y);
      slope = factor * binaryEntropySlope(p, y) + turn * entropy;
      return factor * entropy;
    }
    case klDivergence: {
      V q = atLeast(atMost(p, splat(1.0f)), splat(lowest));
      V z = atLeast(atMost(y, splat(1.0f)), splat(lowest));
      slope = p == q ? -z / q : zero;
      return z * logarithms(z / q);
    }
    case quantile: {
      V tau = load(r.options + c, lanes);
      slope = error > zero ? 1.0f - tau : (error < zero ? -tau : error);
      return slope * error;
    }
    default: {  // hinge, squaredHinge
      V margin = atLeast(1.0f - y * p, zero);
      V factor = code == hinge ? (margin > zero ? splat(1.0f) : margin) : margin + margin;
      slope = -y * factor;
      return code == hinge ? margin : margin * margin;
    }
  }
}

NOINLINE SMALL float meanLoss(int code, const LossRow& r) {
  double count = code == klDivergence ? 1 : (double)r.C;
  V scale = splat(r.d / (float)count);
  double sum = sumOver(r.C, [&](long c, int lanes) LANES {
    V slope;
    V value = elementLoss(r, code, load(r.p + c, lanes), targets(r, c, lanes), c, lanes, slope);
    if (r.dp) store(r.dp + c, scale * slope, lanes);
    return value;
  });
  return (float)(sum / count);
}

/**
 * With q = p/Σp: dL/dq_c = -y_c/q_c where q_c is not clipped, dL/dp = (dL/dq - Σ dL/dq·q)/Σp. The
 * focal loss weighs each -y log q by α(1-q)^γ.
 */
NOINLINE SMALL float categoricalLoss(const LossRow& r, bool focal) {
  double total = sumOver(r.C, [&](long c, int lanes) LANES { return load(r.p + c, lanes); });
  V sum = splat((float)total);
  if (!r.target && !focal && r.rest == 0.0f) {
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
  double value = sumOver(r.C, [&](long c, int lanes) LANES {
    V p = load(r.p + c, lanes) / sum, y = targets(r, c, lanes);
    V q = clipProbability(p), entropy = -y * logarithms(q), slope = -y / q;
    if (focal) {
      float gamma = r.options[0], alpha = r.options[1];
      V factor = alpha * powers(1.0f - q, gamma);
      slope = slope * factor - entropy * (alpha * gamma * powers(1.0f - q, gamma - 1.0f));
      entropy *= factor;
    }
    slope = y == 0.0f ? V{} : unlessClipped(p, slope);
    if (r.dp) store(r.dp + c, slope, lanes);
    V product = slope * p;
    inner += sumLanes(lanes < W ? firstLanes(product, lanes) : product);
    return y == 0.0f ? V{} : entropy;
  });
  if (r.dp) {
    V shift = splat((float)inner), scale = r.d / sum;
    forVectors(0, r.C, [&](long c, int lanes) LANES {
      store(r.dp + c, (load(r.dp + c, lanes) - shift) * scale, lanes);
    });
  }
  return (float)value;
}

/** max(0, 1 + max((1 - y) p) - Σ y p). */
NOINLINE SMALL float categoricalHingeLoss(const LossRow& r) {
  double right = 0;
  long rival = 0;
  float most = 0;
  for (long c = 0; c < r.C; c++) {
    right += r.target[c] * r.p[c];
    float other = (1.0f - r.target[c]) * r.p[c];
    if (c > 0 && other <= most) continue;
    most = other;
    rival = c;
  }
  float value = (float)(most - right + 1);
  float d = value > 0 ? r.d : 0.0f;
  if (r.dp) {
    for (long c = 0; c < r.C; c++) r.dp[c] = -d * r.target[c];
    r.dp[rival] += d * (1.0f - r.target[rival]);
  }
  return value < 0 ? 0.0f : value;
}

/** -Σ y p / (|y| |p|), each 1/norm at most 1e7. */
NOINLINE SMALL float cosineLoss(const LossRow& r) {
  double products[3] = {};
  for (long c = 0; c < r.C; c++) {
    products[0] += (double)r.p[c] * r.p[c];
    products[1] += (double)r.target[c] * r.target[c];
    products[2] += (double)r.p[c] * r.target[c];
  }
  double s = products[0] > 1e-14 ? 1 / __builtin_sqrt(products[0]) : 1e7;
  double t = products[1] > 1e-14 ? 1 / __builtin_sqrt(products[1]) : 1e7;
  double value = s * t * products[2], pull = products[0] > 1e-14 ? value * s * s : 0;
  if (r.dp) {
    for (long c = 0; c < r.C; c++) {
      r.dp[c] = (float)(r.d * (pull * r.p[c] - s * t * r.target[c]));
    }
  }
  return (float)-value;
}

/**
 * log Σ e^x - x of the label; the gradient is (Σy) softmax(x) - y, from the same exponentials. That of
 * plain labels may take the place of x.
 */
NOINLINE float categoricalLogitsLoss(const LossRow& r) {
  float max = maximum(r.p, r.C), wanted = r.target ? 0.0f : r.p[r.label];
  float sum = sumExponentials(r.p, max, r.dp, r.C);
  float logSum = logarithmOf(sum);
  if (!r.target && r.rest == 0.0f) {
    if (r.dp) {
      V scale = splat(r.d / sum);
      forVectors(0, r.C, [&](long c, int lanes) LANES {
        store(r.dp + c, load(r.dp + c, lanes) * scale, lanes);
      });
      r.dp[r.label] -= r.d;
    }
    return (float)(logSum - ((double)wanted - max));
  }
  double mass = sumOver(r.C, [&](long c, int lanes) LANES { return targets(r, c, lanes); });
  V scale = splat((float)(r.d * mass / sum)), weight = splat(r.d);
  V top = splat(logSum), shift = splat(max);
  return (float)sumOver(r.C, [&](long c, int lanes) LANES {
    V y = targets(r, c, lanes);
    if (r.dp) store(r.dp + c, load(r.dp + c, lanes) * scale - weight * y, lanes);
    return y * (top - (load(r.p + c, lanes) - shift));
  });
}

INLINE float lossOf(int code, const LossRow& row) {
  switch (code) {
    case categorical: return categoricalLoss(row, false);
    case categoricalFocal: return categoricalLoss(row, true);
    case categoricalLogits: return categoricalLogitsLoss(row);
    case categoricalHinge: return categoricalHingeLoss(row);
    case cosine: return cosineLoss(row);
    default: return meanLoss(code, row);
  }
}

}  // namespace

void loss(int32_t code, const float* prediction, const float* target, const int32_t* labels,
          const float* scale, const float* options, float* out, float* dPrediction, int32_t rows,
          int32_t cols) {
  long C = cols;
  bool halves = code == binary || code == binaryLogits || code == binaryFocal;
  float smoothing = options ? options[0] : 0.0f, rest = smoothing / (halves ? 2.0f : (float)C);
  forRows(rows, 16.0 * rows * cols, [&](long i) {
    LossRow row = {prediction + i * C,
                   target ? target + i * C : nullptr,
                   labels ? labels[i] : 0,
                   C,
                   scale ? scale[i] : 1.0f,
                   dPrediction ? dPrediction + i * C : nullptr,
                   1.0f - smoothing,
                   rest,
                   options ? options + 1 : nullptr};
    if (row.d != 0.0f) {
      out[i] = lossOf(code, row);
      return;
    }
    out[i] = 0;
    if (!row.dp) return;
    forVectors(0, C, [&](long c, int lanes) LANES { store(row.dp + c, V{}, lanes); });
  });
}
