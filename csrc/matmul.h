// The general matrix product, in panels of b packed for the tile of tile.h.
#pragma once
#include "parallel.h"
#include "tile.h"

namespace {

/** Steps of k, at most, whose sum is formed in registers before it is added to the result. */
constexpr long blockK = W == 16 ? 352 : 256;
/** Columns of a transposed left matrix that are copied together: whole tiles. */
constexpr long chunkRows = 48;
/**
 * Panels of b that a task packs together: what leaves most of a second-level cache to the rest, and fits
 * on a thread's stack, which is small with other C libraries.
 */
#if defined(__GLIBC__)
constexpr long groupPanels = W == 8 ? 8 : 4;
#else
constexpr long groupPanels = W == 16 ? 1 : 4;
#endif
/** Rows for which packing b costs a small part of the product. */
constexpr long taskRows = 300;
/** Numbers of a left matrix that a second-level cache does not keep. */
constexpr long largeLeft = 1 << 18;
/** Up to this many rows b is read where it lies. */
constexpr long directRows = 4 * tileRows;
/** Columns of a single row that are summed in the first-level cache as b streams by. */
constexpr long streamColumns = 1024;

INLINE long within(long n, long least, long most) {
  if (n > most) n = most;
  return n < least ? least : n;
}

/** Into how many parts, a multiple of `used` up to `most` if it can be, to cut things most equally. */
INLINE long equalParts(long things, long used, long most) {
  long best = most, least = things;
  for (long parts = most / used * used; parts >= used; parts -= used) {
    long missing = (things + parts - 1) / parts * parts - things;
    if (missing < least) best = parts, least = missing;
  }
  return best;
}

/** The columns j0..j1 of a product and the steps k0..k1 of their sums: what is packed of b at once. */
struct Piece {
  long j0, j1, k0, k1;

  INLINE long panels() const { return (j1 - j0 + tileColumns - 1) / tileColumns; }
};

/** Lines of b that will be packed next: each tile asks for a few, as together they would stop it. */
struct Coming {
#if defined(__wasm__)
  INLINE void tell(Ahead&) {}
#else
  const float* from;
  long rows, columns, stride, share, row = 0, column = 0;

  INLINE void tell(Ahead& ahead) {
    ahead.later = true;
    for (long n = 0; n < share && row < rows; n++) {
      ahead.add(from + row * stride + column, 1);
      column += 16;
      if (column >= columns) column = 0, row++;
    }
  }
#endif
};

/** One product, as the kernel's arguments name it. */
struct Product {
  const float *a, *b, *bias;
  float* out;
  long M, K, N;
  bool transposeA, transposeB, accumulate;
  float* columnSums = nullptr;  // of b, where they are wanted
  bool addSums = false;

  /** Equal blocks of k. */
  INLINE long blocksOfK() const { return K > blockK ? (K + blockK - 1) / blockK : 1; }
  INLINE long stepsOfBlock() const { return (K + blocksOfK() - 1) / blocksOfK(); }

  /** Takes the sums over the steps k0..k1 for `columns` columns of a row. */
  INLINE void put(long row, long j0, const float* sums, long columns, long k0, long k1) const {
    float* to = out + row * N + j0;
    bool add = accumulate || k0 > 0;
    const float* more = bias && k1 >= K ? bias + j0 : nullptr;
    forVectors(0, columns, [&](long j, int lanes) LANES {
      V value = load(sums + j);
      if (add) value += load(to + j, lanes);
      if (more) value += load(more + j, lanes);
      store(to + j, value, lanes);
    });
  }

  /** sums[j] += Σ_i a_i · b[i, j] over the next n steps of k. */
  template <int n>
  INLINE void streamSteps(const float* rowA, const float* rowB, float* sums, long columns) const {
    V s[n];
    UNROLL
    for (int i = 0; i < n; i++) s[i] = splat(rowA[i]);
    forVectors(0, columns, [&](long j, int lanes) LANES {
      V sum = load(sums + j);
      UNROLL
      for (int i = 0; i < n; i++) sum = fma(s[i], load(rowB + i * N + j, lanes), sum);
      store(sums + j, sum);
    });
  }

