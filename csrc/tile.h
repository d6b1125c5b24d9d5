// The register tile that every product is made of: R rows × N vectors of sums.
//
// Faster than row by row because a vector of b, once loaded, serves R rows, and a broadcast element
// of a serves N vectors: R·N multiply-adds for R + N loads, with the sums never leaving registers.
// R·N sums, N vectors of b and one broadcast fill the register file. Of 32 registers 6 × 4; of 16
// with fused multiply-add 6 × 2, as 3 × 4 would read twice as much of b, which comes from the second
// level cache; without it, where the product needs a register of its own, 2 × 4. Each sum runs over
// k in ascending order in every variant, so a row's result does not depend on the rows beside it.
#pragma once
#include "transpose.h"

namespace {

#if REFRAIN_WIDTH == 16 || defined(__aarch64__)
constexpr int tileRows = 6, tileVectors = 4;
#elif REFRAIN_WIDTH == 8
constexpr int tileRows = 6, tileVectors = 2;
#else
constexpr int tileRows = 2, tileVectors = 4;
#endif
constexpr int tileColumns = tileVectors * W;

// Rows of the LSTM's own tile, whose vectors are the four gates of the same units.
constexpr int gateRows = tileVectors == 4 ? tileRows : tileRows / 2;

/** Asks for the cache lines of `count` floats that will be read and written soon. */
INLINE void expect(const float* p, long count) {
  for (long j = 0; j < count; j += 16) __builtin_prefetch(p + j, 1);
}

/**
 * Cache lines that a tile asks for, one in each round of its loop: what its rows will read and write
 * next. All at once they would fill the buffers for missing lines, and the tile would wait.
 */
struct Ahead {
#if defined(__wasm__)
  INLINE void add(const float*, long) {}
#else
  static constexpr int most = 512;
  const float* lines[most];
  int count = 0;
  /** They are only read, and later: the second-level cache is near enough. */
  bool later = false;

