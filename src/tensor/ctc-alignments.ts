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
 *
 * Plain loops in double precision for every backend: a step has three exponentials a symbol, far
 * less work than the network before it.
 */
import type { Floats, FloatsOut, Ints } from '../kernels/kernels.ts'
import { logSumExp } from '../util/log-sum-exp.ts'

/** A batch: logits x [B,T,K], and labels [B,N] of which each row has `counts`. */
export interface CtcBatch {
  readonly x: Floats
  readonly labels: Ints
  readonly counts: Ints
  readonly blank: number
  /** Steps and lengths as in `Kernels.crfLoss`. */
  readonly steps: Ints | null
  readonly lengths: Ints | null
  /** B, T, K, N. */
  readonly sizes: readonly [b: number, t: number, k: number, n: number]
}

const logAdd = (a: number, b: number, c: number): number => {
  const max = Math.max(a, b, c)
  if (max === -Infinity) return max
  return max + Math.log(Math.exp(a - max) + Math.exp(b - max) + Math.exp(c - max))
}

/**
 * out[b] = -log p of row b's labels: Infinity where its steps are too few for them; of a row without
 * steps, 0 without labels. With dx (overwritten, 0 at masked steps and where out is Infinity) also
 * scale[b] times the gradient with respect to x.
 */
export function ctcAlignments(
  { x, labels, counts, blank, steps, lengths, sizes: [b, t, k, n] }: CtcBatch,
  scale: Floats /* [B] */,
  out: FloatsOut /* [B] */,
  dx: FloatsOut | null /* [B,T,K] */,
): void {
  dx?.fill(0)
  for (let row = 0; row < b; row++) {
    const length = lengths ? lengths[row] : t
    const size = 2 * counts[row] + 1
    const symbols = Int32Array.from({ length: size }, (_, s) =>
      s % 2 === 0 ? blank : labels[row * n + (s - 1) / 2],
    )
    const skips = (s: number) => s % 2 === 1 && s > 1 && symbols[s] !== symbols[s - 2]
    const placeOf = (step: number) => (row * t + (steps ? steps[row * t + step] : step)) * k
    const norms = new Float64Array(length)
    const alphas = new Float64Array(length * size)
    for (let step = 0; step < length; step++) {
      const place = placeOf(step)
      norms[step] = logSumExp(k, (c) => x[place + c])
      const before = (step - 1) * size
      for (let s = 0; s < size; s++) {
        const reach =
          step === 0
            ? s < 2
              ? 0
              : -Infinity
            : logAdd(
                alphas[before + s],
                s > 0 ? alphas[before + s - 1] : -Infinity,
                skips(s) ? alphas[before + s - 2] : -Infinity,
              )
        alphas[step * size + s] = x[place + symbols[s]] - norms[step] + reach
      }
    }
    const end = length * size - 1
    const last = size > 1 ? alphas[end - 1] : -Infinity
    const logP = length > 0 ? logAdd(alphas[end], last, -Infinity) : size === 1 ? 0 : -Infinity
    out[row] = -logP
    if (!dx || logP === -Infinity) continue
    let beta = new Float64Array(size).fill(-Infinity).fill(0, Math.max(0, size - 2))
    let after = new Float64Array(size)
    for (let step = length - 1; step >= 0; step--) {
      const place = placeOf(step)
      for (let c = 0; c < k; c++) {
        dx[place + c] = scale[row] * Math.exp(x[place + c] - norms[step])
      }
      for (let s = 0; s < size; s++) {
        const posterior = Math.exp(alphas[step * size + s] + beta[s] - logP)
        dx[place + symbols[s]] -= scale[row] * posterior
        beta[s] += x[place + symbols[s]] - norms[step]
      }
      ;[beta, after] = [after, beta]
      for (let s = 0; s < size; s++) {
        beta[s] = logAdd(
          after[s],
          s + 1 < size ? after[s + 1] : -Infinity,
          s + 2 < size && skips(s + 2) ? after[s + 2] : -Infinity,
        )
      }
    }
  }
}
