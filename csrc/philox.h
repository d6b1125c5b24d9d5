// Dropout by Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
// number i of a stream is a function of the key, the counter and i, so tasks need no shared state.
// W counters go through the rounds side by side.
#pragma once
#include "parallel.h"

namespace {

typedef uint32_t VU __attribute__((vector_size(W * 4)));
typedef uint64_t VU2 __attribute__((vector_size(W * 8)));

/** a·b: the low and the high half. */
INLINE void multiplyWide(uint32_t a, VU b, VU& low, VU& high) {
  VU2 product = __builtin_convertvector(b, VU2) * (uint64_t)a;
  low = __builtin_convertvector(product, VU);
  high = __builtin_convertvector(product >> 32, VU);
}

INLINE void philox(VU (&c)[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    VU low0, high0, low1, high1;
    multiplyWide(0xD2511F53u, c[0], low0, high0);
    multiplyWide(0xCD9E8D57u, c[2], low1, high1);
    c[0] = high1 ^ c[1] ^ key0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ key1;
    c[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

}  // namespace

void dropout(const float* x, float* out, int32_t n, double rate, int32_t keyLow, int32_t keyHigh,
             int32_t counterLow, int32_t counterHigh, int32_t accumulate) {
  // word · 2^-32 >= rate exactly when word >= ⌈rate · 2^32⌉.
  double scaled = rate * 4294967296.0;
  uint64_t threshold = (uint64_t)scaled;
  if ((double)threshold < scaled) threshold++;
  // Nothing is kept at 2^32, which no word reaches.
  uint32_t least = threshold > 0xffffffffu ? 0xffffffffu : (uint32_t)threshold;
  float scale = threshold > 0xffffffffu ? 0.0f : (float)(1.0 / (1.0 - rate));
  constexpr long group = 4 * W, chunk = 1024 * W;
  VU lane;
  for (int i = 0; i < W; i++) lane[i] = (uint32_t)i;
  parallel(((long)n + chunk - 1) / chunk, 8.0 * n, [&](long task) {
    long end = (task + 1) * chunk < n ? (task + 1) * chunk : n;
    for (long i = task * chunk; i < end; i += group) {
      VU words[4] = {lane + (uint32_t)(i / 4), VU{}, VU{} + (uint32_t)counterLow,
                     VU{} + (uint32_t)counterHigh};
      philox(words, (uint32_t)keyLow, (uint32_t)keyHigh);
      // Element 4j + k has word k of counter j.
      float factors[group];
      for (int k = 0; k < 4; k++) {
        VU kept = (VU)(words[k] >= least);
        V factor = floats((VI)kept & bits(splat(scale)));
        for (int j = 0; j < W; j++) factors[4 * j + k] = factor[j];
      }
      forVectors(i, i + group < end ? i + group : end, [&](long j, int lanes) LANES {
        V factor = load(factors + (j - i));
        V value = x ? (factor == 0.0f ? V{} : load(x + j, lanes) * factor) : factor;
        store(out + j, accumulate ? load(out + j, lanes) + value : value, lanes);
      });
    }
  });
}
