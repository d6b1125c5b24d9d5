import type { Floats, Ints, IntsOut } from '../kernels/kernels.ts'

/**
 * The best path of each row (Viterbi 1967) into `path`, 0 at masked steps. Of labels that reach the
 * same score the smallest. Plain loops for every backend: there is no exponential in them. Steps and
 * lengths as in `Kernels.crfLoss`.
 */
export function crfViterbi(
  x: Floats /* [B,T,K] */,
  transitions: Floats /* [K,K], from row to column */,
  start: Floats /* [K] */,
  end: Floats /* [K] */,
  steps: Ints | null /* [B,T] */,
  lengths: Ints | null /* [B] */,
  path: IntsOut /* [B,T] */,
  [b, t, k]: readonly number[],
): void {
  path.fill(0)
  // In columns, so that the inner loop reads what lies side by side.
  const into = Float64Array.from(
    transitions,
    (_, i) => transitions[(i % k) * k + Math.floor(i / k)],
  )
  const back = new Int32Array(t * k)
  let best = new Float64Array(k)
  let before = new Float64Array(k)
  for (let row = 0; row < b; row++) {
    const length = lengths ? lengths[row] : t
    if (length === 0) continue
    const timeOf = (s: number) => row * t + (steps ? steps[row * t + s] : s)
    for (let s = 0; s < length; s++) {
      const at = timeOf(s) * k
      for (let j = 0; j < k; j++) {
        let from = 0
        let most = start[j]
        if (s > 0) {
          most = before[0] + into[j * k]
          for (let i = 1; i < k; i++) {
            const score = before[i] + into[j * k + i]
            if (score > most) {
              most = score
              from = i
            }
          }
        }
        back[s * k + j] = from
        best[j] = x[at + j] + most
      }
      ;[best, before] = [before, best]
    }
    let label = 0
    for (let j = 1; j < k; j++) if (before[j] + end[j] > before[label] + end[label]) label = j
    for (let s = length - 1; s >= 0; s--) {
      path[timeOf(s)] = label
      label = back[s * k + label]
    }
  }
}
