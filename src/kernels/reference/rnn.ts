/** The simple RNN, step by step, h_t = f(x_t·W + h_{t-1}·R + b), and its backward pass. */
import type { Kernels } from '../kernels.ts'
import { addTo, clearUnlessAdded, packPlain, positionOf } from './rows.ts'

export const rnnKernels: Pick<
  Kernels,
  'rnnPackSize' | 'rnnPack' | 'rnnScratchSize' | 'rnnForward' | 'rnnBackward'
> = {
  rnnPackSize: (inputs, units) => (inputs + units + 1) * units,

  rnnPack: packPlain,

  rnnScratchSize: () => 0,

  rnnForward(x, packed, h0, steps, lengths, _order, h, hLast, b, t, inputs, units, reverse, relu) {
    const recurrentAt = inputs * units
    const biasAt = recurrentAt + units * units
    const sums = new Float64Array(units)
    for (let row = 0; row < b; row++) {
      // hLast holds the running state h_{t-1}.
      const state = row * units
      for (let u = 0; u < units; u++) hLast[state + u] = h0 ? h0[state + u] : 0
      const length = lengths ? lengths[row] : t
      for (let s = 0; s < length; s++) {
        const at = positionOf(row, s, steps, lengths, t, reverse)
        for (let j = 0; j < units; j++) {
          sums[j] = packed[biasAt + j]
          for (let i = 0; i < inputs; i++) sums[j] += x[at * inputs + i] * packed[i * units + j]
          for (let u = 0; u < units; u++) {
            sums[j] += hLast[state + u] * packed[recurrentAt + u * units + j]
          }
        }
        for (let u = 0; u < units; u++) {
          hLast[state + u] = relu ? Math.max(sums[u], 0) : Math.tanh(sums[u])
          h[at * units + u] = hLast[state + u]
        }
      }
    }
  },

  rnnBackward(
    x,
    packed,
    h0,
    steps,
    lengths,
    _order,
    h,
    dz,
    dh,
    dhState,
    dx,
    dKernel,
    dRecurrentKernel,
    dBias,
    _scratch,
    b,
    t,
    inputs,
    units,
    reverse,
    relu,
    adds,
  ) {
    clearUnlessAdded([dx, dKernel, dRecurrentKernel, dBias], adds)
    const recurrentAt = inputs * units
    const kernelSum = new Float64Array(inputs * units)
    const recurrentSum = new Float64Array(units * units)
    const biasSum = new Float64Array(units)
    const d = new Float64Array(units)
    for (let row = 0; row < b; row++) {
      const state = row * units
      // The gradient of h_t that comes from later steps.
      const dhNext = Float64Array.from(dhState.subarray(state, state + units))
      const length = lengths ? lengths[row] : t
      for (let s = length - 1; s >= 0; s--) {
        const at = positionOf(row, s, steps, lengths, t, reverse)
        const before = s > 0 ? positionOf(row, s - 1, steps, lengths, t, reverse) : -1
        for (let u = 0; u < units; u++) {
          const hidden = h[at * units + u]
          const slope = relu ? Number(hidden > 0) : 1 - hidden * hidden
          d[u] = (dhNext[u] + (dh ? dh[at * units + u] : 0)) * slope
          dz[at * units + u] = d[u]
          biasSum[u] += d[u]
        }
        for (let i = 0; i < inputs; i++) {
          let sum = 0
          for (let j = 0; j < units; j++) {
            sum += packed[i * units + j] * d[j]
            kernelSum[i * units + j] += x[at * inputs + i] * d[j]
          }
          if (dx) dx[at * inputs + i] += sum
        }
        for (let u = 0; u < units; u++) {
          const hBefore = s > 0 ? h[before * units + u] : h0 ? h0[state + u] : 0
          let sum = 0
          for (let j = 0; j < units; j++) {
            sum += packed[recurrentAt + u * units + j] * d[j]
            recurrentSum[u * units + j] += hBefore * d[j]
          }
          dhNext[u] = sum
        }
      }
      dhState.set(dhNext, state)
    }
    addTo(dKernel, kernelSum)
    addTo(dRecurrentKernel, recurrentSum)
    addTo(dBias, biasSum)
  },
}
