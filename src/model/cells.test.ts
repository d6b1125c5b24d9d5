/** Models of cells and lambda layers: trained, saved, loaded, streamed, explained. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachKindOfBackend, expectError } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import { referenceBackend } from '../kernels/reference.ts'
import {
  defineCell,
  dense,
  embedding,
  type LambdaFunction,
  lambda,
  lstm,
  lstmCell,
  rnn,
  stackedRnnCells,
} from '../layers/index.ts'
import { adam } from '../train/optimizers.ts'
import { explain } from './explain/explain.ts'
import { encodeModel } from './file.ts'
import { decodeModel, loadRefrain } from './load.ts'
import { sequential } from './sequential.ts'
import { waysOf } from './ways.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-cells-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A leaky integrator; its output is no state. */
const leaky = defineCell({
  name: 'leaky',
  stateSizes: ({ units }: { units: number }) => [units],
  weights: ({ inputSize, units }) => ({ kernel: [inputSize, units], decay: [units] }),
  step({ x, states: [s], weights, ops }) {
    const kept = ops.multiply(s, ops.sigmoid(weights.decay))
    const next = ops.add(kept, ops.linear(x, weights.kernel))
    return { output: ops.tanh(next), states: [next] }
  },
})
const double: LambdaFunction = ({ x, ops }) => ops.multiply(x, 2)

const layers = () => [
  embedding({ inputDim: 9, outputDim: 4, maskZero: true }),
  rnn(stackedRnnCells([lstmCell({ units: 5, dropout: 0.2 }), leaky({ units: 4 })]), {
    returnSequences: true,
    learnInitialState: true,
  }),
  lambda({ name: 'double', call: double, keepMask: true, perStep: true }),
  lstm({ units: 3, returnSequences: true, peephole: true }),
  dense({ units: 2 }),
]
const random = new Random(71)
const ids = Array.from({ length: 6 }, () =>
  Array.from({ length: 7 }, () => Math.floor(random.uniform(1, 0, 8.99)[0])),
)
const customLayers = { leaky, double }

eachKindOfBackend((backend) => {
  const make = () => {
    const model = sequential(layers(), { backend, seed: 4 }).build([null, null])
    model.compile({ optimizer: adam({ learningRate: 0.05 }), loss: 'meanSquaredError' })
    return model
  }

  it('learn, and come back from a file', async () => {
    const model = make()
    const targets = ids.map((row) => row.map((id) => [id / 9, 1 - id / 9]))
    const { history } = await model.fit(ids, targets, { epochs: 12 })
    expect(history.loss[11]).toBeLessThan(0.6 * history.loss[0])
    const path = join(folder, 'cells.refrain')
    await model.save(path)
    const again = await loadRefrain(path, { backend, customLayers })
    expect(again.layers.map(({ config }) => config)).toEqual(model.layers.map((l) => l.config))
    expect(await (await again.predict(ids)).data()).toEqual(await (await model.predict(ids)).data())
    await again.fit(ids, targets)
  })

  it('run step by step as in sequences', async () => {
    const model = make()
    const flat = await (await model.predict(ids)).data()
    const state = model.initialState(ids.length)
    expect(Object.keys(state.toJSON().states)).toEqual([
      'rnn/h.0',
      'rnn/c.0',
      'rnn/state1.1',
      'rnn/output',
      'lstm/h',
      'lstm/c',
    ])
    for (let t = 0; t < 7; t++) {
      const { y } = model.step(
        ids.map((row) => row[t]),
        state,
      )
      const expected = ids.flatMap((_, row) => {
        const start = (row * 7 + t) * 2
        return Array.from(flat.subarray(start, start + 2))
      })
      expect(Array.from(y)).toEqual(expected)
    }
  })
})

it('stateful: two halves are the whole', async () => {
  const make = (stateful: boolean) =>
    sequential(
      [
        rnn(stackedRnnCells([lstmCell({ units: 3 }), leaky({ units: 2 })]), {
          returnSequences: true,
          stateful,
        }),
      ],
      { backend: referenceBackend(), seed: 5 },
    ).build([null, null, 2])
  const data = Float32Array.from(random.uniform(2 * 6 * 2))
  const part = (from: number, steps: number) => ({
    shape: [2, steps, 2],
    data: Float32Array.from({ length: 2 * steps * 2 }, (_, i) => {
      const row = Math.floor(i / (steps * 2))
      return data[row * 12 + from * 2 + (i % (steps * 2))]
    }),
  })
  const whole = await (await make(false).predict(part(0, 6))).data()
  const model = make(true)
  const [first, second] = [
    await (await model.predict(part(0, 4))).data(),
    await (await model.predict(part(4, 2))).data(),
  ]
  const both = [0, 1].flatMap((row) => [
    ...first.subarray(row * 8, row * 8 + 8),
    ...second.subarray(row * 4, row * 4 + 4),
  ])
  expect(both).toEqual(Array.from(whole))
})

describe('files', () => {
  it('say what is missing', () => {
    const model = sequential(layers(), { backend: referenceBackend() }).build([null, null])
    const bytes = encodeModel(model, {}, null)
    const load = (given: object) => () =>
      decodeModel(bytes, 'x.refrain', { customLayers: given as never })
    expectError(
      load({ leaky }),
      'BAD_FILE',
      "x.refrain: the function of the lambda layer 'double' is missing; your own come by " +
        'loadModel(path, { customLayers: { double } })',
    )
    expect(load({ double })).toThrow(/unknown layer 'leaky'.*customLayers: \{ leaky \}/)
    expect(load(customLayers)().model.layers).toHaveLength(5)
  })
})

describe('a lambda that may look at all steps', () => {
  it('stops streams', () => {
    const model = sequential([lambda({ name: 'double', call: double }), lstm({ units: 2 })], {
      backend: referenceBackend(),
    }).build([null, null, 2])
    expectError(
      () => model.initialState(),
      'UNSUPPORTED',
      "sequential.step: the layer 'double' cannot run step by step: perStep: true would say that " +
        'each step is computed by itself; use predict',
    )
  })
})

it('waysOf and explain show cells', async () => {
  const model = sequential(layers(), { backend: referenceBackend() }).build([null, null])
  const ways = waysOf(model).layers.map(({ layer, prediction }) => `${layer}: ${prediction}`)
  expect(ways).toEqual([
    'embedding: operations',
    'rnn: composed',
    'double: operations',
    'lstm: composed',
    'dense: operations',
  ])
  model.compile({ optimizer: adam(), loss: 'meanSquaredError' })
  const { layers: lines, slow } = await explain(model, { batchSize: 2, steps: 3, milliseconds: 1 })
  const line = lines.find(({ layer }) => layer === 'rnn')!
  expect(line.predict.milliseconds).toBeGreaterThan(0)
  // Matrices of 4 × 20, 5 × 20 and 5 × 4, for 2 rows and 3 steps.
  expect(line.predict.flops).toBe(2 * 2 * 3 * (80 + 100 + 20))
  expect(slow.find(({ where }) => where === 'rnn')?.advice).toContain('lstm')
})
