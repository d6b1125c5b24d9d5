/** What plain loops can do at most. */
import type { Kernels } from '../kernels.ts'

const elements = 192

export const peakKernels: Pick<Kernels, 'peakMultiplyAdd' | 'peakRead'> = {
  peakMultiplyAdd(factor, term, rounds, tasks) {
    let sum = 0
    // Four at a time, so that none waits for the one before.
    for (let i = 0; i < elements; i += 4) {
      let [a, b, c, d] = [i, i + 1, i + 2, i + 3]
      for (let round = 0; round < rounds; round++) {
        a = a * factor + term
        b = b * factor + term
        c = c * factor + term
        d = d * factor + term
      }
      sum += a + b + c + d
    }
    return sum * tasks
  },

  peakRead(x, n) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += x[i]
    return sum
  },
}
