// Backpropagation through time for the LSTM. With δ = ∂L/∂, and dz the gradient of a gate's sum:
//   dh   = dh_t + dz_{t+1}·Rᵀ                      dc = dc_{t+1} ⊙ f_{t+1} + dh ⊙ o (1 - tanh²c)
//   dz_i = dc ⊙ g ⊙ i (1 - i)      from (1), (5)   dz_f = dc ⊙ c_{t-1} ⊙ f (1 - f)  from (2), (5)
//   dz_g = dc ⊙ i ⊙ (1 - g²)       from (3), (5)   dz_o = dh ⊙ tanh(c) ⊙ o (1 - o)  from (4), (6)
//
// Faster than doing everything step by step because only dz_{t+1}·Rᵀ has to run through time; the
// gradients of x and of the weights are then one large product each, over all processed steps.
#pragma once
#include "lstm_pack.h"
#include "math.h"

namespace {

struct Backward {
  const Rows& rows;
  long U;
  const float *packed, *h0, *c0, *c;
  float* gates;
  const float* dh;
  float *dhState, *dcState;
  bool far;  // more is read and written than stays in the cache

  /** dz of step s over the gates, for `columns` units from `unit`; `sums` holds dz_{t+1}·Rᵀ. */
  INLINE void finish(long row, long s, long unit, long columns, const float* sums) {
    long at = rows.position(row, s);
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

  /** What `finish` will read and write. */
  INLINE void needs(long row, long s, long unit, long columns, Ahead& ahead) {
    long at = rows.position(row, s);
    for (int gate = 0; gate < 4; gate++) ahead.add(gates + (at * 4 + gate) * U + unit, columns);
    ahead.add(c + at * U + unit, columns);
    if (s > 0) ahead.add(c + rows.position(row, s - 1) * U + unit, columns);
    if (dh) ahead.add(dh + at * U + unit, columns);
  }

  /** dz_s·Rᵀ for the first `count` rows of a share and for the units from..end, a panel at a time. */
  template <class Finish>
  INLINE void recurrent(const Share& share, long count, long s, long from, long end,
                        Finish finishRow) {
    for (long unit = from; unit < end; unit += tileColumns) {
      long columns = U - unit < tileColumns ? U - unit : tileColumns;
      int vectors = vectorsFor(columns);
      panelProduct(
          count, [&](long j) { return gates + rows.position(share.row(j), s) * 4 * U; }, 1,
          packed + unit * 4 * U, vectors * W, vectors, 4 * U,
          [&](long j, const float* sums) { finishRow(share.row(j), unit, columns, sums); },
          [&](long j, Ahead& ahead) {
            if (far && s > 0) needs(share.row(j), s - 1, unit, columns, ahead);
          });
    }
  }

  /** Step s of a share: its first `next` rows have a step s + 1, the others up to `active` end here. */
  INLINE void step(const Share& share, long s, long next, long active, long from, long end) {
    recurrent(share, next, s + 1, from, end,
              [&](long row, long unit, long columns, const float* sums) {
                finish(row, s, unit, columns, sums);
              });
    for (long j = next; j < active; j++) {
      long row = share.row(j);
      finish(row, s, from, end - from, dhState + row * U + from);
    }
  }

  /** The gradient of h_0, where there is one, for the `count` rows that have steps. */
  INLINE void begin(const Share& share, long count, long from, long end) {
    recurrent(share, count, 0, from, end,
              [&](long row, long unit, long columns, const float* sums) {
                putRow(dhState + row * U + unit, sums, columns, false);
              });
  }

  /** All steps of a share, from the last; `some(body)` calls body(from, end) for all units. */
  template <class Some>
  INLINE void runWith(const Share& share, Some some) {
    long count = share.count(), longest = count > 0 ? rows.length(share.row(0)) : 0;
    long next = 0;
    for (long s = longest - 1; s >= 0; s--) {
      long active = next;
      while (active < count && rows.length(share.row(active)) > s) active++;
      some([&](long from, long end) { step(share, s, next, active, from, end); });
      next = active;
    }
    if (h0) some([&](long from, long end) { begin(share, next, from, end); });
  }

  void run(const Share& share) {
    runWith(share, [&](auto body) { body(0, U); });
  }

  /** The same, with the threads side by side in each step. */
  void runColumns(int threads) {
    long panels = (U + tileColumns - 1) / tileColumns;
    runWith(Share{rows, 0, 1}, [&](auto body) {
      forColumns(threads, panels, [&](long first, long end) {
        body(first * tileColumns, end < panels ? end * tileColumns : U);
      });
    });
  }
};

/** dx[at[p],:] += dz[at[p],:]·Wᵀ, over the processed steps. */
INLINE void inputGradient(const float* weights, const float* dz, const int32_t* at, long count,
                          long I, long U, float* dx, bool add) {
  long G = 4 * U, blocks = (count + chunkRows - 1) / chunkRows;
  parallel(blocks, (double)count * I * U / 2, [&](long task) {
    long first = task * chunkRows, rest = count - first, size = rest < chunkRows ? rest : chunkRows;
    for (long k0 = 0; k0 < G; k0 += blockK) {
      long depth = G - k0 < blockK ? G - k0 : blockK;
      for (long feature = 0; feature < I; feature += tileColumns) {
        long columns = I - feature < tileColumns ? I - feature : tileColumns;
        int vectors = vectorsFor(columns);
        panelProduct(
            size, [&](long r) { return dz + at[first + r] * G + k0; }, 1,
            weights + feature * G + k0 * vectors * W, vectors * W, vectors, depth,
            [&](long r, const float* sums) {
              putRow(dx + at[first + r] * I + feature, sums, columns, add || k0 > 0);
            });
      }
    }
  });
}

/**
 * The gradients of the weights: [x, h_{t-1}]ᵀ·dz over the processed steps p, in blocks of blockK
 * steps. Threads take columns of dz, so the order of every sum is the order of p.
 */
struct WeightGradient {
  /** Steps from asking for a part of a row to reading it: rows lie too far apart to be foreseen. */
  static constexpr long soon = 16;
  const float *x, *h, *h0, *dz;
  const int32_t *at, *before;  // positions of step p and of the one before it; ~row where h0 is
  long count, starts, I, U;    // the first `starts` steps are those that h0 comes before
  float *dKernel, *dRecurrentKernel, *dBias, *packed;
  int32_t adds;  // as in lstmBackward

