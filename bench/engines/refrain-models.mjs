/** Whole models (models.mjs) through the public API, trained by `fit` on the batches as they are. */
import { adam, bidirectional, dense, embedding, lstm, sequential } from '../../dist/index.js'

/**
 * @param {import('../workloads.mjs').Workload} workload @param {import('../models.mjs').ModelData} data
 * @returns {import('../worker.mjs').EngineModel}
 */
export function makeModel(workload, { weights, lengths, words, targets }) {
  const { model: kind, B, T, I, U, V = 1, layers, batches = 1 } = workload
  const classifies = kind === 'classifier'
  const stack = classifies
    ? [
        embedding({ inputDim: V, outputDim: I, maskZero: true }),
        bidirectional(lstm({ units: U })),
        dense({ units: 1, activation: 'sigmoid' }),
      ]
    : [
        embedding({ inputDim: V, outputDim: I }),
        ...Array.from({ length: layers }, () => lstm({ units: U, returnSequences: true })),
        dense({ units: V, activation: 'softmax' }),
      ]
  const model = sequential(stack)
  model.build([null, classifies ? null : T])
  stack.forEach((layer, k) => {
    layer.setWeights(weights[k])
  })
  model.compile({
    optimizer: adam({ learningRate: 1e-3, ...(classifies ? {} : { globalClipNorm: 5 }) }),
    loss: classifies ? 'binaryCrossentropy' : 'sparseCategoricalCrossentropy',
  })
  let start = 0
  const sequences = Array.from(lengths, (length) => {
    start += length
    return words.subarray(start - length, start)
  })
  const rows = batches * B
  const x = classifies ? sequences : { data: words, shape: [rows, T] }
  const y = classifies ? targets : { data: targets, shape: [rows, T] }
  const first = classifies
    ? sequences.slice(0, B)
    : { data: words.subarray(0, B * T), shape: [B, T] }
  return {
    prepareTraining(steps) {
      const epochs = Math.max(1, Math.round(steps / batches))
      return {
        steps: epochs * batches,
        async run() {
          await model.fit(x, y, { epochs, batchSize: B, shuffle: false })
        },
      }
    },
    async predict() {
      const output = await model.predict(first, { batchSize: B })
      return output.data()
    },
  }
}
