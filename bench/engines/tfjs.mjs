/**
 * TensorFlow.js through its layers API: `trainOnBatch` on tensors that exist already, and `predict`.
 * Keras 3's defaults are spelt out where TensorFlow.js has others (recurrentActivation).
 *
 * One thread: TensorFlow.js turns wasm threads off in Node (tensorflow/tfjs#3830), and with the flag
 * forced on its worker does not start there.
 */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { inputsOf } from '../workloads.mjs'

const require = createRequire(import.meta.url)

/** @param {{ backend: 'wasm' | 'cpu' }} options @returns {Promise<import('../worker.mjs').Engine>} */
export async function open({ backend }) {
  const tf = require('@tensorflow/tfjs')
  tf.enableProdMode()
  let runs = backend
  if (backend === 'wasm') {
    const wasm = require('@tensorflow/tfjs-backend-wasm')
    wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`)
    if (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) runs += ' simd'
  }
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js: no backend ${backend}`)
  return {
    runs,
    threads: 1,
    version: tf.version.tfjs,
    make(workload, { x, y, weights }) {
      const { B, T, I, U, layers } = workload
      const stack = Array.from({ length: layers }, (_, k) =>
        tf.layers.lstm({
          units: U,
          recurrentActivation: 'sigmoid',
          // Replaced below; its own, orthogonal, takes seconds.
          recurrentInitializer: 'zeros',
          returnSequences: k < layers - 1,
          ...(k === 0 ? { inputShape: [T, I] } : {}),
        }),
      )
      const model = tf.sequential({ layers: stack })
      stack.forEach((layer, k) => {
        const [kernel, recurrentKernel, bias] = weights[k]
        layer.setWeights([
          tf.tensor(kernel, [inputsOf(workload, k), 4 * U]),
          tf.tensor(recurrentKernel, [U, 4 * U]),
          tf.tensor(bias, [4 * U]),
        ])
      })
      model.compile({ optimizer: tf.train.adam(1e-3), loss: 'meanSquaredError' })
      const input = tf.tensor(x, [B, T, I])
      const target = tf.tensor(y, [B, U])
      return {
        prepareTraining(steps) {
          return {
            steps,
            async run() {
              for (let i = 0; i < steps; i++) await model.trainOnBatch(input, target)
            },
          }
        },
        async predict() {
          const predicted = model.predict(input, { batchSize: B })
          const output = Array.isArray(predicted) ? predicted[0] : predicted
          const values = await output.data()
          output.dispose()
          return values
        },
      }
    },
  }
}
