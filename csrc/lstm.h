// The LSTM; equations (1)-(6) of src/kernels/kernels.ts. With δ = ∂L/∂, and dz the gradient of a
// gate's sum:
//   dh   = dh_t + dz_{t+1}·Rᵀ                      dc = dc_{t+1} ⊙ f_{t+1} + dh ⊙ o (1 - tanh²c)
//   dz_i = dc ⊙ g ⊙ i (1 - i)      from (1), (5)   dz_f = dc ⊙ c_{t-1} ⊙ f (1 - f)  from (2), (5)
//   dz_g = dc ⊙ i ⊙ (1 - g²)       from (3), (5)   dz_o = dh ⊙ tanh(c) ⊙ o (1 - o)  from (4), (6)
#pragma once
#include "gated_forward.h"
#include "recurrent_backward.h"

namespace {

struct LstmForward {
  static constexpr int columns = 4;
  float *c, *cLast;  // cLast holds c_{t-1}

  INLINE void needs(long at) {
    if (c) expect(c + at, W);
  }

  /** (1)-(6) for R rows; z becomes i, f, g, o. */
  template <int R>
  INLINE void finish(V (*z)[4], V* hidden, const long* row, const long* at, const float* const*,
                     long U, long unit, int lanes) {
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
    for (int r = 0; r < R; r++) hidden[r] = z[r][3] * cell[r];
  }
};

struct LstmBackward {
  const Rows& rows;
  long U;
  const float *c0, *c;
  float* gates;
  const float* dh;
  float *dhState, *dcState;

  /** dz of step s over the gates, for `columns` units from `unit`. */
  INLINE void finish(long row, long s, long unit, long columns, const float* sums) const {
    long at = rows.position(row, s);
    if (!sums) sums = dhState + row * U + unit;
    const float* cell = c + at * U + unit;
    const float* before = s > 0 ? c + rows.position(row, s - 1) * U + unit
                          : c0  ? c0 + row * U + unit
                                : nullptr;
    const float* dOut = dh ? dh + at * U + unit : nullptr;
    float *gate = gates + at * 4 * U + unit, *dCell = dcState + row * U + unit;
    forVectors(0, columns, [&](long j, int lanes) LANES {
      V i = load(gate + j, lanes), f = load(gate + U + j, lanes);
      V g = load(gate + 2 * U + j, lanes), o = load(gate + 3 * U + j, lanes);
      V dHidden = load(sums + j, lanes), tanh = hyperbolicTangent(load(cell + j, lanes));
      if (dOut) dHidden += load(dOut + j, lanes);
      V dc = fma(dHidden * o, 1.0f - tanh * tanh, load(dCell + j, lanes));
      V previous = before ? load(before + j, lanes) : V{};
      store(gate + j, dc * g * (i * (1.0f - i)), lanes);
      store(gate + U + j, dc * previous * (f * (1.0f - f)), lanes);
      store(gate + 2 * U + j, dc * i * (1.0f - g * g), lanes);
      store(gate + 3 * U + j, dHidden * tanh * (o * (1.0f - o)), lanes);
      store(dCell + j, dc * f, lanes);
    });
  }

  INLINE void needs(long row, long s, long unit, long columns, Ahead& ahead) const {
    long at = rows.position(row, s);
    for (int gate = 0; gate < 4; gate++) ahead.add(gates + (at * 4 + gate) * U + unit, columns);
    ahead.add(c + at * U + unit, columns);
    if (s > 0) ahead.add(c + rows.position(row, s - 1) * U + unit, columns);
    if (dh) ahead.add(dh + at * U + unit, columns);
  }
};

}  // namespace

double lstmPackSize(int32_t inputs, int32_t units, int32_t backward) {
  return gatedLayout<double>(inputs, units, 4).size(backward);
}

void lstmPack(const float* kernel, const float* recurrentKernel, const float* bias, float* packed,
              int32_t inputs, int32_t units, int32_t backward) {
  long U = units;
  packGates(kernel, recurrentKernel, inputs, U, 4, {0, 1, 2, 3},
            [&](int gate, long first, int count) {
              return bias ? load(bias + gate * U + first, count) : V{};
            },
            packed);
  packBackward(kernel, recurrentKernel, gatedLayout<long>(inputs, U, 4), 0, backward, packed);
}

double lstmScratchSize(int32_t b, int32_t t, int32_t /* inputs */, int32_t units) {
  return scratchFor(b, t, panelsOf(4.0 * units));
}

void lstmForward(const float* x, const float* packed, const float* h0, const float* c0,
                 const int32_t* steps, const int32_t* lengths, const int32_t* order, float* h,
                 float* c, float* gates, float* hLast, float* cLast, float* /* scratch */,
                 int32_t b, int32_t t, int32_t inputs, int32_t units, int32_t reverse) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  long states = (long)b * units;
  // cLast begins as c_0.
  forElements(states, 1, [&](long i, int lanes) LANES {
    store(cLast + i, c0 ? load(c0 + i, lanes) : V{}, lanes);
  });
  bool far = isFar(4.0 * b * t * units);
  GatedForward<LstmForward>{rows, inputs, units, x, packed, h0, h, gates, far, {c, cLast}}
      .run(hLast);
}

void lstmBackward(const float* x, const float* packed, const float* h0, const float* c0,
                  const int32_t* steps, const int32_t* lengths, const int32_t* order,
                  const float* h, const float* c, float* gates, const float* dh, float* dhState,
                  float* dcState, float* dx, float* dKernel, float* dRecurrentKernel, float* dBias,
                  float* scratch, int32_t b, int32_t t, int32_t inputs, int32_t units,
                  int32_t reverse, int32_t adds) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  long I = inputs, U = units, G = 4 * U;
  Layout<long> layout = gatedLayout(I, U, 4);
  LstmBackward cell{rows, U, c0, c, gates, dh, dhState, dcState};
  BackwardSteps{rows,  U,     G, G, gates, packed + layout.recurrent(), h0, dhState,
                false, isFar(4.0 * b * t * units), backwardCell(cell)}
      .run();
  Gradients{x, h, h0, gates, packed + layout.input(), dx, dKernel, dRecurrentKernel, dBias, scratch,
            adds, I, U, Columns{G, G, false, 1, {{0, G, 0, 0}}}}
      .run(rows);
}
