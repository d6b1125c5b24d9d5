/** Models of recurrent layers with a learned initial state. */
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import { dense, lstm } from '../layers/index.ts'
import { layerFromConfig } from '../layers/registry.ts'
import { sequential } from './sequential.ts'

const random = new Random(41)
const [steps, features] = [4, 2]

describe('learnInitialState', () => {
  it('has weights that start from zeros, and comes back from its configuration', () => {
    const layer = lstm({ units: 4, projection: 3, learnInitialState: true, name: 'reader' })
    const model = sequential([layer], { backend: truth }).build([null, null, 2])
    const [h, c] = model.layers[0].getWeights().slice(-2)
    expect([h.name, h.data, c.name, c.data]).toEqual([
      'initialH',
      new Float64Array(3),
      'initialC',
      new Float64Array(4),
    ])
    expect(layerFromConfig(layer.config).config).toEqual(layer.config)
    expect(lstm({ units: 4 }).config.options).not.toHaveProperty('learnInitialState')
  })

  eachKindOfBackend((backend) => {
    it('a stream starts from it', async () => {
      const layers = [
        lstm({ units: 4, returnSequences: true, learnInitialState: true }),
        lstm({ units: 3, returnSequences: true, peephole: true, learnInitialState: true }),
        dense({ units: 2 }),
      ]
      const model = sequential(layers, { backend, seed: 3 }).build([null, null, features])
      for (const layer of model.layers.slice(0, 2)) {
        const weights = layer.getWeights()
        layer.setWeights(weights.map(({ data }) => data.map((value, i) => value + 0.1 * (i + 1))))
      }
      const data = Float32Array.from(random.uniform(2 * steps * features))
      const flat = await (await model.predict({ shape: [2, steps, features], data })).data()
      const state = model.initialState(2)
      for (let t = 0; t < steps; t++) {
        const at = (row: number) => (row * steps + t) * features
        const { y } = model.step(
          [...data.subarray(at(0), at(0) + features), ...data.subarray(at(1), at(1) + features)],
          state,
        )
        const expected = [0, 1].flatMap((row) => {
          const start = (row * steps + t) * 2
          return Array.from(flat.subarray(start, start + 2))
        })
        expect(Array.from(y)).toEqual(expected)
      }
    })
  })
})