  /** `columns` columns from `first` of all weights, summed over p from `start`. */
  INLINE void block(long start, long depth, long first, long end) {
    long G = 4 * U;
    for (long j = first; j < end; j += tileColumns) {
      long columns = end - j < tileColumns ? end - j : tileColumns, width = vectorsFor(columns) * W;
      float* panel = packed + j * blockK;
      V bias[tileVectors] = {};
      auto copy = [&](int vectors, auto loadVector) LANES {
        for (long p = 0; p < depth; p++) {
          const float* from = dz + at[start + p] * G + j;
          if (p + soon < depth) expect(dz + at[start + p + soon] * G + j, columns);
          UNROLL
          for (int v = 0; v < vectors; v++) {
            V value = loadVector(from, v);
            bias[v] += value;
            store(panel + p * width + v * W, value);
          }
        }
      };
      if (columns == tileColumns) {
        copy(tileVectors, [](const float* from, int v) LANES { return load(from + v * W); });
      } else {
        copy((int)(width / W), [&](const float* from, int v) LANES {
          long rest = columns - v * W;
          return load(from + v * W, rest < W ? (int)rest : W);
        });
      }
      if (dBias) putRow(dBias + j, (const float*)bias, columns, (adds & 8) || start > 0);
    }
    if (dKernel) {
      product(start, 0, depth, first, end, I, dKernel, (adds & 2) || start > 0,
              [&](long p) { return x + at[p] * I; });
    }
    // Steps that follow zeros add nothing to the gradient of the recurrent weights.
    long zeros = h0 ? 0 : starts, skipped = zeros > start ? zeros - start : 0;
    if (dRecurrentKernel && skipped < depth) {
      product(start, skipped, depth, first, end, U, dRecurrentKernel, (adds & 4) || start > zeros,
              [&](long p) { return before[p] < 0 ? h0 + ~before[p] * U : h + before[p] * U; });
    }
  }

