/** A wasm backend whose workers are there, for tests: otherwise the first kernels run without them. */
import { setTimeout } from 'node:timers/promises'
import { vi } from 'vitest'
import { platform } from '#platform'
import type { Backend } from '../kernels.ts'
import { type WasmOptions, wasmBackend } from './wasm.ts'

/** The backend, once `threads` threads serve it. */
export async function threadedWasm(options: WasmOptions & { threads: number }): Promise<Backend> {
  const startWorker = vi.spyOn(platform, 'startWorker')
  const backend = wasmBackend(options)
  runLargeKernel(backend)
  const { module, memory } = startWorker.mock.calls[0][1] as {
    module: WebAssembly.Module
    memory: WebAssembly.Memory
  }
  startWorker.mockRestore()
  const env = { memory, startWorkers() {} }
  const { countThreads } = new WebAssembly.Instance(module, { env }).exports
  while ((countThreads as () => number)() < options.threads) await setTimeout(1)
  return backend
}

/** Runs a kernel that is worth several threads. */
export function runLargeKernel({ heap, kernels }: Backend): Float32Array {
  const n = 2 ** 20
  const block = heap.allocate(4 * n)
  try {
    kernels.fill(heap.floats(block, 0, n), 2, n)
    return heap.floats(block, 0, n).slice() as Float32Array
  } finally {
    heap.free(block)
  }
}
