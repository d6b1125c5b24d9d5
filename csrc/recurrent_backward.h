// Backpropagation through time for every cell. dz is the gradient of the sums that the products
// with x and h went into. Only dz_{t+1}·Rᵀ has to run through time; the gradients of x and of the
// weights are then one large product each, over all processed steps.
#pragma once
#include "math.h"
#include "recurrent.h"

namespace {

/** What a cell does at a step of the backward pass: see `LstmBackward`. */
struct BackwardCell {
  const void* cell;
  /**
   * Turns what the forward pass has kept of step s into dz, for `columns` units from `unit`. `sums`
   * holds dz_{t+1}·Rᵀ; null at a row's last step, where dhState holds the gradient of hLast.
   */
  void (*finish)(const void* cell, long row, long s, long unit, long columns, const float* sums);
  /** Names what `finish` will read and write. */
  void (*needs)(const void* cell, long row, long s, long unit, long columns, Ahead& ahead);
};

template <class Cell>
INLINE BackwardCell backwardCell(const Cell& cell) {
  return {&cell,
          [](const void* cell, long row, long s, long unit, long columns, const float* sums) {
            ((const Cell*)cell)->finish(row, s, unit, columns, sums);
          },
          [](const void* cell, long row, long s, long unit, long columns, Ahead& ahead) {
            ((const Cell*)cell)->needs(row, s, unit, columns, ahead);
          }};
}

/** dz of all steps, from the last. One copy for all cells, as a product is long. */
struct BackwardSteps {
  const Rows& rows;
  long U, depth, stride;  // the product sees `depth` columns of dz, whose rows are `stride` apart
  const float *dz, *packed, *h0;
  float* dhState;
  bool carries;  // the cell leaves in dhState a part of dh_{t-1} that is not in the product
  bool far;      // more is read and written than stays in the cache
  BackwardCell cell;

  /**
   * dz_s·Rᵀ for the first `count` rows of a share and for the units from..end, a panel at a time;
   * the cell makes dz_{s-1} of it, or, before the first step, it is the gradient of h_0.
   */
  NOINLINE void recurrent(const Share& share, long count, long s, long from, long end) {
    for (long unit = from; unit < end; unit += tileColumns) {
      long columns = U - unit < tileColumns ? U - unit : tileColumns;
      int vectors = vectorsFor(columns);
      panelProduct(
          count, [&](long j) { return dz + rows.position(share.row(j), s) * stride; }, 1,
          packed + unit * depth, vectors * W, vectors, depth,
          [&](long j, const float* sums) {
            long row = share.row(j);
            if (s > 0) return cell.finish(cell.cell, row, s - 1, unit, columns, sums);
            putRow(dhState + row * U + unit, sums, columns, carries);
          },
          [&](long j, Ahead& ahead) {
            if (far && s > 0) cell.needs(cell.cell, share.row(j), s - 1, unit, columns, ahead);
          });
    }
  }

  NOINLINE void run() {
    long panels = panelsOf(U);
    forShares(rows, panels, (double)U * depth, [&](const Share& share, auto some) LANES {
      long count = share.count(), longest = count > 0 ? rows.length(share.row(0)) : 0, next = 0;
      // The first `next` rows have a step s + 1, the others up to `active` end here.
      for (long s = longest - 1; s >= (h0 ? -1 : 0); s--) {
        long active = next;
        while (active < count && rows.length(share.row(active)) > s && s >= 0) active++;
        some([&](long first, long endPanel) {
          long from = first * tileColumns, end = endPanel < panels ? endPanel * tileColumns : U;
          recurrent(share, next, s + 1, from, end);
          for (long j = next; j < active; j++) {
            cell.finish(cell.cell, share.row(j), s, from, end - from, nullptr);
          }
        });
        next = active;
      }
    });
  }
};

/** Columns of dz that stand side by side in the weights' gradients, too. */
struct Segment {
  long first, count;       // in dz
  long kernel, recurrent;  // the first of them in the kernel, the recurrent kernel; -1: not there
};

/** What dz means for the weights. */
struct Columns {
  long stride;  // of dz: columns of a step
  long width;   // columns of a kernel
  bool twoBiases;
  int count;
  Segment segments[3];

