// The GRU whose reset gate acts after the product; equations (1)-(4) of src/kernels/kernels.ts. The
// four sums of a unit are those of ĥ that x gives, z, r, and q, those of ĥ that h gives; x goes
// into the first three, h into the last three, so both products read three columns that stand side
// by side. The gates are kept in this order, and dz with them:
//   dĥ   = dh ⊙ (1 - z) ⊙ (1 - ĥ²)            dz_z = dh ⊙ (h_{t-1} - ĥ) ⊙ z (1 - z)
//   dz_r = dĥ ⊙ q ⊙ r (1 - r)                 dq = dĥ ⊙ r
//   dh_{t-1} = dh ⊙ z + [dz_z, dz_r, dq]·Rᵀ    dx = [dĥ, dz_z, dz_r]·Wᵀ
#pragma once
#include "gated_forward.h"
#include "recurrent_backward.h"

namespace {

struct GruForward {
  static constexpr int columns = 3;

  INLINE void needs(long) {}

  /** (1)-(4) for R rows; z becomes ĥ, z, r, q. */
  template <int R>
  INLINE void finish(V (*z)[4], V* hidden, const long*, const long*, const float* const* previous,
                     long, long unit, int lanes) {
    UNROLL
    for (int r = 0; r < R; r++) z[r][2] = sigmoid(z[r][2]);
    UNROLL
    for (int r = 0; r < R; r++) z[r][0] = hyperbolicTangent(fma(z[r][2], z[r][3], z[r][0]));
    UNROLL
    for (int r = 0; r < R; r++) z[r][1] = sigmoid(z[r][1]);
    UNROLL
    for (int r = 0; r < R; r++) {
      V before = previous ? load(previous[r] + unit, lanes) : V{};
      hidden[r] = fma(z[r][1], before - z[r][0], z[r][0]);
    }
  }
};

struct GruBackward {
  const Rows& rows;
  long U;
  const float *h0, *h;
  float* gates;
  const float* dh;
  float* dhState;

  INLINE void finish(long row, long s, long unit, long columns, const float* sums) const {
    long at = rows.position(row, s);
    const float* before = s > 0 ? h + rows.position(row, s - 1) * U + unit
                          : h0  ? h0 + row * U + unit
                                : nullptr;
    const float* dOut = dh ? dh + at * U + unit : nullptr;
    float *gate = gates + at * 4 * U + unit, *carried = dhState + row * U + unit;
    forVectors(0, columns, [&](long j, int lanes) LANES {
      V candidate = load(gate + j, lanes), z = load(gate + U + j, lanes);
      V r = load(gate + 2 * U + j, lanes), q = load(gate + 3 * U + j, lanes);
      V dHidden = load(carried + j, lanes), previous = before ? load(before + j, lanes) : V{};
      if (sums) dHidden += load(sums + j, lanes);
      if (dOut) dHidden += load(dOut + j, lanes);
      V dCandidate = dHidden * (1.0f - z) * (1.0f - candidate * candidate);
      store(gate + j, dCandidate, lanes);
      store(gate + U + j, dHidden * (previous - candidate) * (z * (1.0f - z)), lanes);
      store(gate + 2 * U + j, dCandidate * q * (r * (1.0f - r)), lanes);
      store(gate + 3 * U + j, dCandidate * r, lanes);
      store(carried + j, dHidden * z, lanes);
    });
  }

  INLINE void needs(long row, long s, long unit, long columns, Ahead& ahead) const {
    long at = rows.position(row, s);
    for (int gate = 0; gate < 4; gate++) ahead.add(gates + (at * 4 + gate) * U + unit, columns);
    if (s > 0) ahead.add(h + rows.position(row, s - 1) * U + unit, columns);
    if (dh) ahead.add(dh + at * U + unit, columns);
  }
};

}  // namespace

double gruPackSize(int32_t inputs, int32_t units, int32_t backward) {
  return gatedLayout<double>(inputs, units, 3).size(backward);
}

void gruPack(const float* kernel, const float* recurrentKernel, const float* bias, float* packed,
             int32_t inputs, int32_t units, int32_t backward) {
  long U = units;
  packGates(kernel, recurrentKernel, inputs, U, 3, {2, 0, 1, 0},
            [&](int sum, long first, int count) {
              auto ofX = [&](int gate) { return load(bias + gate * U + first, count); };
              auto ofH = [&](int gate) { return load(bias + (3 + gate) * U + first, count); };
              if (!bias) return V{};
              return sum == 0 ? ofX(2) : sum == 3 ? ofH(2) : ofX(sum - 1) + ofH(sum - 1);
            },
            packed);
  packBackward(kernel, recurrentKernel, gatedLayout<long>(inputs, U, 3), 2 * U, backward, packed);
}

double gruScratchSize(int32_t b, int32_t t, int32_t /* inputs */, int32_t units) {
  return scratchFor(b, t, 2 * panelsOf((double)units) + panelsOf(2.0 * units));
}

void gruForward(const float* x, const float* packed, const float* h0, const int32_t* steps,
                const int32_t* lengths, const int32_t* order, float* h, float* gates, float* hLast,
                int32_t b, int32_t t, int32_t inputs, int32_t units, int32_t reverse) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  bool far = isFar(4.0 * b * t * units);
  GatedForward<GruForward>{rows, inputs, units, x, packed, h0, h, gates, far, {}}.run(hLast);
}

void gruBackward(const float* x, const float* packed, const float* h0, const int32_t* steps,
                 const int32_t* lengths, const int32_t* order, const float* h, float* gates,
                 const float* dh, float* dhState, float* dx, float* dKernel,
                 float* dRecurrentKernel, float* dBias, float* scratch, int32_t b, int32_t t, int32_t inputs, int32_t units,
                 int32_t reverse, int32_t adds) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  long I = inputs, U = units;
  Layout<long> layout = gatedLayout(I, U, 3);
  GruBackward cell{rows, U, h0, h, gates, dh, dhState};
  BackwardSteps{rows, U, 3 * U, 4 * U, gates + U, packed + layout.recurrent(), h0, dhState,
                true, isFar(4.0 * b * t * units), backwardCell(cell)}
      .run();
  Columns columns{4 * U, 3 * U, true, 3,
                  {{0, U, 2 * U, -1}, {U, 2 * U, 0, 0}, {3 * U, U, -1, 2 * U}}};
  Gradients{x, h, h0, gates, packed + layout.input(), dx, dKernel, dRecurrentKernel, dBias, scratch,
            adds, I, U, columns}
      .run(rows);
}
