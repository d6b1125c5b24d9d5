// Rows of a table, looked up and added to.
#pragma once
#include "elementwise.h"

void gather(const float* table, const int32_t* ids, float* out, int32_t n, int32_t dim) {
  long D = dim;
  forRows(n, (double)n * dim, [&](long i) { copyRow(table + ids[i] * D, out + i * D, D, false); });
}

void scatter(const float* x, const int32_t* ids, float* table, int32_t n, int32_t dim) {
  long D = dim;
  forRows(n, (double)n * dim, [&](long i) { copyRow(x + i * D, table + ids[i] * D, D, false); });
}

/** Threads take columns: each column receives its sums in the order of i. */
void gatherBackward(const float* dOut, const int32_t* ids, float* dTable, int32_t n, int32_t dim) {
  long D = dim;
  constexpr long width = 4 * W;
  parallel((D + width - 1) / width, (double)n * dim, [&](long task) {
    long first = task * width, columns = D - first < width ? D - first : width;
    for (long i = 0; i < n; i++) {
      copyRow(dOut + i * D + first, dTable + ids[i] * D + first, columns, true);
    }
  });
}
