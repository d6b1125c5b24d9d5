// Dropout by Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
// number i of a stream is a function of the key, the counter and i, so tasks need no shared state.
#pragma once
#include "parallel.h"

namespace {

INLINE void philox(uint32_t (&c)[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(b >> 32) ^ c1 ^ key0;
    c[1] = (uint32_t)b;
    c[2] = (uint32_t)(a >> 32) ^ c3 ^ key1;
    c[3] = (uint32_t)a;
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
  float scale = (float)(1.0 / (1.0 - rate));
  constexpr long chunk = 4096;
  parallel(((long)n + chunk - 1) / chunk, 8.0 * n, [&](long task) {
    long end = (task + 1) * chunk < n ? (task + 1) * chunk : n;
    for (long i = task * chunk; i < end; i += 4) {
      uint32_t words[4] = {(uint32_t)(i / 4), 0, (uint32_t)counterLow, (uint32_t)counterHigh};
      philox(words, (uint32_t)keyLow, (uint32_t)keyHigh);
      for (long j = i; j < i + 4 && j < end; j++) {
        float value = words[j - i] >= threshold ? (x ? x[j] * scale : scale) : 0.0f;
        out[j] = accumulate ? out[j] + value : value;
      }
    }
  });
}
