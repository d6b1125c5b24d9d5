// The general matrix product, in panels of b packed for the tile of tile.h.
#pragma once
#include "parallel.h"
#include "tile.h"

namespace {

/** Steps of k whose sum is formed in registers before it is added to the result. */
constexpr long blockK = 256;
/** Columns of a transposed left matrix that are copied together, a whole number of tiles. */
constexpr long chunkRows = 48;
/** Rows of one task. */
constexpr long taskRows = 384;

}  // namespace

/**
 * Faster than the three loops because b is read once for `tileRows` rows of a, from a packed panel
 * that stays in the second-level cache while all rows pass. With few rows b is read where it lies.
 */
void matmul(const float* a, const float* b, float* out, int32_t m, int32_t k, int32_t n,
            int32_t transposeA, int32_t transposeB, int32_t accumulate) {
  long M = m, K = k, N = n;
  if (K == 0 && !accumulate) {
    for (long i = 0; i < M * N; i++) out[i] = 0;
  }
  long panels = (N + tileColumns - 1) / tileColumns, blocks = (M + taskRows - 1) / taskRows;
  parallel(panels * blocks, 2.0 * M * N * K / 16, [&](long task) {
    alignas(64) float packed[blockK * tileColumns];
    alignas(64) float chunk[blockK * chunkRows];
    long j0 = task / blocks * tileColumns, m0 = task % blocks * taskRows;
    long columns = N - j0 < tileColumns ? N - j0 : tileColumns;
    long rows = M - m0 < taskRows ? M - m0 : taskRows;
    int vectors = vectorsFor(columns);
    bool direct = !transposeB && columns % W == 0 && rows <= 2 * tileRows;
    for (long k0 = 0; k0 < K; k0 += blockK) {
      long count = K - k0 < blockK ? K - k0 : blockK;
      const float* panel = packed;
      long stride = vectors * W;
      if (direct) {
        panel = b + k0 * N + j0;
        stride = N;
      } else {
        packPanel(transposeB ? b + k0 : b + k0 * N, transposeB ? K : N, transposeB, j0, columns,
                  count, packed);
      }
      bool add = accumulate || k0 > 0;
      if (!transposeA) {
        panelProduct(
            rows, [&](long r) { return a + (m0 + r) * K + k0; }, 1, panel, stride, vectors, count,
            [&](long r, const float* sums) { putRow(out + (m0 + r) * N + j0, sums, columns, add); });
        continue;
      }
      for (long r0 = 0; r0 < rows; r0 += chunkRows) {
        long size = rows - r0 < chunkRows ? rows - r0 : chunkRows;
        for (long i = 0; i < count; i++) {
          const float* from = a + (k0 + i) * M + m0 + r0;
          forVectors(0, size, [&](long j, int lanes) LANES {
            store(chunk + i * chunkRows + j, load(from + j, lanes));
          });
        }
        panelProduct(
            size, [&](long r) { return chunk + r; }, chunkRows, panel, stride, vectors, count,
            [&](long r, const float* sums) {
              putRow(out + (m0 + r0 + r) * N + j0, sums, columns, add);
            });
      }
    }
  });
}
