/** Layer normalization. */
import type { Floats, Kernels } from '../kernels.ts'

type Names = 'normalizeRows' | 'normalizeRowsBackward'

const meanOf = (cols: number, value: (c: number) => number): number => {
  let sum = 0
  for (let c = 0; c < cols; c++) sum += value(c)
  return sum / cols
}

const factor = (gamma: Floats | null, c: number) => (gamma ? gamma[c] : 1)

export const normalizationKernels: Pick<Kernels, Names> = {
  normalizeRows(x, gamma, beta, out, mean, scale, rows, cols, epsilon) {
    for (let r = 0; r < rows; r++) {
      const centre = meanOf(cols, (c) => x[r * cols + c])
      const variance = meanOf(cols, (c) => (x[r * cols + c] - centre) ** 2)
      mean[r] = centre
      scale[r] = 1 / Math.sqrt(variance + epsilon)
      for (let c = 0; c < cols; c++) {
        const normal = (x[r * cols + c] - mean[r]) * scale[r]
        out[r * cols + c] = normal * factor(gamma, c) + (beta ? beta[c] : 0)
      }
    }
  },

  normalizeRowsBackward(x, gamma, mean, scale, dy, dx, products, rows, cols, accumulate) {
    for (let r = 0; r < rows; r++) {
      const at = r * cols
      const normal = (c: number) => (x[at + c] - mean[r]) * scale[r]
      const g = (c: number) => dy[at + c] * factor(gamma, c)
      if (products) for (let c = 0; c < cols; c++) products[at + c] = dy[at + c] * normal(c)
      if (!dx) continue
      const meanG = meanOf(cols, g)
      const meanGn = meanOf(cols, (c) => g(c) * normal(c))
      for (let c = 0; c < cols; c++) {
        const gradient = scale[r] * (g(c) - meanG - normal(c) * meanGn)
        dx[at + c] = (accumulate ? dx[at + c] : 0) + gradient
      }
    }
  },
}
