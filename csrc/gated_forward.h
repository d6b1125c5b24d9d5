// The forward pass of a cell whose gates are sums of products: LSTM, GRU.
//
// Faster than a product followed by the gate functions because a tile holds four sums of the same W
// units: the cell's functions are applied to registers, and the sums never go to memory. x_t·W and
// h_{t-1}·R run into the same sums as far as the cell allows. Within a step, a block's weights stay
// in the cache while all rows of the share pass.
//
// Packed for each block of W units: the sums' first values [4W], kernel [I][nW], recurrent kernel
// [U][nW], for the n = Cell::columns sums that each of the two goes into, zeros past the last unit.
#pragma once
#include "math.h"
#include "recurrent.h"

namespace {

/** Floats of a block. */
template <class Number>
INLINE Number gatedBlock(Number inputs, Number units, int columns) {
  return ((inputs + units) * columns + 4) * W;
}

template <class Number>
INLINE Layout<Number> gatedLayout(Number inputs, Number units, int columns) {
  Number forward = vectorsOf(units) * gatedBlock(inputs, units, columns);
  return {forward, columns * units, inputs, units};
}

/** A cell's pass; `Cell` has columns and finish<R>, and says what else it writes (see LstmCell). */
template <class Cell>
struct GatedForward {
  const Rows& rows;
  long I, U;
  const float *x, *packed, *h0;
  float *h, *gates;
  bool far;  // more is written than stays in the cache
  Cell cell;

  /** Step s of the rows first.. of a share, for the W units from `unit`. */
  template <int R>
  NOINLINE void tile(const Share& share, long first, long s, long unit, const float* weights) {
    const float *input[R], *previous[R];
    long row[R], at[R];
    for (int r = 0; r < R; r++) {
      row[r] = share.row(first + r);
      at[r] = rows.position(row[r], s);
      input[r] = x + at[r] * I;
      previous[r] = s > 0 ? h + rows.position(row[r], s - 1) * U : h0 + row[r] * U;
    }
    if (far) {
      for (int r = 0; r < R; r++) {
        expect(h + at[r] * U + unit, W);
        cell.needs(at[r] * U + unit);
        for (int gate = 0; gates && gate < 4; gate++) {
          expect(gates + (at[r] * 4 + gate) * U + unit, W);
        }
      }
    }
    V z[R][4];
    UNROLL
    for (int gate = 0; gate < 4; gate++) {
      V bias = load(weights + gate * W);
      UNROLL
      for (int r = 0; r < R; r++) z[r][gate] = bias;
    }
    weights += 4 * W;
    constexpr int N = Cell::columns;
    bool recurs = s > 0 || h0;
    multiplyAdd<R, N, 4, 0>(z, input, 1, weights, N * W, I);
    if (recurs) multiplyAdd<R, N, 4, 4 - N>(z, previous, 1, weights + I * N * W, N * W, U);

    int lanes = (int)(U - unit < W ? U - unit : W);
    // A few rows in step: each is a long chain of dependent instructions.
    constexpr int together = R < 3 ? R : 3;
    UNROLL
    for (int r = 0; r + together <= R; r += together) {
      finish<together>(z + r, row + r, at + r, recurs ? previous + r : nullptr, unit, lanes);
    }
    UNROLL
    for (int r = R / together * together; r < R; r++) {
      finish<1>(z + r, row + r, at + r, recurs ? previous + r : nullptr, unit, lanes);
    }
  }

  template <int R>
  INLINE void finish(V (*z)[4], const long* row, const long* at, const float* const* previous,
                     long unit, int lanes) {
    V hidden[R];
    cell.template finish<R>(z, hidden, row, at, previous, U, unit, lanes);
    UNROLL
    for (int r = 0; r < R; r++) {
      store(h + at[r] * U + unit, hidden[r], lanes);
      if (!gates) continue;
      float* to = gates + at[r] * 4 * U + unit;
      UNROLL
      for (int gate = 0; gate < 4; gate++) store(to + gate * U, z[r][gate], lanes);
    }
  }

  template <int R = gateRows>
  INLINE void dispatch(const Share& share, long first, int size, long s, long unit,
                       const float* weights) {
    if constexpr (R > 1) {
      if (size < R) return dispatch<R - 1>(share, first, size, s, unit, weights);
    }
    tile<R>(share, first, s, unit, weights);
  }

  /** Step s of the first `active` rows of a share, for some blocks of W units. */
  void step(const Share& share, long s, long active, long from, long end) {
    long blockSize = gatedBlock(I, U, Cell::columns);
    for (long block = from; block < end; block++) {
      forTiles<gateRows>(active, [&](long first, int size) LANES {
        dispatch(share, first, size, s, block * W, packed + block * blockSize);
      });
    }
  }

  INLINE void run(float* hLast) {
    double weights = (double)U * (I + U) * Cell::columns;
    forwardSteps(rows, U, vectorsOf(U), weights, h, h0, hLast, forwardCell(*this));
  }
};

/**
 * Packs blocks of W units. `sums` gives the four sums' first values, of units first..; `inputGates` the
 * kernel's gates in the order of x's sums.
 */
template <class Sums>
INLINE void packGates(const float* kernel, const float* recurrentKernel, long I, long U,
                      int columns, const int (&inputGates)[4], Sums sums, float* packed) {
  long G = columns * U;
  parallel(vectorsOf(U), (double)(I + U) * G, [&](long block) {
    float* to = packed + block * gatedBlock(I, U, columns);
    long first = block * W;
    int count = (int)(U - first < W ? U - first : W);
    for (int gate = 0; gate < 4; gate++, to += W) store(to, sums(gate, first, count));
    for (long k = 0; k < I + U; k++) {
      const float* row = (k < I ? kernel + k * G : recurrentKernel + (k - I) * G) + first;
      for (int gate = 0; gate < columns; gate++, to += W) {
        store(to, load(row + (k < I ? inputGates[gate] : gate) * U, count));
      }
    }
  });
}

}  // namespace
