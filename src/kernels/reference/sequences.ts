/** Embedding, pooling over time, held outputs of masked steps. */
import type { Kernels } from '../kernels.ts'

export const sequenceKernels: Pick<
  Kernels,
  | 'gather'
  | 'gatherBackward'
  | 'scatter'
  | 'poolMean'
  | 'poolMeanBackward'
  | 'poolMax'
  | 'poolMaxBackward'
  | 'holdMasked'
  | 'holdMaskedBackward'
> = {
  gather(table, ids, out, n, dim) {
    for (let i = 0; i < n; i++) {
      for (let d = 0; d < dim; d++) out[i * dim + d] = table[ids[i] * dim + d]
    }
  },

  gatherBackward(dOut, ids, dTable, n, dim) {
    for (let i = 0; i < n; i++) {
      for (let d = 0; d < dim; d++) dTable[ids[i] * dim + d] += dOut[i * dim + d]
    }
  },

  scatter(x, ids, table, n, dim) {
    for (let i = 0; i < n; i++) {
      for (let d = 0; d < dim; d++) table[ids[i] * dim + d] = x[i * dim + d]
    }
  },

  poolMean(x, valid, out, b, t, f) {
    for (let row = 0; row < b; row++) {
      for (let i = 0; i < f; i++) {
        let sum = 0
        let count = 0
        for (let step = 0; step < t; step++) {
          if (valid && !valid[row * t + step]) continue
          sum += x[(row * t + step) * f + i]
          count++
        }
        out[row * f + i] = count ? sum / count : 0
      }
    }
  },

  poolMeanBackward(dOut, valid, dx, b, t, f) {
    for (let row = 0; row < b; row++) {
      let count = 0
      for (let step = 0; step < t; step++) if (!valid || valid[row * t + step]) count++
      for (let step = 0; step < t; step++) {
        if (valid && !valid[row * t + step]) continue
        for (let i = 0; i < f; i++) dx[(row * t + step) * f + i] += dOut[row * f + i] / count
      }
    }
  },

  poolMax(x, valid, out, argmax, b, t, f) {
    for (let row = 0; row < b; row++) {
      for (let i = 0; i < f; i++) {
        let best = -1
        for (let step = 0; step < t; step++) {
          if (valid && !valid[row * t + step]) continue
          if (best < 0 || x[(row * t + step) * f + i] > x[(row * t + best) * f + i]) best = step
        }
        argmax[row * f + i] = best
        out[row * f + i] = best < 0 ? 0 : x[(row * t + best) * f + i]
      }
    }
  },

  poolMaxBackward(dOut, argmax, dx, b, t, f) {
    for (let row = 0; row < b; row++) {
      for (let i = 0; i < f; i++) {
        const step = argmax[row * f + i]
        if (step >= 0) dx[(row * t + step) * f + i] += dOut[row * f + i]
      }
    }
  },

  holdMasked(y, valid, b, t, u, reverse, zero) {
    for (let row = 0; row < b; row++) {
      for (let s = 0; s < t; s++) {
        const step = reverse ? t - 1 - s : s
        if (valid[row * t + step]) continue
        const source = reverse ? step + 1 : step - 1
        for (let i = 0; i < u; i++) {
          y[(row * t + step) * u + i] = zero || s === 0 ? 0 : y[(row * t + source) * u + i]
        }
      }
    }
  },

  // From the last step that was filled to the first, so that a run of masked steps hands on its sum.
  holdMaskedBackward(dy, valid, b, t, u, reverse, zero) {
    for (let row = 0; row < b; row++) {
      for (let s = t - 1; s >= 0; s--) {
        const step = reverse ? t - 1 - s : s
        if (valid[row * t + step]) continue
        const source = reverse ? step + 1 : step - 1
        for (let i = 0; i < u; i++) {
          const at = (row * t + step) * u + i
          if (!zero && s > 0) dy[(row * t + source) * u + i] += dy[at]
          dy[at] = 0
        }
      }
    }
  },
}
