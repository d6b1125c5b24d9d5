/**
 * Refrain's native LSTM kernels alone, called as engines/onednn.cc calls oneDNN's: a training step packs
 * the weights, runs forward, makes the gradient of the mean squared error and runs backward. Adam is not
 * in the time; it runs when results are compared. With `dx` the first layer's input gets a gradient, as
 * oneDNN always gives it; `fit` leaves it out.
 */
import { readFileSync } from 'node:fs'
import { defaultBackend } from '../../dist/index.js'
import { inputsOf } from '../workloads.mjs'

/** @param {{ dx: boolean }} options @returns {import('../worker.mjs').Engine} */
export function open({ dx: withInput }) {
  const { kernels, heap, name, variant, threads } = defaultBackend()
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  const floats = (/** @type {number} */ length) =>
    heap.floats(heap.allocate(length * heap.floatBytes), 0, length)
  const copy = (/** @type {Float32Array} */ values) => {
    const array = floats(values.length)
    array.set(values)
    return array
  }
  return {
    runs: `${name} ${variant}`,
    threads,
    version,
    make(workload, data) {
      const { B, T, U, layers } = workload
      const y = data.y
      const last = floats(B * U)
      let input = copy(data.x)
      const stack = data.weights.map((arrays, k) => {
        const inputs = inputsOf(workload, k)
        const weights = arrays.map(copy)
        const layer = {
          inputs,
          weights,
          gradients: arrays.map(({ length }) => floats(length)),
          moments: arrays.map(({ length }) => [floats(length), floats(length)]),
          dx: k > 0 || withInput ? floats(B * T * inputs) : null,
          packed: floats(kernels.lstmPackSize(inputs, U, k > 0 || withInput ? 2 : 1)),
          scratch: floats(kernels.lstmScratchSize(B, T, inputs, U)),
          x: input,
          h: floats(B * T * U),
          c: floats(B * T * U),
          gates: floats(B * T * 4 * U),
          states: Array.from({ length: 4 }, () => floats(B * U)),
        }
        input = layer.h
        return layer
      })

      const pack = () => {
        for (const { weights, packed, inputs, dx } of stack) {
          kernels.lstmPack(weights[0], weights[1], weights[2], packed, inputs, U, dx ? 2 : 1)
        }
      }
      const forward = (/** @type {boolean} */ training) => {
        for (const { x, packed, h, c, gates, states, scratch, inputs } of stack) {
          const kept = training ? [c, gates] : [null, null]
          const [hLast, cLast] = states
          // biome-ignore format: as the interface groups them
          kernels.lstmForward(x, packed, null, null, null, null, null, h, kept[0], kept[1],
            hLast, cLast, scratch, B, T, inputs, U, 0)
        }
        last.set(stack[layers - 1].states[0])
      }
      const backward = () => {
        let dh = null
        for (let k = layers - 1; k >= 0; k--) {
          const { x, packed, h, c, gates, states, scratch, inputs, dx, gradients } = stack[k]
          const [, , dhState, dcState] = states
          kernels.fill(dhState, 0, B * U)
          kernels.fill(dcState, 0, B * U)
          if (dh === null) {
            for (let i = 0; i < B * U; i++) dhState[i] = (2 / (B * U)) * (last[i] - y[i])
          }
          const [dKernel, dRecurrent, dBias] = gradients
          // biome-ignore format: as the interface groups them
          kernels.lstmBackward(x, packed, null, null, null, null, null, h, c, gates, dh,
            dhState, dcState, dx, dKernel, dRecurrent, dBias, scratch, B, T, inputs, U, 0, 0)
          dh = dx
        }
      }
      const step = () => {
        pack()
        forward(true)
        backward()
      }
      pack()

      let updates = 0
      const update = () => {
        updates++
        const rate = (1e-3 * Math.sqrt(1 - 0.999 ** updates)) / (1 - 0.9 ** updates)
        for (const { weights, gradients, moments } of stack) {
          weights.forEach((w, i) => {
            const [m, v] = moments[i]
            for (let j = 0; j < w.length; j++) {
              m[j] += 0.1 * (gradients[i][j] - m[j])
              v[j] += 0.001 * (gradients[i][j] ** 2 - v[j])
              w[j] -= (rate * m[j]) / (Math.sqrt(v[j]) + 1e-7)
            }
          })
        }
      }
      return {
        prepareTraining: (steps) => ({
          steps,
          async run() {
            for (let i = 0; i < steps; i++) step()
          },
        }),
        /** For the comparison of results. */
        update() {
          update()
          pack()
        },
        async predict() {
          forward(false)
          return last
        },
      }
    },
  }
}