  /** The steps start + skipped .. start + depth of a block, whose dz is packed, times rowOf(step). */
  template <class RowOf>
  INLINE void product(long start, long skipped, long depth, long first, long end, long rows,
                      float* out, bool add, RowOf rowOf) {
    alignas(64) float chunk[blockK * chunkRows];
    for (long r0 = 0; r0 < rows; r0 += chunkRows) {
      long size = rows - r0 < chunkRows ? rows - r0 : chunkRows;
      for (long p = skipped; p < depth; p++) {
        const float* from = rowOf(start + p) + r0;
        if (p + soon < depth) expect(rowOf(start + p + soon) + r0, size);
        float* to = chunk + (p - skipped) * chunkRows;
        copyRow(to, from, size);
      }
      for (long j = first; j < end; j += tileColumns) {
        long columns = end - j < tileColumns ? end - j : tileColumns;
        int vectors = vectorsFor(columns);
        panelProduct(
            size,
            [&](long r) {
              // Weights of more than 4 MB are not in the cache when their turn comes.
              if ((I + U) * 4 * U > 1 << 20) expect(out + (r0 + r) * 4 * U + j, columns);
              return chunk + r;
            },
            chunkRows, packed + j * blockK + skipped * vectors * W, vectors * W, vectors,
            depth - skipped, [&](long r, const float* sums) {
              putRow(out + (r0 + r) * 4 * U + j, sums, columns, add);
            });
      }
    }
  }

  void run() {
    long panels = (4 * U + tileColumns - 1) / tileColumns;
    double operations = (double)count * (I + U) * U / 2;
    long tasks = threadsFor(operations);
    if (tasks > panels) tasks = panels;
    parallel(tasks, operations, [&](long task) {
      long first = cut(panels, task, tasks) * tileColumns;
      long end = cut(panels, task + 1, tasks) * tileColumns;
      if (end > 4 * U) end = 4 * U;
      for (long start = 0; start < count; start += blockK) {
        block(start, count - start < blockK ? count - start : blockK, first, end);
      }
    });
  }
};

/** Lists the processed steps: the first of every row, whose number is `starts`, then row by row. */
INLINE long listSteps(const Rows& rows, int32_t* at, int32_t* before, long& starts) {
  long count = 0;
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
  return count;
}

}  // namespace

/** Two lists of steps, and one block of dz packed in panels. */
double lstmScratchSize(int32_t b, int32_t t, int32_t /* inputs */, int32_t units) {
  int64_t panels = ((int64_t)4 * units + tileColumns - 1) / tileColumns;
  return (double)(panels * tileColumns * blockK) + 2.0 * b * t;
}

void lstmBackward(const float* x, const float* packed, const float* h0, const float* c0,
                  const int32_t* steps, const int32_t* lengths, const int32_t* order,
                  const float* h, const float* c, float* gates, const float* dh, float* dhState,
                  float* dcState, float* dx, float* dKernel, float* dRecurrentKernel, float* dBias,
                  float* scratch, int32_t b, int32_t t, int32_t inputs, int32_t units,
                  int32_t reverse, int32_t adds) {
  Rows rows{steps, lengths, order, b, t, reverse != 0};
  long I = inputs, U = units;
  Packed layout{I, U};
  double operations = (double)b * t * U * U / 2;
  Backward pass{rows, U,  packed + layout.recurrent(), h0, c0, c, gates, dh, dhState, dcState,
                isFar(b, t, units)};
  int columns = threadsForColumns(b, t, units, units);
  if (columns > 1) {
    pass.runColumns(columns);
  } else {
    long shares = sharesFor(b, operations);
    parallel(shares, operations, [&](long share) { pass.run(Share{rows, share, shares}); });
  }

  long panels = (4 * U + tileColumns - 1) / tileColumns;
  int32_t* at = (int32_t*)(scratch + panels * tileColumns * blockK);
  int32_t* before = at + (long)b * t;
  long starts, count = listSteps(rows, at, before, starts);
  // What no step reaches stays as the caller left it, or becomes zero.
  auto clear = [](float* out, long n) {
    forElements(n, 1, [&](long i, int lanes) LANES { store(out + i, V{}, lanes); });
  };
  if (dx && !(adds & 1) && count < (long)b * t) clear(dx, (long)b * t * I);
  if (count == 0) {
    if (dKernel && !(adds & 2)) clear(dKernel, I * 4 * U);
    if (dBias && !(adds & 8)) clear(dBias, 4 * U);
  }
  if (count == (h0 ? 0 : starts) && dRecurrentKernel && !(adds & 4)) {
    clear(dRecurrentKernel, U * 4 * U);
  }
  if (dx) inputGradient(packed + layout.input(), gates, at, count, I, U, dx, adds & 1);
  if (dKernel || dRecurrentKernel || dBias) {
    WeightGradient{x, h, h0,      gates,            at,    before,  count, starts,
                   I, U, dKernel, dRecurrentKernel, dBias, scratch, adds}
        .run();
  }
}
