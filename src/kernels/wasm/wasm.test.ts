/** What the suite of all backends does not cover: the wasm heap, stale views, the module's imports. */
import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { platform } from '#platform'
import { WasmHeap } from './heap.ts'
import { runLargeKernel, threadedWasm } from './threads.case.ts'
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
  afterEach(() => void vi.restoreAllMocks())

  it('refuses views of memory that has grown since, where memory is not shared', () => {
    vi.spyOn(platform, 'sharesMemory', 'get').mockReturnValue(false)
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

  it('takes old views of shared memory', () => {
    const { heap, kernels } = wasmBackend({ variant: 'simd128' })
    const block = heap.allocate(64)
    const view = heap.floats(block, 0, 16)
    heap.allocate(64 << 20)
    kernels.fill(view, 2, 16)
    expect([...heap.floats(block, 0, 2)]).toEqual([2, 2])
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

describe.skipIf(whyNoWasm('simd128'))('threads of wasm', () => {
  afterEach(() => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
  })

  it('start with the first kernel that is worth it, as many as are wanted', async () => {
    const startWorker = vi.spyOn(platform, 'startWorker')
    const backend = wasmBackend({ variant: 'simd128', threads: 3 })
    expect(backend.threads).toBe(3)
    backend.kernels.fill(backend.heap.floats(backend.heap.allocate(64), 0, 16), 1, 16)
    expect(startWorker).not.toHaveBeenCalled()
    runLargeKernel(backend)
    expect(startWorker).toHaveBeenCalledTimes(2)
    backend.threads = 1
    backend.threads = 2
    runLargeKernel(backend)
    expect(startWorker).toHaveBeenCalledTimes(2)
    backend.threads = 4
    runLargeKernel(backend)
    expect(startWorker).toHaveBeenCalledTimes(3)
  })

  it('share the work, and see memory that grows', async () => {
    const backend = await threadedWasm({ variant: 'simd128', threads: 2 })
    for (let i = 0; i < 20; i++) {
      backend.heap.allocate(8 << 20)
      expect(runLargeKernel(backend).every((value) => value === 2)).toBe(true)
    }
  })

  it('leave the stack as it was, also before the kernels are compiled for speed', async () => {
    const backend = await threadedWasm({ variant: 'simd128', threads: 3 })
    const { heap, kernels } = backend
    const [rows, cols] = [2381, 21]
    const place = () => heap.floats(heap.allocate(4 * rows * cols), 0, rows * cols)
    const [x, y] = [place(), place()]
    x.fill(1)
    // A stack that is lost is at its end after a call or two: the next one traps.
    for (let call = 0; call < 300; call++) {
      backend.threads = 1 + (call % 3)
      kernels.softmax(x, y, rows, cols, 0)
    }
    expect(y.every((value) => Math.abs(value - 1 / cols) < 1e-7)).toBe(true)
  })

  it('are as many as REFRAIN_THREADS says', () => {
    vi.stubEnv('REFRAIN_THREADS', '3')
    expect(wasmBackend().threads).toBe(3)
    vi.stubEnv('REFRAIN_THREADS', '0')
    expect(() => wasmBackend()).toThrow(
      'REFRAIN_THREADS: expected a whole number from 1 to 1024, got 0',
    )
  })

  it('are one where memory is not shared or workers are forbidden', () => {
    const shares = vi.spyOn(platform, 'sharesMemory', 'get').mockReturnValue(false)
    expect(wasmBackend({ threads: 2 }).threads).toBe(1)
    shares.mockReturnValue(true)
    const startWorker = vi.spyOn(platform, 'startWorker').mockImplementation(() => {
      throw new Error('forbidden')
    })
    const backend = wasmBackend({ threads: 4 })
    expect(runLargeKernel(backend).every((value) => value === 2)).toBe(true)
    expect(backend.threads).toBe(1)
    runLargeKernel(backend)
    expect(startWorker).toHaveBeenCalledTimes(1)
  })

  const dist = (path: string) =>
    JSON.stringify(new URL(`../../../dist/${path}`, import.meta.url).href)
  const runScript = (script: string, ...flags: string[]) => {
    const args = [...flags, '--input-type=module', '-e', script]
    const options = { encoding: 'utf8', timeout: 10_000 } as const
    const { stdout, stderr, status } = spawnSync(process.execPath, args, options)
    return { stdout, stderr, status }
  }

  it('let the process end', () => {
    const script = `
      import { wasmBackend } from ${dist('kernels/wasm/wasm.js')}
      const { heap, kernels } = wasmBackend({ threads: 2 })
      const n = 1 << 20
      const view = heap.floats(heap.allocate(4 * n), 0, n)
      kernels.fill(view, 1, n)
      setTimeout(() => { kernels.fill(view, 2, n); console.log(view[n - 1]) }, 100)`
    expect(runScript(script)).toEqual({ stdout: '2\n', stderr: '', status: 0 })
  })

  it('end when the backend is collected', () => {
    const script = `
      import { setTimeout } from 'node:timers/promises'
      import { wasmBackend } from ${dist('kernels/wasm/wasm.js')}
      import { platform } from ${dist('platform/node.js')}
      const { startWorker } = platform
      let running = 0
      platform.startWorker = (...args) => {
        const worker = startWorker(...args)
        running++
        return { terminate() { running--; worker.terminate() } }
      }
      const use = () => {
        const { heap, kernels } = wasmBackend({ threads: 3 })
        const n = 1 << 20
        kernels.fill(heap.floats(heap.allocate(4 * n), 0, n), 1, n)
      }
      use()
      const before = running
      for (let i = 0; i < 100 && running > 0; i++) {
        gc()
        await setTimeout(20)
      }
      console.log(before, running)`
    expect(runScript(script, '--expose-gc')).toEqual({ stdout: '2 0\n', stderr: '', status: 0 })
  })
})
