// The LSTM's forward pass, fused; equations (1)-(6) of src/kernels/kernels.ts.
//
// Faster than a product followed by the gate functions because a tile holds the sums of all four
// gates of the same W units: (1)-(6) are applied to registers, and z never goes to memory. x_t·W and
// h_{t-1}·R run into the same sums. Threads take rows and run whole sequences without waiting for
// each other; within a step, a block's weights stay in the cache while all rows of the share pass.
// Few rows with large weights are bound by reading the weights: there each thread reads its part of
// them, the columns, and they wait for each other after each step.
#pragma once
#include "lstm_pack.h"
#include "math.h"

namespace {

struct Forward {
  const Rows& rows;
  long I, U;
  const float *x, *packed, *h0, *c0;
  float *h, *c, *gates, *hLast, *cLast;
  bool far;  // more is written than stays in the cache

  /** Step s of the rows first.. of a share, for the W units from `unit`; cLast holds c_{t-1}. */
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
        if (c) expect(c + at[r] * U + unit, W);
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
    multiplyAdd<R, 4>(z, input, 1, weights, 4 * W, I);
    if (s > 0 || h0) multiplyAdd<R, 4>(z, previous, 1, weights + I * 4 * W, 4 * W, U);

    int lanes = (int)(U - unit < W ? U - unit : W);
    // A few rows in step: each is a long chain of dependent instructions.
    constexpr int together = R < 3 ? R : 3;
    UNROLL
    for (int r = 0; r + together <= R; r += together) {
      finish<together>(z + r, row + r, at + r, unit, lanes);
    }
    UNROLL
    for (int r = R / together * together; r < R; r++) {
      finish<1>(z + r, row + r, at + r, unit, lanes);
    }
  }

  /** (1)-(6) for R rows; z becomes i, f, g, o. */
  template <int R>
  INLINE void finish(V (*z)[4], const long* row, const long* at, long unit, int lanes) {
    V cell[R];
    UNROLL
    for (int r = 0; r < R; r++) z[r][0] = sigmoid(z[r][0]);
    UNROLL
    for (int r = 0; r < R; r++) z[r][2] = hyperbolicTangent(z[r][2]);
    UNROLL
    for (int r = 0; r < R; r++) z[r][1] = sigmoid(z[r][1]);
    UNROLL
    for (int r = 0; r < R; r++) {
      float* state = cLast + row[r] * U + unit;
      cell[r] = fma(z[r][1], load(state, lanes), z[r][0] * z[r][2]);
      store(state, cell[r], lanes);
      if (c) store(c + at[r] * U + unit, cell[r], lanes);
    }
    UNROLL
    for (int r = 0; r < R; r++) cell[r] = hyperbolicTangent(cell[r]);
    UNROLL
    for (int r = 0; r < R; r++) z[r][3] = sigmoid(z[r][3]);
    UNROLL
    for (int r = 0; r < R; r++) {
      store(h + at[r] * U + unit, z[r][3] * cell[r], lanes);
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

  /** Puts c_0 where the first step looks for it. */
  void begin(const Share& share) {
    for (long j = 0; j < share.count(); j++) {
      long at = share.row(j) * U;
      for (long u = 0; u < U; u++) cLast[at + u] = c0 ? c0[at + u] : 0.0f;
    }
  }

  /** Step s of the first `active` rows of a share, for some blocks of W units. */
  INLINE void step(const Share& share, long s, long active, long firstBlock, long endBlock) {
    Packed layout{I, U};
    for (long block = firstBlock; block < endBlock; block++) {
      const float* weights = packed + block * layout.blockSize();
      forTiles<gateRows>(active, [&](long first, int size) {
        dispatch(share, first, size, s, block * W, weights);
      });
    }
  }

  /** Each row's last h. */
  void end(const Share& share) {
    for (long j = 0; j < share.count(); j++) {
      long row = share.row(j), length = rows.length(row);
      const float* last = length > 0 ? h + rows.position(row, length - 1) * U
                          : h0       ? h0 + row * U
                                     : nullptr;
      for (long u = 0; u < U; u++) hLast[row * U + u] = last ? last[u] : 0.0f;
    }
  }

  void run(const Share& share) {
    long blocks = Packed{I, U}.blocks(), active = share.active(0, share.count());
    begin(share);
    for (long s = 0; active > 0; active = share.active(++s, active)) {
      step(share, s, active, 0, blocks);
    }
    end(share);
  }

  /** The same, with the threads side by side in each step. */
  void runColumns(int threads) {
    Share all{rows, 0, 1};
    long blocks = Packed{I, U}.blocks(), active = all.active(0, rows.B);
    begin(all);
    for (long s = 0; active > 0; active = all.active(++s, active)) {
      forColumns(threads, blocks, [&](long first, long end) { step(all, s, active, first, end); });
    }
    end(all);
  }
};

}  // namespace

void lstmForward(const float* x, const float* packed, const float* h0, const float* c0,
                 const int32_t* steps, const int32_t* lengths, const int32_t* order, float* h,
                 float* c, float* gates, float* hLast, float* cLast, float* /* scratch */,
                 int32_t b, int32_t t, int32_t inputs, int32_t units, int32_t reverse) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  Forward pass{rows, inputs, units, x, packed, h0, c0, h, c, gates, hLast, cLast,
               isFar(b, t, units)};
  int columns = threadsForColumns(b, t, inputs + units, units);
  if (columns > 1) return pass.runColumns(columns);
  double operations = (double)b * t * units * (inputs + units) / 2;
  long shares = sharesFor(b, operations);
  parallel(shares, operations, [&](long share) { pass.run(Share{rows, share, shares}); });
}
