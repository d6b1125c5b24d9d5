/** Products, copies and element-wise arithmetic, dropout. */
import type { Kernels } from '../kernels.ts'
import { philox4x32 } from '../philox.ts'

export const arrayKernels: Pick<
  Kernels,
  | 'matmul'
  | 'weightGradients'
  | 'matmulBatch'
  | 'fill'
  | 'addScaled'
  | 'multiply'
  | 'multiplyRepeated'
  | 'sumRows'
  | 'copyBlock'
  | 'reverseTime'
  | 'swapAxes'
  | 'dropout'
> = {
  matmul(a, b, bias, out, m, k, n, transposeA, transposeB, accumulate) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = accumulate ? out[i * n + j] : 0
        for (let p = 0; p < k; p++) {
          sum += a[transposeA ? p * m + i : i * k + p] * b[transposeB ? j * k + p : p * n + j]
        }
        out[i * n + j] = bias ? sum + bias[j] : sum
      }
    }
  },

  weightGradients(x, dy, dKernel, dBias, rows, inputs, units, adds) {
    arrayKernels.matmul(x, dy, null, dKernel, inputs, rows, units, 1, 0, adds & 1)
    if (dBias) arrayKernels.sumRows(dy, dBias, rows, units, adds >> 1)
  },

  matmulBatch(a, b, out, batch, m, k, n, transposeA, transposeB, accumulate) {
    for (let i = 0; i < batch; i++) {
      const [ofA, ofB] = [a.subarray(i * m * k), b.subarray(i * k * n)]
      const to = out.subarray(i * m * n)
      arrayKernels.matmul(ofA, ofB, null, to, m, k, n, transposeA, transposeB, accumulate)
    }
  },

  fill(out, value, n) {
    for (let i = 0; i < n; i++) out[i] = value
  },

  addScaled(x, out, scale, n) {
    for (let i = 0; i < n; i++) out[i] += scale * x[i]
  },

  multiply(a, b, out, n, accumulate) {
    for (let i = 0; i < n; i++) out[i] = (accumulate ? out[i] : 0) + a[i] * b[i]
  },

  multiplyRepeated(x, scale, out, outer, repeat, inner, accumulate) {
    for (let o = 0; o < outer; o++) {
      for (let r = 0; r < repeat; r++) {
        for (let i = 0; i < inner; i++) {
          const at = (o * repeat + r) * inner + i
          out[at] = (accumulate ? out[at] : 0) + x[at] * scale[o * inner + i]
        }
      }
    }
  },

  sumRows(x, out, rows, cols, accumulate) {
    for (let c = 0; c < cols; c++) {
      let sum = accumulate ? out[c] : 0
      for (let r = 0; r < rows; r++) sum += x[r * cols + c]
      out[c] = sum
    }
  },

  copyBlock(x, xOffset, xStride, out, outOffset, outStride, rows, cols, accumulate) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        const at = outOffset + r * outStride + c
        out[at] = (accumulate ? out[at] : 0) + x[xOffset + r * xStride + c]
      }
    }
  },

  reverseTime(x, out, b, t, f, accumulate) {
    for (let row = 0; row < b; row++) {
      for (let step = 0; step < t; step++) {
        for (let i = 0; i < f; i++) {
          const at = (row * t + step) * f + i
          out[at] = (accumulate ? out[at] : 0) + x[(row * t + t - 1 - step) * f + i]
        }
      }
    }
  },

  swapAxes(x, out, a, b, c, d, accumulate) {
    for (let i = 0; i < a; i++) {
      for (let k = 0; k < c; k++) {
        for (let j = 0; j < b; j++) {
          for (let l = 0; l < d; l++) {
            const at = ((i * c + k) * b + j) * d + l
            out[at] = (accumulate ? out[at] : 0) + x[((i * b + j) * c + k) * d + l]
          }
        }
      }
    }
  },

  dropout(x, out, n, rate, keyLow, keyHigh, counterLow, counterHigh, accumulate) {
    const words = new Uint32Array(4)
    for (let i = 0; i < n; i++) {
      if (i % 4 === 0) philox4x32(i / 4, 0, counterLow, counterHigh, keyLow, keyHigh, words)
      const keep = words[i % 4] * 2 ** -32 >= rate
      const kept = keep ? (x ? x[i] : 1) / (1 - rate) : 0
      out[i] = (accumulate ? out[i] : 0) + kept
    }
  },
}
