// Pooling over time, and the masked steps of a recurrent layer's output.
#pragma once
#include "elementwise.h"

namespace {

INLINE long countValid(const int32_t* valid, long T) {
  if (!valid) return T;
  long count = 0;
  for (long t = 0; t < T; t++) count += valid[t] != 0;
  return count;
}

}  // namespace

void poolMean(const float* x, const int32_t* valid, float* out, int32_t b, int32_t t, int32_t f) {
  long T = t, F = f;
  forRows(b, (double)b * t * f, [&](long row) {
    const int32_t* used = valid ? valid + row * T : nullptr;
    long count = countValid(used, T);
    V scale = splat(count ? 1.0f / (float)count : 0.0f);
    forVectors(0, F, [&](long i, int lanes) LANES {
      V sum = {};
      for (long s = 0; s < T; s++) {
        if (!used || used[s]) sum += load(x + (row * T + s) * F + i, lanes);
      }
      store(out + row * F + i, sum * scale, lanes);
    });
  });
}

void poolMeanBackward(const float* dOut, const int32_t* valid, float* dx, int32_t b, int32_t t,
                      int32_t f) {
  long T = t, F = f;
  forRows(b, (double)b * t * f, [&](long row) {
    const int32_t* used = valid ? valid + row * T : nullptr;
    long count = countValid(used, T);
    V scale = splat(count ? 1.0f / (float)count : 0.0f);
    for (long s = 0; s < T; s++) {
      if (used && !used[s]) continue;
      float* to = dx + (row * T + s) * F;
      forVectors(0, F, [&](long i, int lanes) LANES {
        store(to + i, load(to + i, lanes) + load(dOut + row * F + i, lanes) * scale, lanes);
      });
    }
  });
}

void poolMax(const float* x, const int32_t* valid, float* out, int32_t* argmax, int32_t b,
             int32_t t, int32_t f) {
  long T = t, F = f;
  forRows(b, (double)b * t * f, [&](long row) {
    for (long i = 0; i < F; i++) {
      float best = 0;
      int32_t at = -1;
      for (long s = 0; s < T; s++) {
        if (valid && !valid[row * T + s]) continue;
        float value = x[(row * T + s) * F + i];
        // A NaN wins and stays.
        if (at < 0 || value > best || (value != value && best == best)) {
          best = value;
          at = (int32_t)s;
        }
      }
      out[row * F + i] = best;
      argmax[row * F + i] = at;
    }
  });
}

void poolMaxBackward(const float* dOut, const int32_t* argmax, float* dx, int32_t b, int32_t t,
                     int32_t f) {
  long T = t, F = f;
  for (long row = 0; row < b; row++) {
    for (long i = 0; i < F; i++) {
      long s = argmax[row * F + i];
      if (s >= 0) dx[(row * T + s) * F + i] += dOut[row * F + i];
    }
  }
}

void holdMasked(float* y, const int32_t* valid, int32_t b, int32_t t, int32_t u, int32_t reverse,
                int32_t zero) {
  long T = t, U = u, back = reverse ? 1 : -1;
  forRows(b, (double)b * t * u, [&](long row) {
    for (long s = 0; s < T; s++) {
      long at = reverse ? T - 1 - s : s;
      if (valid[row * T + at]) continue;
      float* to = y + (row * T + at) * U;
      if (zero || s == 0) {
        for (long i = 0; i < U; i++) to[i] = 0;
      } else {
        copyRow(to + back * U, to, U, false);
      }
    }
  });
}

void holdMaskedBackward(float* dy, const int32_t* valid, int32_t b, int32_t t, int32_t u,
                        int32_t reverse, int32_t zero) {
  long T = t, U = u, back = reverse ? 1 : -1;
  forRows(b, (double)b * t * u, [&](long row) {
    for (long s = T - 1; s >= 0; s--) {
      long at = reverse ? T - 1 - s : s;
      if (valid[row * T + at]) continue;
      float* from = dy + (row * T + at) * U;
      if (!zero && s > 0) copyRow(from, from + back * U, U, true);
      for (long i = 0; i < U; i++) from[i] = 0;
    }
  });
}
