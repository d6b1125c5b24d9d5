/** The GRU, step by step, by the equations (1) to (4) of `Kernels`, and its backward pass. */
import type { Kernels } from '../kernels.ts'
import { sigmoid } from './activations.ts'
import { addTo, clearUnlessAdded, packPlain, positionOf } from './rows.ts'

export const gruKernels: Pick<
  Kernels,
  'gruPackSize' | 'gruPack' | 'gruScratchSize' | 'gruForward' | 'gruBackward'
> = {
  gruPackSize: (inputs, units) => (inputs + units + 2) * 3 * units,

  gruPack: packPlain,

  gruScratchSize: () => 0,

  gruForward(x, packed, h0, steps, lengths, _order, h, gates, hLast, b, t, inputs, units, reverse) {
    const width = 3 * units
    const recurrentAt = inputs * width
    const biasAt = recurrentAt + units * width
    const a = new Float64Array(width)
    const recalled = new Float64Array(width)
    for (let row = 0; row < b; row++) {
      // hLast holds the running state h_{t-1}.
      const state = row * units
      for (let u = 0; u < units; u++) hLast[state + u] = h0 ? h0[state + u] : 0
      const length = lengths ? lengths[row] : t
      for (let s = 0; s < length; s++) {
        const at = positionOf(row, s, steps, lengths, t, reverse)
        for (let j = 0; j < width; j++) {
          a[j] = packed[biasAt + j]
          for (let i = 0; i < inputs; i++) a[j] += x[at * inputs + i] * packed[i * width + j]
          recalled[j] = packed[biasAt + width + j]
          for (let u = 0; u < units; u++) {
            recalled[j] += hLast[state + u] * packed[recurrentAt + u * width + j]
          }
        }
        for (let u = 0; u < units; u++) {
          const z = sigmoid(a[u] + recalled[u]) // (1)
          const r = sigmoid(a[units + u] + recalled[units + u]) // (2)
          const candidate = Math.tanh(a[2 * units + u] + r * recalled[2 * units + u]) // (3)
          hLast[state + u] = z * hLast[state + u] + (1 - z) * candidate // (4)
          h[at * units + u] = hLast[state + u]
          if (gates) {
            const gate = at * 4 * units + u
            gates[gate] = candidate
            gates[gate + units] = z
            gates[gate + 2 * units] = r
            gates[gate + 3 * units] = recalled[2 * units + u]
          }
        }
      }
    }
  },

  gruBackward(
    x,
    packed,
    h0,
    steps,
    lengths,
    _order,
    h,
    gates,
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
    adds,
  ) {
    clearUnlessAdded([dx, dKernel, dRecurrentKernel, dBias], adds)
    const width = 3 * units
    const recurrentAt = inputs * width
    const kernelSum = new Float64Array(inputs * width)
    const recurrentSum = new Float64Array(units * width)
    const biasSum = new Float64Array(2 * width)
    // Gradients of x_t·W + b and of h_{t-1}·R + b', gates z, r, h.
    const ofInput = new Float64Array(width)
    const ofState = new Float64Array(width)
    for (let row = 0; row < b; row++) {
      const state = row * units
      // The gradient of h_t that comes from later steps.
      const dhNext = Float64Array.from(dhState.subarray(state, state + units))
      const length = lengths ? lengths[row] : t
      for (let s = length - 1; s >= 0; s--) {
        const at = positionOf(row, s, steps, lengths, t, reverse)
        const before = s > 0 ? positionOf(row, s - 1, steps, lengths, t, reverse) : -1
        const hBefore = (u: number) => (s > 0 ? h[before * units + u] : h0 ? h0[state + u] : 0)
        for (let u = 0; u < units; u++) {
          const gate = at * 4 * units + u
          const candidate = gates[gate]
          const z = gates[gate + units]
          const r = gates[gate + 2 * units]
          const recalled = gates[gate + 3 * units]
          const dhHere = dhNext[u] + (dh ? dh[at * units + u] : 0)
          const dCandidate = dhHere * (1 - z) * (1 - candidate * candidate) // of (4), (3)
          const dZ = dhHere * (hBefore(u) - candidate) * z * (1 - z) // of (4), (1)
          const dR = dCandidate * recalled * r * (1 - r) // of (3), (2)
          ofInput[u] = ofState[u] = dZ
          ofInput[units + u] = ofState[units + u] = dR
          ofInput[2 * units + u] = dCandidate
          ofState[2 * units + u] = dCandidate * r // of (3)
          gates[gate] = dCandidate
          gates[gate + units] = dZ
          gates[gate + 2 * units] = dR
          gates[gate + 3 * units] = dCandidate * r
          dhNext[u] = dhHere * z // of (4)
        }
        for (let j = 0; j < width; j++) {
          biasSum[j] += ofInput[j]
          biasSum[width + j] += ofState[j]
        }
        for (let i = 0; i < inputs; i++) {
          let sum = 0
          for (let j = 0; j < width; j++) {
            sum += packed[i * width + j] * ofInput[j]
            kernelSum[i * width + j] += x[at * inputs + i] * ofInput[j]
          }
          if (dx) dx[at * inputs + i] += sum
        }
        for (let u = 0; u < units; u++) {
          for (let j = 0; j < width; j++) {
            dhNext[u] += packed[recurrentAt + u * width + j] * ofState[j]
            recurrentSum[u * width + j] += hBefore(u) * ofState[j]
          }
        }
      }
      dhState.set(dhNext, state)
    }
    addTo(dKernel, kernelSum)
    addTo(dRecurrentKernel, recurrentSum)
    addTo(dBias, biasSum)
  },
}
