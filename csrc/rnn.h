// The simple recurrent network: h_t = f(x_t·W + h_{t-1}·R + b), f = tanh or relu. With dz the
// gradient of the sum: dz_t = (dh_t + dz_{t+1}·Rᵀ) ⊙ f', where f' follows from h.
//
// Packed: bias, kernel and recurrent kernel in panels of tileColumns units; `Layout` has the rest.
#pragma once
#include "recurrent_backward.h"

namespace {

template <class Number>
INLINE Layout<Number> rnnLayout(Number inputs, Number units) {
  return {(inputs + units + 1) * vectorsOf(units) * W, units, inputs, units};
}

struct RnnForward {
  const Rows& rows;
  long I, U;
  const float *x, *packed, *h0;
  float* h;
  bool relu;

  /** Step s of the first `active` rows of a share, for the units of some panels. */
  void step(const Share& share, long s, long active, long from, long end) {
    const float *kernel = packed + vectorsOf(U) * W, *recurrent = kernel + I * vectorsOf(U) * W;
    alignas(64) float ofX[tileRows * tileColumns], ofH[tileRows * tileColumns];
    for (long panel = from; panel < end; panel++) {
      long unit = panel * tileColumns, columns = U - unit < tileColumns ? U - unit : tileColumns;
      int vectors = vectorsFor(columns);
      forTiles<tileRows>(active, [&](long first, int size) {
        const float *input[tileRows], *previous[tileRows];
        float* out[tileRows];
        for (int r = 0; r < size; r++) {
          long row = share.row(first + r), at = rows.position(row, s);
          input[r] = x + at * I;
          previous[r] = s > 0 ? h + rows.position(row, s - 1) * U : h0 + row * U;
          out[r] = h + at * U + unit;
          expect(out[r], columns);
        }
        TileProduct product = tileProducts[size - 1][vectors - 1];
        product(input, 1, kernel + unit * I, vectors * W, I, ofX, nullptr);
        bool recurs = s > 0 || h0;
        if (recurs) product(previous, 1, recurrent + unit * U, vectors * W, U, ofH, nullptr);
        for (int r = 0; r < size; r++) {
          forVectors(0, columns, [&](long j, int lanes) LANES {
            V sum = load(packed + unit + j) + load(ofX + r * vectors * W + j);
            if (recurs) sum += load(ofH + r * vectors * W + j);
            store(out[r] + j, relu ? atLeast(sum, V{}) : hyperbolicTangent(sum), lanes);
          });
        }
      });
    }
  }
};

struct RnnBackward {
  const Rows& rows;
  long U;
  const float* h;
  float* dz;
  const float *dh, *dhState;
  bool relu;

  INLINE void finish(long row, long s, long unit, long columns, const float* sums) const {
    long at = rows.position(row, s) * U + unit;
    if (!sums) sums = dhState + row * U + unit;
    forVectors(0, columns, [&](long j, int lanes) LANES {
      V dHidden = load(sums + j, lanes), hidden = load(h + at + j, lanes);
      if (dh) dHidden += load(dh + at + j, lanes);
      V slope = relu ? (hidden > V{} ? splat(1.0f) : V{}) : 1.0f - hidden * hidden;
      store(dz + at + j, dHidden * slope, lanes);
    });
  }

  INLINE void needs(long row, long s, long unit, long columns, Ahead& ahead) const {
    long at = rows.position(row, s) * U + unit;
    ahead.add(h + at, columns);
    ahead.add(dz + at, columns);
    if (dh) ahead.add(dh + at, columns);
  }
};

}  // namespace

double rnnPackSize(int32_t inputs, int32_t units, int32_t backward) {
  return rnnLayout<double>(inputs, units).size(backward);
}

void rnnPack(const float* kernel, const float* recurrentKernel, const float* bias, float* packed,
             int32_t inputs, int32_t units, int32_t backward) {
  long I = inputs, U = units, width = vectorsOf(U) * W;
  for (long u = 0; u < width; u++) packed[u] = bias && u < U ? bias[u] : 0.0f;
  parallel(panelsOf(U), (double)(I + U) * U, [&](long panel) {
    long unit = panel * tileColumns, columns = U - unit < tileColumns ? U - unit : tileColumns;
    float* to = packed + width;
    packPanel(kernel, U, false, unit, columns, I, to + unit * I);
    packPanel(recurrentKernel, U, false, unit, columns, U, to + I * width + unit * U);
  });
  packBackward(kernel, recurrentKernel, rnnLayout<long>(I, U), 0, backward, packed);
}

double rnnScratchSize(int32_t b, int32_t t, int32_t /* inputs */, int32_t units) {
  return scratchFor(b, t, panelsOf((double)units));
}

void rnnForward(const float* x, const float* packed, const float* h0, const int32_t* steps,
                const int32_t* lengths, const int32_t* order, float* h, float* hLast, int32_t b,
                int32_t t, int32_t inputs, int32_t units, int32_t reverse, int32_t relu) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  long I = inputs, U = units;
  RnnForward pass{rows, I, U, x, packed, h0, h, relu != 0};
  forwardSteps(rows, U, panelsOf(U), (double)U * (I + U), h, h0, hLast, forwardCell(pass));
}

void rnnBackward(const float* x, const float* packed, const float* h0, const int32_t* steps,
                 const int32_t* lengths, const int32_t* order, const float* h, float* dz,
                 const float* dh, float* dhState, float* dx, float* dKernel,
                 float* dRecurrentKernel, float* dBias, float* scratch, int32_t b, int32_t t, int32_t inputs, int32_t units,
                 int32_t reverse, int32_t relu, int32_t adds) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  long I = inputs, U = units;
  Layout<long> layout = rnnLayout(I, U);
  RnnBackward cell{rows, U, h, dz, dh, dhState, relu != 0};
  BackwardSteps{rows,  U,     U, U, dz, packed + layout.recurrent(), h0, dhState,
                false, isFar(3.0 * b * t * units), backwardCell(cell)}
      .run();
  Gradients{x, h, h0, dz, packed + layout.input(), dx, dKernel, dRecurrentKernel, dBias, scratch,
            adds, I, U, Columns{U, U, false, 1, {{0, U, 0, 0}}}}
      .run(rows);
}
