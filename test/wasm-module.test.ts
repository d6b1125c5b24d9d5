/** The embedded module, and what the loader makes of it. */
import { setFlagsFromString } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { moduleBytes, wasmVariants } from '../src/kernels/wasm/module.ts'
import { wasmBackend, whyNoWasm } from '../src/kernels/wasm/wasm.ts'

// Node 20 has relaxed SIMD behind a flag.
if (whyNoWasm('relaxed')) setFlagsFromString('--experimental-wasm-relaxed-simd')

describe('the module', () => {
  it('is accepted with either kind of memory', () => {
    const [shared, own] = [moduleBytes('simd128', true), moduleBytes('simd128', false)]
    expect(shared.filter((byte, i) => byte !== own[i])).toEqual(new Uint8Array([3]))
    for (const [bytes, type] of [
      [shared, true],
      [own, false],
    ] as const) {
      const memory = new WebAssembly.Memory({ initial: 400, maximum: 65536, shared: type })
      const env = { memory, startWorkers() {} }
      expect(() => new WebAssembly.Instance(new WebAssembly.Module(bytes), { env })).not.toThrow()
    }
  })

  // -(1 + 2⁻¹¹) + (1 + 2⁻¹²)²: exactly 2⁻²⁴, which rounding the square loses.
  for (const variant of wasmVariants) {
    it.skipIf(whyNoWasm(variant))(`rounds a multiply-add as ${variant} does`, () => {
      const { heap, kernels } = wasmBackend({ variant })
      const block = heap.allocate(64)
      const view = heap.floats(block, 0, 5)
      const factor = 1 + 2 ** -12
      view.set([1, factor, -(1 + 2 ** -11), factor])
      kernels.matmul(
        view,
        heap.floats(block, 8, 2),
        null,
        heap.floats(block, 16, 1),
        1,
        2,
        1,
        0,
        0,
        0,
      )
      expect(view[4]).toBe(variant === 'relaxed' ? 2 ** -24 : 0)
    })
  }
})
