/**
 * Prints what the backend that REFRAIN_BACKEND and REFRAIN_THREADS choose computes at most: one line of
 * JSON. `gflops`: independent multiply-adds in registers; `product`: one large product of matrices.
 */
import { setTimeout } from 'node:timers/promises'
import { defaultBackend, measurePeak } from '../dist/index.js'

const backend = defaultBackend()
// Workers of WebAssembly start with the first call, and are there once the event loop has turned.
measurePeak(backend, { milliseconds: 0 })
await setTimeout(100)
console.log(
  JSON.stringify({ variant: backend.variant, ...measurePeak(backend), product: measureProduct() }),
)
process.exit(0)

/** GFLOP/s of [M,K]·[K,N] as the weight gradients of wide layers are; the fastest of four. */
function measureProduct() {
  const { heap, kernels } = backend
  const [m, k, n] = [2048, 1280, 4096]
  const make = (/** @type {number} */ size) => {
    const array = heap.floats(heap.allocate(4 * size), 0, size)
    kernels.fill(array, 0.5, size)
    return array
  }
  const [a, b, out] = [make(m * k), make(k * n), make(m * n)]
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 4; i++) {
    const start = performance.now()
    kernels.matmul(a, b, null, out, m, k, n, 0, 0, 0)
    fastest = Math.min(fastest, performance.now() - start)
  }
  return (2 * m * k * n) / fastest / 1e6
}
