// What the machine can do at most: the measures that other kernels' speed is held against.
#pragma once
#include "parallel.h"

namespace {

/** Independent multiply-adds at a time: two units of four to six cycles' latency never wait. */
constexpr int chains = 12;
/** Elements of a task; whole passes of `chains` vectors for every width. */
constexpr int peakElements = chains * 16;
/** Floats that one task of `peakRead` sums. */
constexpr long readBlock = 32768;

/** Sum of `chains` vectors after `rounds` multiply-adds each, all in registers. */
NOINLINE double multiplyAdds(V factor, V term, float first, int32_t rounds) {
  V x[chains];
  UNROLL
  for (int k = 0; k < chains; k++) {
    for (int lane = 0; lane < W; lane++) x[k][lane] = first + (float)(k * W + lane);
  }
  for (int32_t round = 0; round < rounds; round++) {
    UNROLL
    for (int k = 0; k < chains; k++) x[k] = fma(x[k], factor, term);
  }
  double sum = 0;
  UNROLL
  for (int k = 0; k < chains; k++) sum += sumLanes(x[k]);
  return sum;
}

}  // namespace

double peakMultiplyAdd(double factor, double term, int32_t rounds, int32_t tasks) {
  V f = splat((float)factor), t = splat((float)term);
  double total = 0, partial[1024];
  if (tasks > 1024) tasks = 1024;
  parallel(tasks, (double)tasks * peakElements * rounds, [&](long task) {
    double sum = 0;
    for (int first = 0; first < peakElements; first += chains * W) {
      sum += multiplyAdds(f, t, (float)first, rounds);
    }
    partial[task] = sum;
  });
  for (int task = 0; task < tasks; task++) total += partial[task];
  return total;
}

double peakRead(const float* x, int32_t n) {
  constexpr long group = 1024;
  double total = 0, partial[group];
  for (long first = 0; first < n; first += group * readBlock) {
    long blocks = (n - first + readBlock - 1) / readBlock;
    if (blocks > group) blocks = group;
    parallel(blocks, (double)blocks * readBlock, [&](long block) {
      long i = first + block * readBlock, end = i + readBlock < n ? i + readBlock : n;
      V sum[8] = {};
      for (; i + 8 * W <= end; i += 8 * W) {
        UNROLL
        for (int k = 0; k < 8; k++) sum[k] += load(x + i + k * W);
      }
      forVectors(i, end, [&](long at, int lanes) LANES { sum[0] += load(x + at, lanes); });
      double all = 0;
      for (int k = 0; k < 8; k++) all += sumLanes(sum[k]);
      partial[block] = all;
    });
    for (long block = 0; block < blocks; block++) total += partial[block];
  }
  return total;
}
