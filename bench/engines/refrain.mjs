/**
 * Refrain, through its public API: `fit` and `predict`, and `step` for the steps of a stream.
 * REFRAIN_BACKEND says on which backend.
 */
import { readFileSync } from 'node:fs'
import { adam, defaultBackend, lstm, sequential } from '../../dist/index.js'
import { inputsOf } from '../workloads.mjs'
import { makeModel } from './refrain-models.mjs'

/** `fit` gets at most this many numbers at once, then several epochs of them. */
const mostNumbers = 4e6

/** @returns {import('../worker.mjs').Engine} */
export function open() {
  const backend = defaultBackend()
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return {
    runs: `${backend.name} ${backend.variant}`,
    threads: backend.threads,
    version,
    make(workload, data) {
      if (workload.model) return makeModel(workload, data)
      const { B, T, I, U, predictOnly } = workload
      const { x, y } = data
      const model = makeStack(workload, data.weights)
      const input = { data: x, shape: [B, T, I] }
      const stream = predictOnly && T === 1 ? model.initialState(B) : null
      return {
        /** One epoch of as many equal batches as there are steps, as far as memory allows. */
        prepareTraining(steps) {
          const most = Math.max(1, Math.floor(mostNumbers / x.length))
          const epochs = Math.ceil(steps / most)
          const batches = Math.round(steps / epochs)
          const rows = B * batches
          const xs = { data: repeat(x, batches), shape: [rows, T, I] }
          const ys = { data: repeat(y, batches), shape: [rows, U] }
          const options = { epochs, batchSize: B, shuffle: false }
          return {
            steps: epochs * batches,
            async run() {
              await model.fit(xs, ys, options)
            },
          }
        },
        async predict() {
          if (stream) return model.step(x, stream).y
          const output = await model.predict(input, { batchSize: B })
          return output.data()
        },
      }
    },
  }
}

/**
 * The layers, with copies of these weights. Apart from `make`, whose closures would keep the weights.
 *
 * @param {import('../workloads.mjs').Workload} workload @param {Float32Array[][]} weights
 */
function makeStack(workload, weights) {
  const { T, I, U, layers } = workload
  const stack = Array.from({ length: layers }, (_, k) =>
    lstm({ units: U, returnSequences: k < layers - 1 }),
  )
  const model = sequential(stack)
  model.build([null, T, I])
  stack.forEach((layer, k) => {
    const [kernel, recurrentKernel, bias] = weights[k]
    layer.setWeights([
      { data: kernel, shape: [inputsOf(workload, k), 4 * U] },
      { data: recurrentKernel, shape: [U, 4 * U] },
      { data: bias, shape: [4 * U] },
    ])
  })
  model.compile({ optimizer: adam({ learningRate: 1e-3 }), loss: 'meanSquaredError' })
  return model
}

/** @param {Float32Array} array @param {number} times */
function repeat(array, times) {
  const result = new Float32Array(array.length * times)
  for (let i = 0; i < times; i++) result.set(array, i * array.length)
  return result
}
