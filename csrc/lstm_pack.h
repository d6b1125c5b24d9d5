// How the LSTM's weights lie in `packed`, and where the steps of a row stand.
//
//   forward   for each block of W units: bias [4W], kernel [I][4W], recurrent kernel [U][4W], with
//             the gates i, f, g, o of the same W units side by side, zeros past the last unit;
// and, only where a backward pass may follow,
//
//   recurrent the transposed recurrent kernel [4U, U], in panels of tileColumns units;
//   input     the transposed kernel [4U, I], in panels of tileColumns features, if x has a gradient.
#pragma once
#include "matmul.h"

namespace {

/** Where the parts begin; `Number` is double where a size need not fit into memory yet. */
template <class Number>
struct Layout {
  Number inputs, units;

  INLINE static Number vectors(Number n) { return (Number)(((int64_t)n + W - 1) / W); }
  INLINE Number blocks() const { return vectors(units); }
  INLINE Number blockSize() const { return (inputs + units + 1) * 4 * W; }
  INLINE Number recurrent() const { return blocks() * blockSize(); }
  INLINE Number input() const { return recurrent() + 4 * units * vectors(units) * W; }
  INLINE Number size() const { return input() + 4 * units * vectors(inputs) * W; }
};
typedef Layout<long> Packed;

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

/** Whether the gates of all steps are more than 4 MB, what a core's share of the caches may keep. */
INLINE bool isFar(long B, long T, long U) { return (double)B * T * U * 4 > 1 << 20; }

/** Threads for the steps of B rows: rows are independent through time. */
INLINE long sharesFor(long B, double operations) {
  long n = threadsFor(operations);
  return n < B ? n : (B > 0 ? B : 1);
}

/**
 * On how many threads units are split, which then wait for each other after each step: 1 unless rows
 * fill no tile and reading the weights of a step, K for each of 4U gates, takes longer than meeting
 * (256 kB: 2 µs).
 */
INLINE int threadsForColumns(long B, long T, long K, long U) {
  double weights = 4.0 * K * U;
  int n = weights >= 1 << 16 ? threadsFor(weights * B * T) : 1;
  return 3 * B < 2 * gateRows * n ? n : 1;
}

/** Calls body(first, end) for parts of `count` blocks of columns, one for each of n threads. */
template <class Body>
INLINE void forColumns(int n, long count, Body body) {
  long parts = n < count ? n : count;
  runOn(n, parts, [&](long part) { body(cut(count, part, parts), cut(count, part + 1, parts)); });
}

}  // namespace

double lstmPackSize(int32_t inputs, int32_t units, int32_t backward) {
  Layout<double> layout{(double)inputs, (double)units};
  return backward == 2 ? layout.size() : backward ? layout.input() : layout.recurrent();
}

void lstmPack(const float* kernel, const float* recurrentKernel, const float* bias, float* packed,
              int32_t inputs, int32_t units, int32_t backward) {
  Packed layout{inputs, units};
  long I = inputs, U = units, G = 4 * U;
  double work = (double)(I + U) * G;
  parallel(layout.blocks(), work, [&](long block) {
    float* to = packed + block * layout.blockSize();
    long first = block * W;
    int count = (int)(U - first < W ? U - first : W);
    auto packRow = [&](const float* row) {
      for (int gate = 0; gate < 4; gate++, to += W) {
        store(to, row ? load(row + gate * U + first, count) : V{});
      }
    };
    packRow(bias);
    for (long k = 0; k < I; k++) packRow(kernel + k * G);
    for (long k = 0; k < U; k++) packRow(recurrentKernel + k * G);
  });
  if (!backward) return;
  auto packTransposed = [&](const float* weights, long columns, float* to) {
    parallel((columns + tileColumns - 1) / tileColumns, work, [&](long panel) {
      long first = panel * tileColumns, rest = columns - first;
      packPanel(weights, G, true, first, rest < tileColumns ? rest : tileColumns, G,
                to + first * G);
    });
  };
  packTransposed(recurrentKernel, U, packed + layout.recurrent());
  if (backward == 2) packTransposed(kernel, I, packed + layout.input());
}
