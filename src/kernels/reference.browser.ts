/**
 * What `#reference` is in a bundle for pages: a sixth of it would be plain loops, which no browser with
 * SIMD in WebAssembly (all since 2023) runs. A page for an older one brings them itself.
 */
import { RefrainError } from '../errors.ts'
import type { Backend } from './kernels.ts'

/** Why the loops are not there, or undefined where they are. */
export const whyNoReference: string | undefined = 'bundles for pages leave the plain loops out'

/** Always throws `BACKEND_UNAVAILABLE`. */
export function referenceBackend(_options: { float?: 'float32' | 'float64' } = {}): Backend {
  throw new RefrainError(
    'BACKEND_UNAVAILABLE',
    `reference, for browsers without SIMD in WebAssembly: ${whyNoReference}`,
    "import { referenceBackend, setBackend } from 'refrain', then setBackend(referenceBackend())",
  )
}