  INLINE long panels() const {
    long n = 0;
    for (int i = 0; i < count; i++) n += panelsOf(segments[i].count);
    return n;
  }

  /** The p-th panel of columns: a segment's part. */
  INLINE Segment panel(long p) const {
    int i = 0;
    for (; p >= panelsOf(segments[i].count); i++) p -= panelsOf(segments[i].count);
    Segment part = segments[i];
    long offset = p * tileColumns, rest = part.count - offset;
    part.first += offset;
    part.count = rest < tileColumns ? rest : tileColumns;
    if (part.kernel >= 0) part.kernel += offset;
    if (part.recurrent >= 0) part.recurrent += offset;
    return part;
  }
};

/** Two lists of steps, and one block of dz packed in panels. */
INLINE double scratchFor(double b, double t, double panels) {
  return panels * tileColumns * blockK + 2.0 * b * t;
}

/** What the backward kernels' last step reads and writes, as the kernels name it. */
struct Gradients {
  const float *x, *h, *h0, *dz, *packedKernel;
  float *dx, *dKernel, *dRecurrentKernel, *dBias, *scratch;
  int32_t adds;
  long I, U;
  Columns columns;
  // Positions of step p and of the one before it; ~row where h0 is. The first `starts` steps are
  // those that h0 comes before.
  int32_t *at, *before;
  long count, starts;
  /** Steps from asking for a part of a row to reading it: rows lie too far apart to be foreseen. */
  static constexpr long soon = 16;

  /** Lists the processed steps: the first of every row, then row by row. */
  INLINE void listSteps(const Rows& rows) {
    at = (int32_t*)(scratch + columns.panels() * tileColumns * blockK);
    before = at + rows.B * rows.T;
    count = 0;
    for (long row = 0; row < rows.B; row++) {
      if (rows.length(row) == 0) continue;
      at[count] = (int32_t)rows.position(row, 0);
      before[count++] = (int32_t)~row;
    }
    starts = count;
    for (long row = 0; row < rows.B; row++) {
      for (long s = 1; s < rows.length(row); s++, count++) {
        at[count] = (int32_t)rows.position(row, s);
        before[count] = (int32_t)rows.position(row, s - 1);
      }
    }
  }

  /** dx[at[p],:] += dz[at[p],:]·Wᵀ, over the processed steps. */
  INLINE void ofInput() {
    long N = columns.width, blocks = (count + chunkRows - 1) / chunkRows;
    parallel(blocks, (double)count * I * N / 8, [&](long task) {
      long first = task * chunkRows, rest = count - first;
      long size = rest < chunkRows ? rest : chunkRows;
      for (long k0 = 0; k0 < N; k0 += blockK) {
        long depth = N - k0 < blockK ? N - k0 : blockK;
        for (long feature = 0; feature < I; feature += tileColumns) {
          long width = I - feature < tileColumns ? I - feature : tileColumns;
          int vectors = vectorsFor(width);
          panelProduct(
              size, [&](long r) { return dz + at[first + r] * columns.stride + k0; }, 1,
              packedKernel + feature * N + k0 * vectors * W, vectors * W, vectors, depth,
              [&](long r, const float* sums) {
                putRow(dx + at[first + r] * I + feature, sums, width, (adds & 1) || k0 > 0);
              });
        }
      }
    });
  }

