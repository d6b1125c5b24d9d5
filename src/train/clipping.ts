import type { Kernels } from '../kernels/kernels.ts'
import type { OptimizerOptions } from './optimizer.ts'
import type { Gradients } from './updater.ts'

/** What clipping did in one step. */
export interface Clipped {
  /** True if any gradient was changed. */
  readonly acted: boolean
  /** Factor to apply to all gradients in the update. */
  readonly scale: number
  /** Norm of all gradients together, before clipping. */
  readonly norm: number
}

/** The norm of all gradients together. */
export function gradientNorm(kernels: Kernels, { arrays }: Gradients): number {
  let squares = 0
  for (const { values, size } of arrays) squares += kernels.sumSquares(values, size)
  return Math.sqrt(squares)
}

/**
 * Clips the gradients as the optimizer's options say: by value and by each parameter's norm in
 * place, by the global norm as a factor for the update.
 */
export function clipGradients(
  kernels: Kernels,
  gradients: Gradients,
  { clipValue, clipNorm, globalClipNorm }: OptimizerOptions,
): Clipped {
  const { arrays, each } = gradients
  const norm = gradientNorm(kernels, gradients)
  if (clipValue !== undefined) {
    let cut = 0
    for (const { values, size } of arrays) cut += kernels.clipValue(values, clipValue, size)
    return { acted: cut > 0, scale: 1, norm }
  }
  if (clipNorm !== undefined) {
    let acted = false
    for (const { gradient } of each()) {
      const { values, size } = gradient
      const own = Math.sqrt(kernels.sumSquares(values, size))
      if (own <= clipNorm) continue
      acted = true
      // g += (clipNorm/own - 1)·g scales in place.
      kernels.addScaled(values, values, clipNorm / own - 1, size)
    }
    return { acted, scale: 1, norm }
  }
  if (globalClipNorm !== undefined && norm > globalClipNorm) {
    return { acted: true, scale: globalClipNorm / norm, norm }
  }
  return { acted: false, scale: 1, norm }
}
