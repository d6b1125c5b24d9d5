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
import type { Floats, FloatsOut, Int, Ints, IntsOut } from '../kernels.ts'

/** Subtracts the largest element from all and returns it. */
function normalize(values: Float64Array): number {
  const max = values.reduce((most, value) => Math.max(most, value), -Infinity)
  for (let i = 0; i < values.length; i++) values[i] -= max
  return max
}

/** log Σ_i exp(term(i)), without overflow. */
export function logSumExp(count: number, term: (i: number) => number): number {
  let max = -Infinity
  for (let i = 0; i < count; i++) max = Math.max(max, term(i))
  if (max === -Infinity) return max
  let sum = 0
  for (let i = 0; i < count; i++) sum += Math.exp(term(i) - max)
  return max + Math.log(sum)
}

/** A row's steps that count, as indices into [B,T]. */
function stepsOf(row: number, steps: Ints | null, lengths: Ints | null, t: number): number[] {
  const length = lengths ? lengths[row] : t
  return Array.from({ length }, (_, s) => row * t + (steps ? steps[row * t + s] : s))
}

/**
 * out[b] = log Z - s(labels of row b), 0 for a row without steps. With dx and dPairs (both
 * overwritten) also scale[b] times the gradients: dx with respect to x, 0 at masked steps, dPairs
 * with respect to the transitions, one matrix for each row. Those of start and end are dx at a row's
 * first and last step.
 */
export function crfLoss(
  x: Floats /* [B,T,K] */,
  labels: Ints /* [B,T] */,
  transitions: Floats /* [K,K], from row to column */,
  start: Floats /* [K] */,
  end: Floats /* [K] */,
  steps: Ints | null /* [B,T] */,
  lengths: Ints | null /* [B] */,
  scale: Floats /* [B] */,
  out: FloatsOut /* [B] */,
  dx: FloatsOut | null /* [B,T,K] */,
  dPairs: FloatsOut | null /* [B,K,K] */,
  b: Int,
  t: Int,
  k: Int,
): void {
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
}

/** (5) of one step. */
function marginals(alpha: Float64Array, beta: Float64Array): Float64Array {
  const norm = logSumExp(alpha.length, (j) => alpha[j] + beta[j])
  return alpha.map((value, j) => Math.exp(value + beta[j] - norm))
}

/**
 * The best path of each row (Viterbi 1967), into path, 0 at masked steps, and its score (1), 0 for a
 * row without steps. Of equal scores the path that has the smaller label last, then the one before,
 * and so on. `back` is memory to work in.
 */
export function crfViterbi(
  x: Floats /* [B,T,K] */,
  transitions: Floats /* [K,K] */,
  start: Floats /* [K] */,
  end: Floats /* [K] */,
  steps: Ints | null /* [B,T] */,
  lengths: Ints | null /* [B] */,
  path: IntsOut /* [B,T] */,
  score: FloatsOut /* [B] */,
  back: IntsOut /* [B,T,K] */,
  b: Int,
  t: Int,
  k: Int,
): void {
  path.fill(0)
  for (let row = 0; row < b; row++) {
    const times = stepsOf(row, steps, lengths, t)
    score[row] = 0
    if (times.length === 0) continue
    let total = 0
    let best = new Float64Array(k)
    times.forEach((time, s) => {
      const before = best
      best = before.map((_, j) => {
        let from = 0
        if (s > 0) {
          const reach = (i: number) => before[i] + transitions[i * k + j]
          for (let i = 1; i < k; i++) if (reach(i) > reach(from)) from = i
          back[time * k + j] = from
        }
        return x[time * k + j] + (s === 0 ? start[j] : before[from] + transitions[from * k + j])
      })
      total += normalize(best)
    })
    let label = 0
    for (let j = 1; j < k; j++) if (best[j] + end[j] > best[label] + end[label]) label = j
    score[row] = total + best[label] + end[label]
    for (let s = times.length - 1; s >= 0; s--) {
      path[times[s]] = label
      if (s > 0) label = back[times[s] * k + label]
    }
  }
}