  /** The only row, for the columns from j0 on: b is read in the order of its memory. */
  NOINLINE void stream(long j0, long columns) const {
    alignas(64) float sums[streamColumns];
    for (long block = 0, k = 0; block < blocksOfK(); block++) {
      long k0 = k, end = within(k0 + stepsOfBlock(), 0, K);
      for (long j = 0; j < columns; j += W) store(sums + j, V{});
      for (; k + 8 <= end; k += 8) streamSteps<8>(a + k, b + k * N + j0, sums, columns);
      for (; k < end; k++) streamSteps<1>(a + k, b + k * N + j0, sums, columns);
      put(0, j0, sums, columns, k0, end);
    }
  }

  /** What will be packed of b for a piece, some of it for each tile of the piece before. */
  INLINE Coming coming(const Piece& piece, long tiles) const {
#if defined(__wasm__)
    return {};
#else
    long columns = piece.j1 - piece.j0, steps = piece.k1 - piece.k0;
    Coming lines = transposeB ? Coming{b + piece.j0 * K + piece.k0, columns, steps, K, 0}
                              : Coming{b + piece.k0 * N + piece.j0, steps, columns, N, 0};
    lines.share = (lines.rows * ((lines.columns + 15) / 16) + tiles - 1) / tiles;
    return lines;
#endif
  }

  /** The rows m0..m0 + rows and the columns first..last. */
  NOINLINE void block(long m0, long rows, long first, long last) const {
    constexpr long width = groupPanels * tileColumns;
    bool direct = !transposeB && rows <= directRows && N % W == 0;
    long blocks = blocksOfK(), steps = stepsOfBlock();
    long pieces = (last - first + width - 1) / width * blocks;
    auto piece = [&](long i) {
      long j0 = first + i / blocks * width, k0 = i % blocks * steps;
      return Piece{j0, within(j0 + width, 0, last), k0, within(k0 + steps, 0, K)};
    };
    for (long i = 0; i < pieces; i++) {
      Piece now = piece(i);
      Coming next = {};
      if (i + 1 < pieces && !direct) {
        next = coming(piece(i + 1), now.panels() * ((rows + tileRows - 1) / tileRows));
      }
      multiply(m0, rows, now, direct, next);
    }
  }

  /** The rows m0..m0 + rows of a piece, whose part of b is read where it lies, or packed. */
  NOINLINE void multiply(long m0, long rows, const Piece& piece, bool direct, Coming& next) const {
    alignas(64) float packed[groupPanels * blockK * tileColumns];
    alignas(64) float chunk[blockK * chunkRows];
    alignas(64) float sums[tileRows * tileColumns];
    long j0 = piece.j0, j1 = piece.j1, k0 = piece.k0, k1 = piece.k1;
    long count = k1 - k0, panels = piece.panels();
    for (long p = 0; p < panels && !direct; p++) {
      long j = j0 + p * tileColumns, columns = within(j1 - j, 0, tileColumns);
      packPanel(transposeB ? b + k0 : b + k0 * N, transposeB ? K : N, transposeB, j, columns, count,
                packed + p * blockK * tileColumns);
    }
    for (long p = 0; p < panels && columnSums && m0 == 0; p++) {
      long j = j0 + p * tileColumns, columns = within(j1 - j, 0, tileColumns);
      long stride = direct ? N : vectorsFor(columns) * W;
      const float* from = direct ? b + k0 * N + j : packed + p * blockK * tileColumns;
      forVectors(0, columns, [&](long v, int lanes) LANES {
        V sum = {};
        for (long k = 0; k < count; k++) sum += load(from + k * stride + v);
        float* to = columnSums + j + v;
        store(to, addSums || k0 > 0 ? load(to, lanes) + sum : sum, lanes);
      });
    }
    auto tile = [&](long row, int size, const float* const* from, long step) {
      for (long p = 0; p < panels; p++) {
        long j = j0 + p * tileColumns, columns = within(j1 - j, 0, tileColumns);
        int vectors = vectorsFor(columns);
        const float* panel = direct ? b + k0 * N + j : packed + p * blockK * tileColumns;
        // What will be written comes while the product runs, and what is packed next.
        for (int r = 0; r < size && count >= 64; r++) expect(out + (row + r) * N + j, columns);
        Ahead ahead;
        next.tell(ahead);
        tileProducts[size - 1][vectors - 1](from, step, panel, direct ? N : vectors * W, count,
                                            sums, &ahead);
        for (int r = 0; r < size; r++) put(row + r, j, sums + r * vectors * W, columns, k0, k1);
      }
    };
    long most = transposeA ? chunkRows : rows;
    for (long r0 = 0; r0 < rows; r0 += most) {
      long row = m0 + r0, size = within(rows - r0, 0, most);
      if (transposeA) copyColumns(row, size, k0, count, chunk);
      forTiles<tileRows>(size, [&](long first, int height) {
        const float* from[tileRows];
        for (int r = 0; r < height; r++) {
          from[r] = transposeA ? chunk + first + r : a + (row + first + r) * K + k0;
        }
        tile(row + first, height, from, transposeA ? chunkRows : 1);
      });
    }
  }

