// Losses, a row at a time. Codes: `lossCodes` in src/kernels/kernels.ts.
#pragma once
#include "activation.h"

namespace {

enum Loss {
  squaredError, absoluteError, binary, binaryLogits, categorical, categoricalLogits
};

/** Keras keeps probabilities 1e-7 from 0 and 1, in floats. */
constexpr double lowest = 1e-7f, highest = 1.0f - 1e-7f;

INLINE double clipProbability(double p) { return p < lowest ? lowest : (p > highest ? highest : p); }
INLINE bool isClipped(double p) { return p < lowest || p > highest; }

/** The target of class c in a row. */
INLINE double targetOf(const float* target, const int32_t* labels, long row, long c, long C) {
  return labels ? (double)(labels[row] == c) : (double)target[row * C + c];
}

INLINE double total(const float* p, long C) {
  double sum = 0;
  for (long c = 0; c < C; c++) sum += p[c];
  return sum;
}

/** Loss of one element of the losses that are means over C. */
NOINLINE double elementLoss(int code, float p, float y) {
  if (code == squaredError) return ((double)p - y) * ((double)p - y);
  if (code == absoluteError) return p > y ? (double)p - y : (double)y - p;
  if (code == binary) {
    // 1 - p in double precision, so that the digits near p = 1 are kept.
    double q = clipProbability(p);
    return -(y * (double)logarithmOf((float)q) + (1.0 - y) * logarithmOf((float)(1 - q)));
  }
  double positive = p > 0 ? p : 0, magnitude = p > 0 ? p : -p;
  return positive - (double)p * y + logarithm1p(exponential(splat((float)-magnitude)))[0];
}

NOINLINE double elementGradient(int code, float p, float y) {
  if (code == squaredError) return 2 * ((double)p - y);
  if (code == absoluteError) return p > y ? 1 : (p < y ? -1 : (double)p - y);
  if (code == binary) {
    if (isClipped(p)) return 0;
    return (p - (double)y) / (p * (1.0 - p));
  }
  return (double)sigmoid(splat(p))[0] - y;
}

NOINLINE double categoricalLoss(const float* p, const float* target, const int32_t* labels, long row,
                              long C) {
  double sum = total(p, C), loss = 0;
  for (long c = labels ? labels[row] : 0; c < (labels ? labels[row] + 1L : C); c++) {
    double y = targetOf(target, labels, row, c, C);
    if (y != 0) loss -= y * logarithmOf((float)clipProbability(p[c] / sum));
  }
  return loss;
}

NOINLINE double categoricalLogitsLoss(const float* x, const float* target, const int32_t* labels,
                                    long row, long C) {
  float max = maximum(x, C);
  double logSum = logarithmOf(sumExponentials(x, max, C));
  if (labels) return logSum - ((double)x[labels[row]] - max);
  double loss = 0;
  for (long c = 0; c < C; c++) loss += target[row * C + c] * (logSum - ((double)x[c] - max));
  return loss;
}

/** With q = p/Σp: dL/dq_c = -y_c/q_c where q_c is not clipped, dL/dp = (dL/dq - Σ dL/dq·q)/Σp. */
NOINLINE void categoricalGradient(const float* p, const float* target, const int32_t* labels,
                                long row, long C, double d, float* dp) {
  double sum = total(p, C), inner = 0;
  auto slope = [&](long c) {
    double q = p[c] / sum, y = targetOf(target, labels, row, c, C);
    return isClipped(q) || y == 0 ? 0.0 : -y / q;
  };
  for (long c = 0; c < C; c++) inner += slope(c) * (p[c] / sum);
  for (long c = 0; c < C; c++) dp[c] += (float)(d * (slope(c) - inner) / sum);
}

/** (Σy) softmax(x) - y. */
NOINLINE void categoricalLogitsGradient(const float* x, const float* target, const int32_t* labels,
                                      long row, long C, float d, float* dx) {
  float max = maximum(x, C), sum = sumExponentials(x, max, C);
  float mass = labels ? 1.0f : (float)total(target + row * C, C);
  V scale = splat(d * mass / sum), shift = splat(max), weight = splat(d);
  forVectors(0, C, [&](long c, int lanes) LANES {
    V gradient = fma(exponential(load(x + c, lanes) - shift), scale, load(dx + c, lanes));
    if (!labels) gradient -= weight * load(target + row * C + c, lanes);
    store(dx + c, gradient, lanes);
  });
  if (labels) dx[labels[row]] -= d;
}

}  // namespace

void loss(int32_t code, const float* prediction, const float* target, const int32_t* labels,
          float* out, int32_t rows, int32_t cols) {
  long C = cols;
  forRows(rows, 32.0 * rows * cols, [&](long row) {
    const float* p = prediction + row * C;
    double value = 0;
    if (code == categorical) {
      value = categoricalLoss(p, target, labels, row, C);
    } else if (code == categoricalLogits) {
      value = categoricalLogitsLoss(p, target, labels, row, C);
    } else {
      for (long c = 0; c < C; c++) value += elementLoss(code, p[c], target[row * C + c]);
      value /= (double)C;
    }
    out[row] = (float)value;
  });
}

void lossBackward(int32_t code, const float* prediction, const float* target,
                  const int32_t* labels, const float* dOut, float* dPrediction, int32_t rows,
                  int32_t cols) {
  long C = cols;
  forRows(rows, 32.0 * rows * cols, [&](long row) {
    const float* p = prediction + row * C;
    float* dp = dPrediction + row * C;
    if (code == categorical) {
      categoricalGradient(p, target, labels, row, C, dOut[row], dp);
    } else if (code == categoricalLogits) {
      categoricalLogitsGradient(p, target, labels, row, C, dOut[row], dp);
    } else {
      double scale = (double)dOut[row] / (double)C;
      for (long c = 0; c < C; c++) {
        dp[c] += (float)(scale * elementGradient(code, p[c], target[row * C + c]));
      }
    }
  });
}
