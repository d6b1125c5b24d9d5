/** The LSTM, step by step, by the equations (1) to (6) of `Kernels`, and its backward pass. */
import type { Kernels } from '../kernels.ts'
import { sigmoid } from './activations.ts'
import { addTo, clearUnlessAdded, packPlain, positionOf } from './rows.ts'

export const lstmKernels: Pick<
  Kernels,
  'lstmPackSize' | 'lstmPack' | 'lstmScratchSize' | 'lstmForward' | 'lstmBackward'
> = {
  lstmPackSize: (inputs, units) => (inputs + units + 1) * 4 * units,

  lstmPack: packPlain,

  lstmScratchSize: () => 0,

  lstmForward(
    x,
    packed,
    h0,
    c0,
    steps,
    lengths,
    _order,
    h,
    c,
    gates,
    hLast,
    cLast,
    _scratch,
    b,
    t,
    inputs,
    units,
    reverse,
  ) {
    const width = 4 * units
    const recurrentAt = inputs * width
    const biasAt = recurrentAt + units * width
    const z = new Float64Array(width)
    for (let row = 0; row < b; row++) {
      // hLast and cLast hold the running state h_{t-1}, c_{t-1}.
      const state = row * units
      for (let u = 0; u < units; u++) {
        hLast[state + u] = h0 ? h0[state + u] : 0
        cLast[state + u] = c0 ? c0[state + u] : 0
      }
      const length = lengths ? lengths[row] : t
      for (let s = 0; s < length; s++) {
        const at = positionOf(row, s, steps, lengths, t, reverse)
        for (let j = 0; j < width; j++) {
          let sum = packed[biasAt + j]
          for (let i = 0; i < inputs; i++) sum += x[at * inputs + i] * packed[i * width + j]
          for (let u = 0; u < units; u++) {
            sum += hLast[state + u] * packed[recurrentAt + u * width + j]
          }
          z[j] = sum
        }
        for (let u = 0; u < units; u++) {
          const input = sigmoid(z[u]) // (1)
          const forget = sigmoid(z[units + u]) // (2)
          const candidate = Math.tanh(z[2 * units + u]) // (3)
          const output = sigmoid(z[3 * units + u]) // (4)
          cLast[state + u] = forget * cLast[state + u] + input * candidate // (5)
          hLast[state + u] = output * Math.tanh(cLast[state + u]) // (6)
          h[at * units + u] = hLast[state + u]
          if (c) c[at * units + u] = cLast[state + u]
          if (gates) {
            gates[at * width + u] = input
            gates[at * width + units + u] = forget
            gates[at * width + 2 * units + u] = candidate
            gates[at * width + 3 * units + u] = output
          }
        }
      }
    }
  },

  lstmBackward(
    x,
    packed,
    h0,
    c0,
    steps,
    lengths,
    _order,
    h,
    c,
    gates,
    dh,
    dhState,
    dcState,
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
    adds,
  ) {
    clearUnlessAdded([dx, dKernel, dRecurrentKernel, dBias], adds)
    const width = 4 * units
    const recurrentAt = inputs * width
    // The weights' gradients are sums over all rows and steps; they are rounded once, at the end.
    const kernelSum = new Float64Array(inputs * width)
    const recurrentSum = new Float64Array(units * width)
    const biasSum = new Float64Array(width)
    const dz = new Float64Array(width)
    for (let row = 0; row < b; row++) {
      const state = row * units
      // Gradients of h_t and c_t that come from later steps.
      const dhNext = Float64Array.from(dhState.subarray(state, state + units))
      const dcNext = Float64Array.from(dcState.subarray(state, state + units))
      const length = lengths ? lengths[row] : t
      for (let s = length - 1; s >= 0; s--) {
        const at = positionOf(row, s, steps, lengths, t, reverse)
        const before = s > 0 ? positionOf(row, s - 1, steps, lengths, t, reverse) : -1
        for (let u = 0; u < units; u++) {
          const input = gates[at * width + u]
          const forget = gates[at * width + units + u]
          const candidate = gates[at * width + 2 * units + u]
          const output = gates[at * width + 3 * units + u]
          const cBefore = s > 0 ? c[before * units + u] : c0 ? c0[state + u] : 0
          const tanhC = Math.tanh(c[at * units + u])
          const dhHere = dhNext[u] + (dh ? dh[at * units + u] : 0)
          const dcHere = dcNext[u] + dhHere * output * (1 - tanhC * tanhC) // of (6)
          dz[u] = dcHere * candidate * input * (1 - input) // of (5), (1)
          dz[units + u] = dcHere * cBefore * forget * (1 - forget) // of (5), (2)
          dz[2 * units + u] = dcHere * input * (1 - candidate * candidate) // of (5), (3)
          dz[3 * units + u] = dhHere * tanhC * output * (1 - output) // of (6), (4)
          dcNext[u] = dcHere * forget
        }
        for (let j = 0; j < width; j++) {
          gates[at * width + j] = dz[j]
          biasSum[j] += dz[j]
        }
        for (let i = 0; i < inputs; i++) {
          let sum = 0
          for (let j = 0; j < width; j++) {
            sum += packed[i * width + j] * dz[j]
            kernelSum[i * width + j] += x[at * inputs + i] * dz[j]
          }
          if (dx) dx[at * inputs + i] += sum
        }
        for (let u = 0; u < units; u++) {
          const hBefore = s > 0 ? h[before * units + u] : h0 ? h0[state + u] : 0
          let sum = 0
          for (let j = 0; j < width; j++) {
            sum += packed[recurrentAt + u * width + j] * dz[j]
            recurrentSum[u * width + j] += hBefore * dz[j]
          }
          dhNext[u] = sum
        }
      }
      dhState.set(dhNext, state)
      dcState.set(dcNext, state)
    }
    addTo(dKernel, kernelSum)
    addTo(dRecurrentKernel, recurrentSum)
    addTo(dBias, biasSum)
  },
}
