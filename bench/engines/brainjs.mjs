/**
 * brain.js, which computes another network: its "LSTM" has no cell state, an output layer that is as
 * wide as the input stands behind every step, and each sequence is an update of its own (RMSprop). It
 * gets the job nearest to the workload's: B sequences of T steps and one more to be predicted. The
 * gradients of a sequence are of the squared error at all steps, as it always does.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** @returns {import('../worker.mjs').Engine} */
export function open() {
  const { recurrent } = require('brain.js')
  const { version } = require('brain.js/package.json')
  return {
    runs: 'cpu',
    threads: 1,
    version,
    make({ B, T, I, U, layers }, { x }) {
      const net = new recurrent.LSTMTimeStep({
        inputSize: I,
        outputSize: I,
        hiddenLayers: Array.from({ length: layers }, () => U),
      })
      const step = (/** @type {number} */ b, /** @type {number} */ t) =>
        x.slice((b * T + t) * I, (b * T + t + 1) * I)
      const sequences = Array.from({ length: B }, (_, b) => ({
        input: Array.from({ length: T }, (_, t) => step(b, t)),
        output: [step(b, 0)],
      }))
      // A network that has not been trained does not run.
      net.train(sequences, { iterations: 1, errorThresh: 0 })
      return {
        prepareTraining: (steps) => ({
          steps,
          async run() {
            net.train(sequences, { iterations: steps, errorThresh: 0 })
          },
        }),
        async predict() {
          return sequences.flatMap(({ input }) => [...net.run(input)])
        },
      }
    },
  }
}
