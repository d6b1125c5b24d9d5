/** What the recurrent kernels share. */
import type { Floats, FloatsOut, Ints } from '../kernels.ts'

/** Index in [B·T] of the s-th processed step of a row. */
export function positionOf(
  row: number,
  s: number,
  steps: Ints | null,
  lengths: Ints | null,
  t: number,
  reverse: number,
): number {
  const length = lengths ? lengths[row] : t
  const at = reverse ? length - 1 - s : s
  return row * t + (steps ? steps[row * t + at] : at)
}

/** Weights in the simplest order for loops: W, R and b one after the other, as they are. */
export function packPlain(
  kernel: Floats,
  recurrentKernel: Floats,
  bias: Floats | null,
  packed: FloatsOut,
): void {
  packed.fill(0)
  packed.set(kernel)
  packed.set(recurrentKernel, kernel.length)
  if (bias) packed.set(bias, kernel.length + recurrentKernel.length)
}

/** Zeros what is to be overwritten: bit 1, 2, 4 or 8 of `adds` says what is not. */
export function clearUnlessAdded(gradients: readonly (FloatsOut | null)[], adds: number): void {
  gradients.forEach((out, i) => {
    if (!(adds & (1 << i))) out?.fill(0)
  })
}

/** out += sum, rounded once. */
export function addTo(out: FloatsOut | null, sum: Float64Array): void {
  if (out) for (let i = 0; i < sum.length; i++) out[i] += sum[i]
}