  INLINE void add(const float* p, long floats) {
    for (long j = 0; j < floats && count < most; j += 16) lines[count++] = p + j;
  }
#endif
};

/** No lines. */
struct Nothing {
  INLINE void operator()(long, Ahead&) const {}
};

/** sum[r][first + v] += Σ_k a[r][k·step] · b[k·stride + v·W] for v < N. */
template <int R, int N, int Width = N, int first = 0>
INLINE void multiplyAdd(V (&sum)[R][Width], const float* const* a, long step, const float* b,
                        long stride, long count, const Ahead* ahead = nullptr) {
  const float* row[R];
  UNROLL
  for (int r = 0; r < R; r++) row[r] = a[r];
#if defined(__wasm__)
  // Pointers that move on, and a vector of b loaded where it is used: the engine takes the order as it
  // is, and has 15 registers. The end is told from b, which saves counting.
  for (const float* end = b + count * stride; b != end; b += stride) {
    V s[R];
    UNROLL
    for (int r = 0; r < R; r++) {
      s[r] = splat(*row[r]);
      row[r] += step;
    }
    UNROLL
    for (int v = 0; v < N; v++) {
      V w = load(b + v * W);
      UNROLL
      for (int r = 0; r < R; r++) sum[r][first + v] = fma(s[r], w, sum[r][first + v]);
    }
  }
#else
  long k = 0, i = 0;
  auto round = [&]() LANES {
    V w[N];
    UNROLL
    for (int v = 0; v < N; v++) w[v] = load(b + v * W);
    UNROLL
    for (int r = 0; r < R; r++) {
      V s = splat(row[r][i]);
      UNROLL
      for (int v = 0; v < N; v++) sum[r][first + v] = fma(s, w[v], sum[r][first + v]);
    }
    k++, i += step, b += stride;
  };
  if (ahead) {
    while (k < ahead->count && k < count) {
      if (ahead->later) __builtin_prefetch(ahead->lines[k], 0, 2);
      else __builtin_prefetch(ahead->lines[k], 1);
      round();
    }
  }
  // Of few sums, the end of the loop, mispredicted, costs as much as dozens of rounds (1.7 times the time
  // of a step of 128 units); with fewer jumps it is foreseen. More sums would spill.
  constexpr int sums = R * N, most = tileRows * tileVectors;
  constexpr int unrolled = 3 * sums <= most ? 8 : 2 * sums <= most ? 2 : 1;
  if constexpr (unrolled > 1) {
    while (k + unrolled <= count) {
      UNROLL
      for (int u = 0; u < unrolled; u++) round();
    }
  }
  while (k < count) round();
#endif
}

/** out[r][v·W..] = Σ_k a[r][k·step] · b[k·stride + v·W..]. */
template <int R, int N>
NOINLINE void tileProduct(const float* const* a, long step, const float* b, long stride, long count,
                          float* out, const Ahead* ahead) {
  V sum[R][N] = {};
  multiplyAdd<R, N>(sum, a, step, b, stride, count, ahead);
  UNROLL
  for (int r = 0; r < R; r++) {
    UNROLL
    for (int v = 0; v < N; v++) store(out + (r * N + v) * W, sum[r][v]);
  }
}

typedef void (*TileProduct)(const float* const*, long, const float*, long, long, float*,
                            const Ahead*);

#if REFRAIN_WIDTH == 8
#define ROW_OF_TILES(R) {tileProduct<R, 1>, tileProduct<R, 2>}
#else
#define ROW_OF_TILES(R) {tileProduct<R, 1>, tileProduct<R, 2>, tileProduct<R, 3>, tileProduct<R, 4>}
#endif
constexpr TileProduct tileProducts[tileRows][tileVectors] = {
    ROW_OF_TILES(1), ROW_OF_TILES(2),
#if REFRAIN_WIDTH == 8 || REFRAIN_WIDTH == 16 || defined(__aarch64__)
    ROW_OF_TILES(3), ROW_OF_TILES(4), ROW_OF_TILES(5), ROW_OF_TILES(6),
#endif
};
#undef ROW_OF_TILES

/** Calls body(first, count) for tiles of at most `most` rows, as equal as they can be. */
template <int most, class Body>
INLINE void forTiles(long rows, Body body) {
  long tiles = (rows + most - 1) / most;
  for (long tile = 0, first = 0; tile < tiles; tile++) {
    int count = (int)((rows - first + tiles - tile - 1) / (tiles - tile));
    body(first, count);
    first += count;
  }
}

/**
 * One panel of `vectors` · W columns of b for all rows: rowOf(row) points to a's row, finish(row,
 * sums) takes its results. next(row, ahead), if given, names what will be needed soon.
 */
template <class RowOf, class Finish, class Next = Nothing>
INLINE void panelProduct(long rows, RowOf rowOf, long step, const float* b, long stride,
                         int vectors, long count, Finish finish, Next next = {}) {
  alignas(64) float sums[tileRows * tileColumns];
  forTiles<tileRows>(rows, [&](long first, int size) {
    const float* a[tileRows];
    for (int r = 0; r < size; r++) a[r] = rowOf(first + r);
    Ahead ahead;
    for (int r = 0; r < size; r++) next(first + r, ahead);
    tileProducts[size - 1][vectors - 1](a, step, b, stride, count, sums, &ahead);
    for (int r = 0; r < size; r++) finish(first + r, sums + r * vectors * W);
  });
}

INLINE int vectorsFor(long columns) {
  return columns >= tileColumns ? tileVectors : (int)((columns + W - 1) / W);
}

/** out[j] = sums[j], or added. */
INLINE void putRow(float* out, const float* sums, long columns, bool add) {
  forVectors(0, columns, [&](long j, int lanes) LANES {
    V value = load(sums + j);
    store(out + j, add ? load(out + j, lanes) + value : value, lanes);
  });
}

/** Copies `count` floats, and zeros up to the next whole vector. */
INLINE void copyRow(float* to, const float* from, long count) {
  long i = 0;
  for (; i + W <= count; i += W) store(to + i, load(from + i));
  if (i < count) store(to + i, load(from + i, (int)(count - i)));
}

/**
 * Packs b[k, first + j] for k < count, j < columns into out[k][vectors·W], zeros after `columns`.
 * b is [.., ld] row-major, or its transpose: b[k, j] = b[j·ld + k].
 */
NOINLINE void packPanel(const float* b, long ld, bool transposed, long first, long columns,
                        long count, float* out) {
  long width = vectorsFor(columns) * W;
  if (transposed) {
    for (long j = 0; j < width; j += W) {
      for (long k = 0; k < count; k += W) {
        int lanes = count - k < W ? (int)(count - k) : W;
        V rows[W];
        UNROLL
        for (int i = 0; i < W; i++) {
          rows[i] = j + i < columns ? load(b + (first + j + i) * ld + k, lanes) : V{};
        }
        transpose(rows);
        UNROLL
        for (int i = 0; i < W; i++) {
          if (i < lanes) store(out + (k + i) * width + j, rows[i]);
        }
      }
    }
    return;
  }
  for (long k = 0; k < count; k++) {
    const float* from = b + k * ld + first;
    float* to = out + k * width;
    copyRow(to, from, columns);
  }
}

}  // namespace