  /**
   * [x, h_{t-1}]ᵀ·dz over the processed steps p from `start`, one block of at most blockK steps,
   * for the panels first..end of dz. Threads take columns of dz, so the order of every sum is the
   * order of p.
   */
  INLINE void block(long start, long depth, long first, long end) {
    for (long p = first; p < end; p++) {
      Segment part = columns.panel(p);
      long width = vectorsFor(part.count) * W;
      float* panel = scratch + p * tileColumns * blockK;
      V bias[tileVectors] = {};
      auto copy = [&](int vectors, auto loadVector) LANES {
        for (long p = 0; p < depth; p++) {
          const float* from = dz + at[start + p] * columns.stride + part.first;
          if (p + soon < depth) {
            expect(dz + at[start + p + soon] * columns.stride + part.first, part.count);
          }
          UNROLL
          for (int v = 0; v < vectors; v++) {
            V value = loadVector(from, v);
            bias[v] += value;
            store(panel + p * width + v * W, value);
          }
        }
      };
      if (part.count == tileColumns) {
        copy(tileVectors, [](const float* from, int v) LANES { return load(from + v * W); });
      } else {
        copy((int)(width / W), [&](const float* from, int v) LANES {
          long rest = part.count - v * W;
          return load(from + v * W, rest < W ? (int)rest : W);
        });
      }
      if (!dBias) continue;
      bool add = (adds & 8) || start > 0;
      if (part.kernel >= 0) putRow(dBias + part.kernel, (const float*)bias, part.count, add);
      if (columns.twoBiases && part.recurrent >= 0) {
        putRow(dBias + columns.width + part.recurrent, (const float*)bias, part.count, add);
      }
    }
    if (dKernel) {
      product(start, 0, depth, first, end, I, dKernel, &Segment::kernel, (adds & 2) || start > 0,
              [&](long p) { return x + at[p] * I; });
    }
    // Steps that follow zeros add nothing to the gradient of the recurrent weights.
    long zeros = h0 ? 0 : starts, skipped = zeros > start ? zeros - start : 0;
    if (dRecurrentKernel && skipped < depth) {
      product(start, skipped, depth, first, end, U, dRecurrentKernel, &Segment::recurrent,
              (adds & 4) || start > zeros,
              [&](long p) { return before[p] < 0 ? h0 + ~before[p] * U : h + before[p] * U; });
    }
  }

  /**
   * The steps start + skipped .. start + depth of a block, whose dz is packed, times rowOf(step).
   */
  template <class RowOf>
  INLINE void product(long start, long skipped, long depth, long first, long end, long rows,
                      float* out, long Segment::* column, bool add, RowOf rowOf) {
    alignas(64) float chunk[blockK * chunkRows];
    long N = columns.width;
    for (long r0 = 0; r0 < rows; r0 += chunkRows) {
      long size = rows - r0 < chunkRows ? rows - r0 : chunkRows;
      for (long p = skipped; p < depth; p++) {
        const float* from = rowOf(start + p) + r0;
        if (p + soon < depth) expect(rowOf(start + p + soon) + r0, size);
        float* to = chunk + (p - skipped) * chunkRows;
        copyRow(to, from, size);
      }
      for (long p = first; p < end; p++) {
        Segment part = columns.panel(p);
        if (part.*column < 0) continue;
        float* to = out + r0 * N + part.*column;
        int vectors = vectorsFor(part.count);
        panelProduct(
            size,
            [&](long r) {
              // Weights of more than 4 MB are not in the cache when their turn comes.
              if ((I + U) * N > 1 << 20) expect(to + r * N, part.count);
              return chunk + r;
            },
            chunkRows, scratch + p * tileColumns * blockK + skipped * vectors * W, vectors * W,
            vectors, depth - skipped,
            [&](long r, const float* sums) { putRow(to + r * N, sums, part.count, add); });
      }
    }
  }

  INLINE void ofWeights() {
    long panels = columns.panels();
    double operations = (double)count * (I + U) * columns.width / 8;
    long tasks = threadsFor(operations);
    if (tasks > panels) tasks = panels;
    parallel(tasks, operations, [&](long task) {
      long first = cut(panels, task, tasks), end = cut(panels, task + 1, tasks);
      for (long start = 0; start < count; start += blockK) {
        block(start, count - start < blockK ? count - start : blockK, first, end);
      }
    });
  }

  NOINLINE void run(const Rows& rows) {
    listSteps(rows);
    // What no step reaches stays as the caller left it, or becomes zero.
    auto clear = [](float* out, long n) {
      forElements(n, 1, [&](long i, int lanes) LANES { store(out + i, V{}, lanes); });
    };
    long N = columns.width;
    if (dx && !(adds & 1) && count < rows.B * rows.T) clear(dx, rows.B * rows.T * I);
    if (count == 0) {
      if (dKernel && !(adds & 2)) clear(dKernel, I * N);
      if (dBias && !(adds & 8)) clear(dBias, columns.twoBiases ? 2 * N : N);
    }
    if (count == (h0 ? 0 : starts) && dRecurrentKernel && !(adds & 4)) {
      clear(dRecurrentKernel, U * N);
    }
    if (dx) ofInput();
    if (dKernel || dRecurrentKernel || dBias) ofWeights();
  }
};

}  // namespace
