/**
 * The WebAssembly backend. Instantiation is synchronous: the modules are embedded and small. The
 * relaxed-SIMD module is faster (fused multiply-add); the simd128 one gives the same bits everywhere.
 */
import { RefrainError } from '../../errors.ts'
import type { Backend, Floats, Ints } from '../kernels.ts'
import { bindKernels } from './exports.generated.ts'
import { WasmHeap } from './heap.ts'
import { relaxed } from './relaxed.generated.ts'
import { simd128 } from './simd128.generated.ts'

/** The builds, fastest first. */
export const wasmVariants = ['relaxed', 'simd128'] as const
export type WasmVariant = (typeof wasmVariants)[number]

const encoded: Record<WasmVariant, string> = { relaxed, simd128 }
const initialPages = 32

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** Why a build cannot run here, or undefined if it can. */
export function whyNoWasm(variant: WasmVariant): string | undefined {
  if (typeof WebAssembly === 'undefined') return 'there is no WebAssembly here'
  if (WebAssembly.validate(decode(encoded[variant]))) return undefined
  return variant === 'relaxed' ? 'no relaxed SIMD here' : 'no 128-bit SIMD in WebAssembly here'
}

export interface WasmOptions {
  /** Default: relaxed SIMD where it is accepted, else simd128. */
  variant?: WasmVariant
}

/** Kernels in WebAssembly, single-threaded, in a linear memory of their own. */
export function wasmBackend({ variant }: WasmOptions = {}): Backend {
  const chosen = variant ?? wasmVariants.find((name) => !whyNoWasm(name)) ?? 'simd128'
  const reason = whyNoWasm(chosen)
  if (reason) {
    throw new RefrainError('BACKEND_UNAVAILABLE', `wasm:${chosen}: ${reason}`)
  }
  const memory = new WebAssembly.Memory({ initial: initialPages, maximum: 65536 })
  const module = new WebAssembly.Module(decode(encoded[chosen]))
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const base = exports.__heap_base as WebAssembly.Global

  const stale = () =>
    new RefrainError(
      'BAD_ARGUMENT',
      'wasm: an array does not lie in the current memory of this backend',
      'ask the heap for views again after every allocation',
    )
  const floats = (array: Floats): number => {
    if (array.buffer !== memory.buffer || !(array instanceof Float32Array)) throw stale()
    return array.byteOffset
  }
  const ints = (array: Ints): number => {
    if (array.buffer !== memory.buffer || !(array instanceof Int32Array)) throw stale()
    return array.byteOffset
  }
  const int = (value: number): number => {
    // A call into WebAssembly would take it modulo 2³².
    if (value !== (value | 0)) throw new RangeError(`wasm: ${value} is not a 32-bit integer`)
    return value
  }
  const functions = exports as unknown as Record<string, (...values: number[]) => number>
  return {
    name: 'wasm',
    variant: chosen,
    kernels: bindKernels(functions, floats, ints, int),
    heap: new WasmHeap(memory, base.value),
    get threads() {
      return 1
    },
    set threads(_count: number) {
      // One thread for now.
    },
  }
}
