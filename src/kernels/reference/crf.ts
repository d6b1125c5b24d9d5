/**
 * The linear-chain conditional random field (Lafferty, McCallum & Pereira 2001). A path y of labels
 * through the L steps of a row scores
 *
 *   (1) s(y) = start[y_1] + Σ_t x_t[y_t] + Σ_{t>1} transitions[y_{t-1}, y_t] + end[y_L]
 *
 * and has probability exp(s(y)) / Z, Z summed over all K^L paths by the forward algorithm:
 *
 *   (2) α_1 = start + x_1,   α_t[j] = x_t[j] + log Σ_i exp(α_{t-1}[i] + transitions[i,j])
 *   (3) log Z = log Σ_j exp(α_L[j] + end[j])
 *   (4) β_L = end,           β_{t-1}[i] = log Σ_j exp(transitions[i,j] + x_t[j] + β_t[j])
 *
 * The gradients of log Z are the marginals (Rabiner 1989):
 *
 *   (5) P(y_t = j) ∝ exp(α_t[j] + β_t[j])
 *   (6) P(y_{t-1} = i, y_t = j) = P(y_{t-1} = i) · exp(transitions[i,j] + x_t[j] + β_t[j] - β_{t-1}[i])
 *
 * α and β lose their largest element at every step, so that their size does not grow with L.
 */
import { logSumExp } from '../../util/log-sum-exp.ts'
import type { Ints, Kernels } from '../kernels.ts'

/** Subtracts the largest element from all and returns it. */
function normalize(values: Float64Array): number {
  const max = values.reduce((most, value) => Math.max(most, value), -Infinity)
  for (let i = 0; i < values.length; i++) values[i] -= max
  return max
}

/** A row's steps that count, as indices into [B,T]. */
function stepsOf(row: number, steps: Ints | null, lengths: Ints | null, t: number): number[] {
  const length = lengths ? lengths[row] : t
  return Array.from({ length }, (_, s) => row * t + (steps ? steps[row * t + s] : s))
}

/** (5) of one step. */
function marginals(alpha: Float64Array, beta: Float64Array): Float64Array {
  const norm = logSumExp(alpha.length, (j) => alpha[j] + beta[j])
  return alpha.map((value, j) => Math.exp(value + beta[j] - norm))
}

export const crfKernels: Pick<Kernels, 'crfLoss'> = {
  crfLoss(
    x,
    labels,
    transitions,
    start,
    end,
    steps,
    lengths,
    scale,
    out,
    dx,
    dPairs,
    _scratch,
    b,
    t,
    k,
  ) {
    dx?.fill(0)
    dPairs?.fill(0)
    for (let row = 0; row < b; row++) {
      const times = stepsOf(row, steps, lengths, t)
      const last = times.length - 1
      out[row] = 0
      if (last < 0) continue
      const pathAt = (s: number) => labels[times[s]]
      const alphas: Float64Array[] = []
      let logZ = 0
      let score = start[pathAt(0)] + end[pathAt(last)]
      times.forEach((time, s) => {
        const before = alphas[s - 1]
        const alpha = Float64Array.from({ length: k }, (_, j) => {
          const reach = (i: number) => before[i] + transitions[i * k + j]
          return x[time * k + j] + (s === 0 ? start[j] : logSumExp(k, reach)) // (2)
        })
        logZ += normalize(alpha)
        alphas.push(alpha)
        score += x[time * k + pathAt(s)]
        if (s > 0) score += transitions[pathAt(s - 1) * k + pathAt(s)]
      })
      logZ += logSumExp(k, (j) => alphas[last][j] + end[j]) // (3)
      out[row] = logZ - score
      if (!dx || !dPairs) continue
      let beta = Float64Array.from(end)
      let marginal = marginals(alphas[last], beta)
      for (let s = last; ; s--) {
        const at = times[s] * k
        for (let j = 0; j < k; j++) {
          dx[at + j] = scale[row] * (marginal[j] - (j === pathAt(s) ? 1 : 0))
        }
        if (s === 0) break
        const next = beta
        const onward = (i: number, j: number) => transitions[i * k + j] + x[at + j] + next[j]
        beta = next.map((_, i) => logSumExp(k, (j) => onward(i, j))) // (4)
        marginal = marginals(alphas[s - 1], beta)
        for (let i = 0; i < k; i++) {
          for (let j = 0; j < k; j++) {
            const wanted = i === pathAt(s - 1) && j === pathAt(s) ? 1 : 0
            const pair = marginal[i] * Math.exp(onward(i, j) - beta[i]) // (6)
            dPairs[(row * k + i) * k + j] += scale[row] * (pair - wanted)
          }
        }
        normalize(beta)
      }
    }
  },
}
