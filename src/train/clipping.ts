import type { Kernels } from '../kernels/kernels.ts'
import type { ParameterSet } from '../tensor/parameter.ts'
import type { OptimizerOptions } from './optimizers.ts'

/** What clipping did in one step. */
export interface Clipped {
  /** True if any gradient was changed. */
  readonly acted: boolean
  /** Factor to apply to all gradients in the update. */
  readonly scale: number
  /** Norm of all gradients together, before clipping. */
  readonly norm: number
}

/**
 * Clips the gradients as the optimizer's options say: by value and by each parameter's norm in
 * place, by the global norm as a factor for the update.
 */
export function clipGradients(
  kernels: Kernels,
  set: ParameterSet,
  { clipValue, clipNorm, globalClipNorm }: OptimizerOptions,
): Clipped {
  const { gradients } = set
  const norm = Math.sqrt(kernels.sumSquares(gradients.values, gradients.size))
  if (clipValue !== undefined) {
    const cut = kernels.clipValue(gradients.values, clipValue, gradients.size)
    return { acted: cut > 0, scale: 1, norm }
  }
  if (clipNorm !== undefined) {
    let acted = false
    for (const { parameter, size } of set.trainable) {
      const gradient = parameter.value.gradient!
      const own = Math.sqrt(kernels.sumSquares(gradient.values, size))
      if (own <= clipNorm) continue
      acted = true
      // g += (clipNorm/own - 1)·g scales in place.
      kernels.addScaled(gradient.values, gradient.values, clipNorm / own - 1, size)
    }
    return { acted, scale: 1, norm }
  }
  if (globalClipNorm !== undefined && norm > globalClipNorm) {
    return { acted: true, scale: globalClipNorm / norm, norm }
  }
  return { acted: false, scale: 1, norm }
}
