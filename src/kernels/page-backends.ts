/**
 * What `#backends` is in a bundle for pages, in place of node-backends.ts: a page loads no addon, and the
 * plain loops, a tenth of a bundle, run in no browser with SIMD in WebAssembly (all since 2023). A page
 * for an older one brings them itself.
 */
import { RefrainError } from '../errors.ts'
import type { Backend } from './kernels.ts'

export const whyNoReference: string | undefined = 'bundles for pages leave the plain loops out'

export function nativeVariants(): { variants: string[] } | { reason: string } {
  return { reason: 'pages cannot load it' }
}

export function nativeBackend(_options: { variant?: string; threads?: number } = {}): Backend {
  throw new RefrainError('BACKEND_UNAVAILABLE', 'native: pages cannot load it')
}

export function referenceBackend(_options: { float?: 'float32' | 'float64' } = {}): Backend {
  throw new RefrainError(
    'BACKEND_UNAVAILABLE',
    `reference, for browsers without SIMD in WebAssembly: ${whyNoReference}`,
    "import { referenceBackend, setBackend } from 'refrain', then setBackend(referenceBackend())",
  )
}