  /** Columns of the transposed a, side by side for each k. */
  INLINE void copyColumns(long first, long size, long k0, long count, float* to) const {
    for (long k = 0; k < count; k++) {
      const float* from = a + (k0 + k) * M + first;
      forVectors(0, size, [&](long j, int lanes) LANES {
        store(to + k * chunkRows + j, load(from + j, lanes));
      });
    }
  }

  void run() const {
    if ((M == 0 && !columnSums) || N == 0) return;
    double operations = 2.0 * M * N * K / 16, reads = (double)K * N / 2;
    if (M == 1 && !transposeB && !columnSums) {
      long parts = (N + streamColumns - 1) / streamColumns;
      parallel(parts, operations > reads ? operations : reads, [&](long part) {
        long j0 = part * streamColumns, rest = N - j0;
        stream(j0, rest < streamColumns ? rest : streamColumns);
      });
      return;
    }
    // Several tasks a thread, of many rows if there are, else of few columns, else of few rows. A
    // large a is read again for each group of columns, so that those part only to occupy a thread.
    long used = threadsFor(operations), wanted = used > 1 ? 4 * used : 1;
    long panels = (N + tileColumns - 1) / tileColumns;
    long groups = (panels + groupPanels - 1) / groupPanels;
    long blocks = within((wanted + groups - 1) / groups, 1, M / taskRows);
    if (groups % used && blocks > used) blocks -= blocks % used;
    if (groups * blocks < used || M * K < largeLeft) {
      groups = within(wanted / blocks, groups, panels);
    }
    if (groups * blocks < used) blocks = within(used / groups, 1, M / chunkRows);
    // Tasks of several groups, whole and as equal as can be: what a task packs next comes while it works.
    bool whole = groups * blocks > wanted;
    if (whole) groups = equalParts(groups, used, within(wanted / blocks, 1, groups));
    long unit = whole ? groupPanels * tileColumns : tileColumns, units = (N + unit - 1) / unit;
    parallel(groups * blocks, operations, [&](long task) {
      long group = task / blocks, part = task % blocks, m0 = cut(M, part, blocks);
      long end = within(cut(units, group + 1, groups) * unit, 0, N);
      block(m0, cut(M, part + 1, blocks) - m0, cut(units, group, groups) * unit, end);
    });
  }
};

}  // namespace

/**
 * Faster than the three loops because b is read once for `tileRows` rows of a, from packed panels
 * that stay in the second-level cache while all rows pass, and a few rows of a, which stay in the
 * first-level cache, once for several panels.
 */
void matmul(const float* a, const float* b, const float* bias, float* out, int32_t m, int32_t k,
            int32_t n, int32_t transposeA, int32_t transposeB, int32_t accumulate) {
  Product{a, b, bias, out, m, k, n, transposeA != 0, transposeB != 0, accumulate != 0}.run();
}

/** The sums come from the panels of dy that are packed for the product. */
void weightGradients(const float* x, const float* dy, float* dKernel, float* dBias, int32_t rows,
                     int32_t inputs, int32_t units, int32_t adds) {
  Product{x, dy, nullptr, dKernel, inputs, rows, units, true, false, (adds & 1) != 0, dBias,
          (adds & 2) != 0}
      .run();
}

/** Threads take whole products. */
void matmulBatch(const float* a, const float* b, float* out, int32_t batch, int32_t m, int32_t k,
                 int32_t n, int32_t transposeA, int32_t transposeB, int32_t accumulate) {
  long M = m, K = k, N = n;
  parallel(batch, 2.0 * batch * M * N * K / 16, [&](long i) {
    Product product{a + i * M * K, b + i * K * N, nullptr, out + i * M * N, M, K, N,
                    transposeA != 0, transposeB != 0, accumulate != 0};
    if (M > 0) product.block(0, M, 0, N);
  });
}
