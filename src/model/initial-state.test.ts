/** Models of recurrent layers: initial states, learned and as inputs; streams of the LSTM's variants. */
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { Random } from '../kernels/kernels.case.ts'
import {
  bidirectional,
  dense,
  embedding,
  gru,
  gruCell,
  input,
  lstm,
  lstmCell,
  rnn,
  stackedRnnCells,
} from '../layers/index.ts'
import { layerFromConfig } from '../layers/registry.ts'
import { model as makeModel } from './functional.ts'
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

describe('initial states as inputs', () => {
  const shape = [3, steps, features]
  const data = Float32Array.from(random.uniform(3 * steps * features))
  const stateOf = (width: number) => ({
    shape: [3, width],
    data: Float32Array.from(random.uniform(3 * width)),
  })

  it('of an lstm with a projection: the states of a first half go into a second', async () => {
    const x = input({ shape: [null, features], name: 'x' })
    const [h, c] = [input({ shape: [2] }), input({ shape: [4] })]
    const layer = lstm({ units: 4, projection: 2, returnState: true, learnInitialState: true })
    const whole = layer.apply(x)
    const rest = layer.apply(x, { initialState: { h, c } })
    const first = makeModel({ inputs: x, outputs: [whole.output, whole.h, whole.c] })
    const second = makeModel({ inputs: [x, h, c], outputs: rest.output })
    const [y] = await first.predict({ shape, data })
    const half = (from: number) => ({
      shape: [3, 2, features],
      data: Float32Array.from({ length: 6 * features }, (_, i) => {
        const [row, at] = [Math.floor(i / (2 * features)), i % (2 * features)]
        return data[row * steps * features + from * features + at]
      }),
    })
    const [, h1, c1] = await first.predict(half(0))
    const states = await Promise.all(
      [h1, c1].map(async (state) => ({ shape: state.shape, data: await state.data() })),
    )
    const z = await second.predict([half(2), ...(states as never[])])
    expect(await z.data()).toEqual(await y.data())
  })

  it('of rnn and bidirectional', async () => {
    const x = input({ shape: [null, features] })
    const states = [3, 3, 2].map((width) => input({ shape: [width] }))
    const cell = stackedRnnCells([lstmCell({ units: 3 }), gruCell({ units: 2 })])
    const one = rnn(cell).apply(x, { initialState: states })
    const both = bidirectional(gru({ units: 2 })).apply(x, {
      initialState: [states[2], states[2]],
    })
    const model = makeModel({ inputs: [x, ...states], outputs: [one, both] })
    const given = [{ shape, data }, stateOf(3), stateOf(3), stateOf(2)]
    const [y, z] = await model.predict(given)
    expect([y.shape, z.shape]).toEqual([
      [3, 2],
      [3, 4],
    ])
    const moved = [...given.slice(0, 3), stateOf(2)]
    const [otherY, otherZ] = await model.predict(moved)
    expect(await otherY.data()).not.toEqual(await y.data())
    expect(await otherZ.data()).not.toEqual(await z.data())
  })
})

describe.each([
  { zeroOutputForMask: true },
  { zeroOutputForMask: true, learnInitialState: true, returnState: true },
  { peephole: true },
  { projection: 2 },
  { coupledGates: true },
  { cellClip: 0.1 },
  { gateClip: 0.2 },
  { layerNormalization: true },
  { zoneout: { h: 0.2, c: 0.1 } },
  { recurrentKernelDropout: 0.3, dropout: 0.1, recurrentDropout: 0.2 },
])('%j', (options) => {
  eachKindOfBackend((backend) => {
    it('streams what predict gives, masked steps too', async () => {
      const layers = [
        embedding({ inputDim: 7, outputDim: 3, maskZero: true }),
        lstm({ units: 4, returnSequences: true, ...options }),
      ]
      const model = sequential(layers, { backend, seed: 3 }).build([null, null])
      const ids = [
        [3, 0, 2, 5],
        [0, 6, 0, 1],
      ]
      const y = await model.predict(ids)
      const [, , width] = y.shape
      const flat = await y.data()
      const state = model.initialState(2)
      ids[0].forEach((_, t) => {
        const found = model.step([ids[0][t], ids[1][t]], state).y
        const expected = [0, 1].flatMap((row) => {
          const start = (row * 4 + t) * width
          return Array.from(flat.subarray(start, start + width))
        })
        // -0 is 0.
        expect(Array.from(found, (value) => value + 0)).toEqual(expected)
      })
    })
  })
})
