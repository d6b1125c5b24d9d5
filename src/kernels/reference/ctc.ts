/**
 * Connectionist temporal classification (Graves et al. 2006). The labels l_1 … l_N of a row stand in
 * an extended sequence e = blank, l_1, blank, l_2, …, l_N, blank of S = 2N + 1 symbols. With
 * y_t = log-softmax(x_t), an alignment goes through e from one of its first two symbols to one of
 * its last two, staying or going on by one, or by two to a label that differs from the one before:
 *
 *   (1) α_1[s] = y_1[e_s] for s < 2,   α_t[s] = y_t[e_s] + log Σ_{s' → s} exp(α_{t-1}[s'])
 *   (2) log p = log(exp(α_T[S-1]) + exp(α_T[S-2]))
 *   (3) β_T[s] = 0 for s ≥ S-2,   β_t[s] = log Σ_{s → s'} exp(y_{t+1}[e_s'] + β_{t+1}[s'])
 *   (4) ∂(-log p)/∂x_t[k] = softmax(x_t)[k] - Σ_{s: e_s = k} exp(α_t[s] + β_t[s] - log p)
 */
import type { Floats, FloatsOut, Int, Ints } from '../kernels.ts'
import { logSumExp } from './crf.ts'

/**
 * out[b] = -log p of row b's labels: Infinity where its steps are too few for them; of a row without
 * steps, 0 without labels. With dx (overwritten, 0 at masked steps and where out is Infinity) also
 * scale[b] times the gradient with respect to the logits x. Blank is no label.
 */
export function ctcLoss(
  x: Floats /* [B,T,K] */,
  labels: Ints /* [B,N] */,
  labelLengths: Ints /* [B] */,
  steps: Ints | null /* [B,T] */,
  lengths: Ints | null /* [B] */,
  scale: Floats /* [B] */,
  out: FloatsOut /* [B] */,
  dx: FloatsOut | null /* [B,T,K] */,
  b: Int,
  t: Int,
  k: Int,
  n: Int,
  blank: Int,
): void {
  dx?.fill(0)
  for (let row = 0; row < b; row++) {
    const length = lengths ? lengths[row] : t
    const size = 2 * labelLengths[row] + 1
    const symbol = (s: number) => (s % 2 === 0 ? blank : labels[row * n + (s - 1) / 2])
    const skips = (s: number) => s % 2 === 1 && s > 1 && symbol(s) !== symbol(s - 2)
    const timeOf = (step: number) => row * t + (steps ? steps[row * t + step] : step)
    const logits = (step: number) => x.subarray(timeOf(step) * k, (timeOf(step) + 1) * k)
    const y = Array.from({ length }, (_, step) => {
      const row = logits(step)
      const norm = logSumExp(k, (c) => row[c])
      return Float64Array.from(row, (value) => value - norm)
    })
    const alphas: Float64Array[] = []
    for (let step = 0; step < length; step++) {
      const before = alphas[step - 1]
      const reach = (s: number) => {
        if (step === 0) return s < 2 ? 0 : -Infinity
        return logSumExp(skips(s) ? 3 : Math.min(2, s + 1), (back) => before[s - back])
      }
      alphas.push(Float64Array.from({ length: size }, (_, s) => y[step][symbol(s)] + reach(s)))
    }
    const last = alphas[length - 1]
    const logP = last
      ? logSumExp(Math.min(2, size), (back) => last[size - 1 - back])
      : size === 1
        ? 0
        : -Infinity
    out[row] = -logP
    if (!dx || logP === -Infinity) continue
    let beta = new Float64Array(size).fill(-Infinity).fill(0, Math.max(0, size - 2))
    for (let step = length - 1; step >= 0; step--) {
      const d = dx.subarray(timeOf(step) * k, (timeOf(step) + 1) * k)
      for (let c = 0; c < k; c++) d[c] = scale[row] * Math.exp(y[step][c])
      for (let s = 0; s < size; s++) {
        d[symbol(s)] -= scale[row] * Math.exp(alphas[step][s] + beta[s] - logP)
      }
      const after = beta
      const onward = (s: number) => y[step][symbol(s)] + after[s]
      beta = after.map((_, s) => {
        const most = s + 2 < size && skips(s + 2) ? 3 : Math.min(2, size - s)
        return logSumExp(most, (ahead) => onward(s + ahead))
      })
    }
  }
}
