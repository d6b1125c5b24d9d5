/**
 * The bytes of the WebAssembly module. One module is embedded, from which the loader makes what runs
 * here by changing a few bytes: the kind of its memory, and each multiply-add.
 */
import { unpackLzma } from '../../util/lzma.ts'
import { kernels } from './kernels.generated.ts'

/** The variants, fastest first. */
export const wasmVariants = ['relaxed', 'simd128'] as const
export type WasmVariant = (typeof wasmVariants)[number]

let embedded: Uint8Array | undefined

/**
 * The module: `relaxed` has fused multiply-adds, `simd128` rounds product and sum. Atomic instructions
 * work on any memory, but a module has to say whether it imports a shared one.
 */
export function moduleBytes(variant: WasmVariant, shared: boolean): Uint8Array<ArrayBuffer> {
  embedded ??= unpack()
  const bytes = new Uint8Array(embedded)
  bytes[kernels.memoryFlags] = shared ? 3 : 1
  if (variant === 'relaxed') fuse(bytes)
  return bytes
}

function unpack(): Uint8Array {
  const packed = Uint8Array.from(atob(kernels.lzma), (character) => character.charCodeAt(0))
  return unpackLzma(packed, kernels.length)
}

/**
 * f32x4.mul, local.get c, nop, f32x4.add (`fma` in csrc/vec.h writes just these) becomes local.get c,
 * f32x4.relaxed_madd and nops, of the same length.
 */
function fuse(bytes: Uint8Array): void {
  const [mul, add] = [
    [0xfd, 0xe6, 0x01, 0x20],
    [0x01, 0xfd, 0xe4, 0x01],
  ]
  const stands = (what: number[], at: number) => what.every((byte, i) => bytes[at + i] === byte)
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== mul[0] || !stands(mul, at)) continue
    let end = at + mul.length
    while (bytes[end++] & 0x80) {}
    if (!stands(add, end)) continue
    bytes.copyWithin(at, at + 3, end)
    bytes.set([0xfd, 0x85, 0x02, 0x01, 0x01, 0x01, 0x01], end - 3)
    at = end + 3
  }
}
