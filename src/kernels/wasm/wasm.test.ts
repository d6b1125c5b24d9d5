/** What the suite of all backends does not cover: the wasm heap, stale views, the module's imports. */
import { describe, expect, it } from 'vitest'
import { WasmHeap } from './heap.ts'
import { wasmBackend, whyNoWasm } from './wasm.ts'

describe('the wasm heap', () => {
  const make = (pages = 2, maximum = 8) =>
    new WasmHeap(new WebAssembly.Memory({ initial: pages, maximum }), 1000)

  it('takes the first hole that is large enough and joins freed neighbours', () => {
    const heap = make()
    const blocks = [100, 200, 300, 400].map((bytes) => heap.allocate(bytes))
    expect(blocks.map((block) => block.byteOffset)).toEqual([1024, 1152, 1408, 1728])
    heap.free(blocks[0])
    heap.free(blocks[2])
    expect(heap.allocate(300).byteOffset).toBe(1408)
    heap.free(blocks[1])
    expect(heap.allocate(384).byteOffset).toBe(1024)
    expect(heap.bytesInUse).toBe(384 + 320 + 448)
  })

  it('gives everything back', () => {
    const heap = make()
    const blocks = Array.from({ length: 50 }, (_, i) => heap.allocate(i * 10))
    const order = blocks.map((_, i) => (i * 17) % 50)
    for (const i of order) heap.free(blocks[i])
    expect(heap.bytesInUse).toBe(0)
    expect(heap.allocate(2 * 65536 - 1024).byteOffset).toBe(1024)
  })

  it('zeroes reused memory', () => {
    const heap = make()
    const block = heap.allocate(64)
    heap.ints(block, 0, 16).fill(7)
    heap.free(block)
    expect([...heap.ints(heap.allocate(64), 0, 16)]).toEqual(new Array(16).fill(0))
  })

  it('grows, and says so when it cannot', () => {
    const heap = make()
    const block = heap.allocate(5 * 65536)
    expect(heap.floats(block, 0, 5 * 16384).length).toBe(5 * 16384)
    expect(() => heap.allocate(3 * 65536)).toThrow(
      expect.objectContaining({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringMatching(/^wasm: no 196608 bytes left beside the 327680 in use/),
      }),
    )
    heap.allocate(65536)
  })

  it('notices a block that is freed twice', () => {
    const heap = make()
    const block = heap.allocate(64)
    heap.allocate(64)
    heap.free(block)
    expect(() => heap.free(block)).toThrow('heap: a block was freed twice')
  })
})

describe.skipIf(whyNoWasm('simd128'))('wasm', () => {
  it('refuses views of memory that has grown since', () => {
    const { heap, kernels } = wasmBackend({ variant: 'simd128' })
    const block = heap.allocate(64)
    const view = heap.floats(block, 0, 16)
    kernels.fill(view, 1, 16)
    heap.allocate(64 << 20)
    expect(() => kernels.fill(view, 2, 16)).toThrow(
      'wasm: an array does not lie in the current memory of this backend',
    )
    expect([...heap.floats(block, 0, 2)]).toEqual([1, 1])
    expect(() => kernels.fill(new Float32Array(16), 2, 16)).toThrow('wasm: an array does not lie')
  })

  it('refuses sizes that are no 32-bit integers', () => {
    const { heap, kernels } = wasmBackend({ variant: 'simd128' })
    const view = heap.floats(heap.allocate(64), 0, 16)
    for (const wrong of [2 ** 32 + 3, 2 ** 31, 1.5, Number.NaN]) {
      expect(() => kernels.fill(view, 1, wrong)).toThrow(
        new RangeError(`wasm: ${wrong} is not a 32-bit integer`),
      )
    }
    expect(view[0]).toBe(0)
  })

  it('gives backends memories of their own', () => {
    const [a, b] = [wasmBackend(), wasmBackend()]
    const view = a.heap.floats(a.heap.allocate(64), 0, 16)
    expect(() => b.kernels.fill(view, 1, 16)).toThrow('wasm: an array does not lie')
  })
})
