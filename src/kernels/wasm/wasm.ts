/**
 * The WebAssembly backend. Instantiation is synchronous: the module is embedded and small. Its relaxed
 * variant is faster (fused multiply-add); the simd128 one gives the same bits everywhere. Where workers
 * may share memory the backend has threads: further instances of the module over its memory.
 */
import { platform } from '#platform'
import { RefrainError } from '../../errors.ts'
import type { Backend, Floats, Ints } from '../kernels.ts'
import { checkThreads, defaultThreads } from '../threads.ts'
import { bindKernels } from './exports.generated.ts'
import { WasmHeap } from './heap.ts'
import { moduleBytes, type WasmVariant, wasmVariants } from './module.ts'
import { stacksBytes, Workers } from './workers.ts'

const pageBytes = 65536
const initialPages = 32
/** 4 GiB: what 32-bit addresses reach. */
const maximumPages = 65536

/** A memory that workers can share, or undefined where there is none. */
function sharedMemory(): WebAssembly.Memory | undefined {
  if (!platform.sharesMemory) return undefined
  const initial = initialPages + stacksBytes / pageBytes
  try {
    return new WebAssembly.Memory({ initial, maximum: maximumPages, shared: true })
  } catch {
    // Some systems have no room for all the addresses that it might grow to.
    return undefined
  }
}

/** Whether this thread may sleep; a page's main thread may not. */
function maySleep(memory: WebAssembly.Memory): boolean {
  try {
    Atomics.wait(new Int32Array(memory.buffer, 0, 1), 0, 0, 0)
    return true
  } catch {
    return false
  }
}

/** Why a build cannot run here, or undefined if it can. */
export function whyNoWasm(variant: WasmVariant): string | undefined {
  if (typeof WebAssembly === 'undefined') return 'there is no WebAssembly here'
  if (WebAssembly.validate(moduleBytes(variant, false))) return undefined
  return variant === 'relaxed' ? 'no relaxed SIMD here' : 'no 128-bit SIMD in WebAssembly here'
}

export interface WasmOptions {
  /** Default: relaxed where it is accepted, else simd128. */
  variant?: WasmVariant
  /** Default: REFRAIN_THREADS, or one for each core; 1 where workers cannot share memory. */
  threads?: number
}

/** Kernels in WebAssembly, in a linear memory of their own. */
export function wasmBackend({ variant, threads }: WasmOptions = {}): Backend {
  const chosen = variant ?? wasmVariants.find((name) => !whyNoWasm(name)) ?? 'simd128'
  const reason = whyNoWasm(chosen)
  if (reason) {
    throw new RefrainError('BACKEND_UNAVAILABLE', `wasm:${chosen}: ${reason}`)
  }
  let wanted = checkThreads('threads', threads ?? defaultThreads())
  const shared = sharedMemory()
  const memory = shared ?? new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages })
  const module = new WebAssembly.Module(moduleBytes(chosen, shared !== undefined))
  let workers: Workers | undefined
  const env = { memory, startWorkers: () => workers?.start(wanted - 1) }
  const { exports } = new WebAssembly.Instance(module, { env })
  const functions = exports as unknown as Record<string, (...values: number[]) => number>
  const base = (exports.__heap_base as WebAssembly.Global).value

  const heap = new WasmHeap(memory, shared ? base + stacksBytes : base)
  const stale = () =>
    new RefrainError(
      'BAD_ARGUMENT',
      'wasm: an array does not lie in the current memory of this backend',
      'ask the heap for views again after every allocation',
    )
  const floats = (array: Floats): number => {
    if (!heap.owns(array.buffer) || !(array instanceof Float32Array)) throw stale()
    return array.byteOffset
  }
  const ints = (array: Ints): number => {
    if (!heap.owns(array.buffer) || !(array instanceof Int32Array)) throw stale()
    return array.byteOffset
  }
  const int = (value: number): number => {
    // A call into WebAssembly would take it modulo 2³².
    if (value !== (value | 0)) throw new RangeError(`wasm: ${value} is not a 32-bit integer`)
    return value
  }
  const backend: Backend = {
    name: 'wasm',
    variant: chosen,
    kernels: bindKernels(functions, floats, ints, int),
    heap,
    get threads() {
      return workers ? Math.min(wanted, 1 + workers.most) : 1
    },
    set threads(count: number) {
      wanted = checkThreads('threads', count)
      functions.setThreads(shared ? wanted : 1, Number(shared && maySleep(memory)))
    },
  }
  if (shared) workers = new Workers(exports, module, memory, base)
  backend.threads = wanted
  return backend
}
