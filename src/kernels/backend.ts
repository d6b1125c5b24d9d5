/**
 * Which backend: native where the addon loads, else WebAssembly, else, in Node, the plain loops. The variable
 * REFRAIN_BACKEND and `setBackend` override: native, wasm, reference, or with the instruction set,
 * as native:avx2, wasm:simd128, reference:float64.
 */

import { nativeBackend, nativeVariants, referenceBackend, whyNoReference } from '#backends'
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import { checkOptions, suggest } from '../util/check.ts'
import type { Backend, BackendName } from './kernels.ts'
import { checkThreads } from './threads.ts'
import { type WasmVariant, wasmVariants } from './wasm/module.ts'
import { wasmBackend, whyNoWasm } from './wasm/wasm.ts'

/** One line of `availableBackends`. */
export interface BackendInfo {
  name: BackendName
  variant: string
  available: boolean
  /** Why it is not available. */
  reason?: string
}

const nativeNames = ['avx512', 'avx2', 'baseline']
const referenceNames = ['float32', 'float64']

/** Every backend and instruction set, fastest first, and whether it runs here. */
export function availableBackends(): BackendInfo[] {
  const native = nativeVariants()
  const offered = 'variants' in native ? native.variants : []
  const reason = 'reason' in native ? native.reason : 'this machine does not have it'
  const line = (name: BackendName, variant: string, missing?: string): BackendInfo =>
    missing === undefined
      ? { name, variant, available: true }
      : { name, variant, available: false, reason: missing }
  return [
    ...nativeNames.map((v) => line('native', v, offered.includes(v) ? undefined : reason)),
    ...wasmVariants.map((v) => line('wasm', v, whyNoWasm(v))),
    ...referenceNames.map((v) => line('reference', v, whyNoReference)),
  ]
}

/**
 * `native`, `wasm:simd128`, … as a new backend; throws where it cannot run.
 *
 * @param threads default: REFRAIN_THREADS, or one for each core
 */
export function createBackend(wanted: string, where = 'backend', threads?: number): Backend {
  const [name, variant, ...rest] = wanted.split(':')
  const variants = { native: nativeNames, wasm: [...wasmVariants], reference: referenceNames }
  const known: Record<string, readonly string[]> = variants
  if (!Object.hasOwn(known, name) || rest.length > 0) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `${where}: unknown backend ${show(wanted)}`,
      suggest(name, Object.keys(known)),
    )
  }
  if (variant !== undefined && !known[name].includes(variant)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `${where}: the backend ${name} has no variant ${show(variant)}`,
      suggest(variant, known[name]),
    )
  }
  if (name === 'native') return nativeBackend({ variant, threads })
  if (name === 'wasm') {
    return wasmBackend({ variant: variant as WasmVariant | undefined, threads })
  }
  return referenceBackend({ float: variant as 'float32' | 'float64' | undefined })
}

let current: Backend | undefined

/** The backend in use; chosen on the first call. */
export function defaultBackend(): Backend {
  current ??= choose()
  return current
}

/** Options of `setBackend`. */
export interface BackendOptions {
  /**
   * Threads that kernels may use, 1 to 1024; no result depends on it. Default: one for each core.
   * The variable REFRAIN_THREADS, where it is set, overrides this option. The reference backend has
   * one thread, and so has wasm where workers cannot share memory.
   */
  threads?: number
}

/**
 * Uses another backend from now on: `setBackend('native', { threads: 2 })`. Tensors of the old one
 * must not be mixed with the new one's. Throws `UNKNOWN_OPTION` for a name that does not exist,
 * `BACKEND_UNAVAILABLE` where it cannot run, `BAD_ARGUMENT` for a number of threads that is none.
 */
export function setBackend(backend: string | Backend, options: BackendOptions = {}): Backend {
  checkOptions('setBackend', options, ['threads'])
  let { threads } = options
  if (threads !== undefined) checkThreads("setBackend 'threads'", threads)
  if (platform.env('REFRAIN_THREADS')) threads = undefined
  if (typeof backend === 'string') {
    current = createBackend(backend, 'setBackend', threads)
  } else {
    current = backend
    if (threads !== undefined) current.threads = threads
  }
  return current
}

function choose(): Backend {
  const forced = platform.env('REFRAIN_BACKEND')
  if (forced) return createBackend(forced, 'REFRAIN_BACKEND')
  if ('variants' in nativeVariants()) return nativeBackend()
  return whyNoWasm('simd128') ? referenceBackend() : wasmBackend()
}
