/**
 * ONNX Runtime, predictions only: `onnxruntime-node`, or `onnxruntime-web/wasm` with one thread. The
 * input is given in the order that its LSTM wants, [T,B,I], transposed before anything is timed.
 */
import { readFileSync } from 'node:fs'
import { onnxModel } from './onnx-model.mjs'

/**
 * @param {{ build: 'node' | 'web', threads: number }} options
 * @returns {Promise<import('../worker.mjs').Engine>}
 */
export async function open({ build, threads }) {
  const ort = await import(build === 'node' ? 'onnxruntime-node' : 'onnxruntime-web/wasm')
  if (build === 'web') ort.env.wasm.numThreads = threads
  const manifest = new URL(`../node_modules/onnxruntime-${build}/package.json`, import.meta.url)
  return {
    runs: build === 'node' ? 'cpu' : 'wasm',
    threads,
    version: JSON.parse(readFileSync(manifest, 'utf8')).version,
    async make(workload, { x, weights }) {
      const { B, T, I } = workload
      const session = await ort.InferenceSession.create(onnxModel(workload, weights), {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
      })
      const feeds = { x: new ort.Tensor('float32', timeFirst(x, B, T, I), [T, B, I]) }
      return {
        async predict() {
          const { y } = await session.run(feeds)
          return y.data
        },
      }
    },
  }
}

/** [B,T,I] → [T,B,I]. @param {Float32Array} x @param {number} B @param {number} T @param {number} I */
function timeFirst(x, B, T, I) {
  const result = new Float32Array(x.length)
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const from = (b * T + t) * I
      result.set(x.subarray(from, from + I), (t * B + b) * I)
    }
  }
  return result
}
