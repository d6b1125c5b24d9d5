// What the recurrent cells share: where the steps of a row stand, which thread computes which, and
// the order of the steps.
#pragma once
#include "matmul.h"

namespace {

/** The rows of a batch, each with a number of steps. */
struct Rows {
  const int32_t *steps, *lengths, *order;
  long B, T;
  bool reverse;

  INLINE long length(long row) const { return lengths ? lengths[row] : T; }

  /** Index in [B·T] of the s-th processed step. */
  INLINE long position(long row, long s) const {
    long at = reverse ? length(row) - 1 - s : s;
    return row * T + (steps ? steps[row * T + at] : at);
  }
};

/** Every `stride`-th row of `order` from `first`: a thread's share, longest rows first. */
struct Share {
  const Rows& rows;
  long first, stride;

  INLINE long count() const { return (rows.B - first + stride - 1) / stride; }
  INLINE long row(long j) const {
    long index = first + j * stride;
    return rows.order ? rows.order[index] : index;
  }
  /** How many of the first `active` rows have more than `s` steps. */
  INLINE long active(long s, long active) const {
    while (active > 0 && rows.length(row(active - 1)) <= s) active--;
    return active;
  }
};

// `Number` is double where a size need not fit into memory yet.
template <class Number>
INLINE Number vectorsOf(Number n) {
  return (Number)(((int64_t)n + W - 1) / W);
}
template <class Number>
INLINE Number panelsOf(Number columns) {
  return (Number)(((int64_t)columns + tileColumns - 1) / tileColumns);
}

/**
 * Where the parts of packed weights begin: what the forward pass reads, and, only where a backward
 * pass may follow, the transposed recurrent kernel [width, units] in panels of tileColumns units,
 * and the transposed kernel [width, inputs] in panels of tileColumns features, if x has a gradient.
 */
template <class Number>
struct Layout {
  Number forward, width, inputs, units;

  INLINE Number recurrent() const { return forward; }
  INLINE Number input() const { return forward + width * vectorsOf(units) * W; }
  INLINE Number size(int backward) const {
    if (!backward) return forward;
    return backward == 1 ? input() : input() + width * vectorsOf(inputs) * W;
  }
};

/**
 * Whether an array of so many floats is more than 4 MB, what a core's share of the caches may keep.
 */
INLINE bool isFar(double floats) { return floats > 1 << 20; }

/** Threads for the steps of B rows: rows are independent through time. */
INLINE long sharesFor(long B, double operations) {
  long n = threadsFor(operations);
  return n < B ? n : (B > 0 ? B : 1);
}

/**
 * On how many threads units are split, which then wait for each other after each step: 1 unless
 * rows fill no tile and reading the weights of a step takes longer than meeting (256 kB: 2 µs).
 */
INLINE int threadsForColumns(const Rows& rows, double weights) {
  int n = weights >= 1 << 16 ? threadsFor(weights * rows.B * rows.T) : 1;
  return 3 * rows.B < 2 * gateRows * n ? n : 1;
}

/** Calls body(first, end) for parts of `count` blocks of columns, one for each of n threads. */
template <class Body>
INLINE void forColumns(int n, long count, Body body) {
  long parts = n < count ? n : count;
  runOn(n, parts, [&](long part) { body(cut(count, part, parts), cut(count, part + 1, parts)); });
}

/**
 * All steps of all rows: run(share, some) once for each share, where some(body) calls body(first,
 * end) for all of `blocks` blocks of columns. Threads take rows and run whole sequences without
 * waiting for each other. Few rows with large weights are bound by reading the weights: there each
 * thread reads its part of them, the columns, and they wait for each other after each step.
 */
template <class Run>
INLINE void forShares(const Rows& rows, long blocks, double weights, Run run) {
  int columns = threadsForColumns(rows, weights);
  double operations = weights * rows.B * rows.T / 8;
  long shares = columns > 1 ? 1 : sharesFor(rows.B, operations);
  parallel(shares, operations, [&](long share) {
    run(Share{rows, share, shares}, [&](auto body) LANES { forColumns(columns, blocks, body); });
  });
}

/** What a cell does at a step of the forward pass: see `LstmForward`. */
struct ForwardCell {
  void* cell;
  /** Step s of the first `active` rows of a share, for blocks of columns. */
  void (*step)(void* cell, const Share& share, long s, long active, long from, long end);
};

template <class Cell>
INLINE ForwardCell forwardCell(Cell& cell) {
  return {&cell, [](void* cell, const Share& share, long s, long active, long from, long end) {
            ((Cell*)cell)->step(share, s, active, from, end);
          }};
}

/**
 * The forward pass of a cell, which writes h; `weights` are read in each step. One copy for all
 * cells, as a step is long.
 */
NOINLINE void forwardSteps(const Rows& rows, long U, long blocks, double weights, const float* h,
                           const float* h0, float* hLast, ForwardCell cell) {
  forShares(rows, blocks, weights, [&](const Share& share, auto some) LANES {
    long active = share.active(0, share.count());
    for (long s = 0; active > 0; active = share.active(++s, active)) {
      some([&](long from, long end) { cell.step(cell.cell, share, s, active, from, end); });
    }
    for (long j = 0; j < share.count(); j++) {
      long row = share.row(j), length = rows.length(row);
      const float* last = length > 0 ? h + rows.position(row, length - 1) * U
                          : h0       ? h0 + row * U
                                     : nullptr;
      for (long u = 0; u < U; u++) hLast[row * U + u] = last ? last[u] : 0.0f;
    }
  });
}

/**
 * Packs the transposed kernels in panels, as `Layout` says. The transposed kernel begins with
 * column `first` of the kernel.
 */
INLINE void packBackward(const float* kernel, const float* recurrentKernel,
                         const Layout<long>& layout, long first, int backward, float* packed) {
  auto pack = [&](const float* weights, long columns, long begin, float* to) NOT_INLINE {
    long width = layout.width, head = begin > 0 ? width - begin : 0;
    parallel(panelsOf(columns), (double)columns * width, [&](long panel) {
      long at = panel * tileColumns, rest = columns - at;
      long count = rest < tileColumns ? rest : tileColumns;
      float* out = to + at * width;
      if (head) packPanel(weights + begin, width, true, at, count, head, out);
      out += head * vectorsFor(count) * W;
      packPanel(weights, width, true, at, count, width - head, out);
    });
  };
  if (backward) pack(recurrentKernel, layout.units, 0, packed + layout.recurrent());
  if (backward == 2) pack(kernel, layout.inputs, first, packed + layout.input());
}

}  // namespace
