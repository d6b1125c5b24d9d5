/** `debugNumerics`: numbers made not to be finite at known places are found there. */
import { describe, expect, it } from 'vitest'
import type { RefrainError } from '../errors.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import {
  bidirectional,
  dense,
  dropout,
  type Layer,
  lambda,
  lstm,
  rnn,
  simpleRnn,
  simpleRnnCell,
} from '../layers/index.ts'
import type { NumericsReport } from '../train/numerics.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { terminateOnNaN } from '../train/rate-callbacks.ts'
import type { FitOptions, Model } from './index.ts'
import { sequential } from './index.ts'

/** 4 rows of 5 steps of 2 numbers: 1, but for what row 2 has at step 3. */
const rowsWith = (odd: number[]) =>
  Array.from({ length: 4 }, (_, row) =>
    Array.from({ length: 5 }, (_, t) => (row === 2 && t === 3 ? odd : [1, 1])),
  )
const y = [[1], [1], [1], [1]]

function modelOf(layers: Layer[], optimizer = sgd(), backend = truth): Model {
  const model = sequential(layers, { backend })
  model.compile({ optimizer, loss: 'meanSquaredError' })
  return model
}

async function failure(
  model: Model,
  x: number[][][],
  targets: unknown = y,
  options: FitOptions = {},
) {
  const error = await model
    .fit(x, targets as number[][], { debugNumerics: true, ...options })
    .then(() => null)
    .catch((thrown: RefrainError) => thrown)
  expect(error?.code).toBe('NOT_FINITE')
  return { message: error!.message, report: error!.cause as NumericsReport }
}

const huge = 1.5e308

describe('going forward', () => {
  /** Gate f of unit 1 is ∞ - ∞ where the two inputs differ in sign. */
  const overflowing = () => {
    const model = modelOf([lstm({ units: 2 }), dense({ units: 1 })])
    model.build([null, null, 2])
    const kernel = new Array(16).fill(0)
    kernel[3] = huge
    kernel[8 + 3] = huge
    model.layers[0].setWeights([kernel, new Array(16).fill(0), new Array(8).fill(0)])
    return model
  }

  it('names gate, time step, row and unit, and what was before', async () => {
    const { message, report } = await failure(overflowing(), rowsWith([2, -2]), y, { batchSize: 3 })
    const { before, history, ...place } = report
    expect(place).toEqual({
      kind: 'gate',
      iteration: expect.any(Number),
      layer: 'lstm',
      name: 'f',
      t: 3,
      row: 2,
      unit: 1,
      value: Number.NaN,
    })
    // The three steps before, where f is σ(0) and σ(∞), then i of the same step.
    expect(before.map(({ of, t, least, largest }) => [of, t, least, largest])).toEqual([
      ['lstm f', 0, 0.5, 1],
      ['lstm f', 1, 0.5, 1],
      ['lstm f', 2, 0.5, 1],
      ['lstm i', 3, 0.5, 0.5],
    ])
    expect(history.length).toBe(place.iteration)
    expect(message).toContain(
      "the first value that is not finite is NaN in gate f of 'lstm', time step 3, row 2, unit 1; " +
        'before it lstm f at step 0 from 0.5 to 1, ',
    )
    expect(message).toContain('the weights are those before this step')
  })

  eachBackend((backend) => {
    it('on this backend, in a layer that runs fused', async () => {
      const big = backend.heap.floatBytes === 4 ? 3e38 : huge
      const model = modelOf(
        [simpleRnn({ units: 2, activation: 'relu' }), dense({ units: 1 })],
        sgd(),
        backend,
      )
      model.build([null, null, 2])
      model.layers[0].setWeights([
        [0, 0, 0, big],
        [0, 0, 0, 0],
        [0, 0],
      ])
      const { report } = await failure(
        model,
        rowsWith([0, 2]).map((row) => row.map(([u, v]) => [u, v === 1 ? 0 : v])),
      )
      const { kind, name, t, row, unit } = report
      expect([kind, name, t, row, unit]).toEqual(['state', 'h', 3, 2, 1])
    })
  })

  it('names the state', async () => {
    const model = modelOf([lstm({ units: 1, activation: 'linear' }), dense({ units: 1 })])
    model.build([null, null, 2])
    // f = i = 1, g = huge at each step: the second makes c infinite.
    model.layers[0].setWeights([
      [99, 99, huge, 0, 0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ])
    const { report } = await failure(model, [rowsWith([1, 1])[0]], [[1]])
    const { kind, layer, name, t, row, unit, value } = report
    expect({ kind, layer, name, t, row, unit, value }).toEqual({
      kind: 'state',
      layer: 'lstm',
      name: 'c',
      t: 1,
      row: 0,
      unit: 0,
      value: Infinity,
    })
    expect(report.before[0]).toMatchObject({ of: 'lstm c', t: 0, largest: huge })
  })

  it('names a direction, and a cell by its layer', async () => {
    const one = modelOf([
      bidirectional(simpleRnn({ units: 1, activation: 'linear' })),
      dense({ units: 1 }),
    ])
    one.build([null, null, 2])
    one.layers[0].setWeights([[0, 0], [0], [0], [1, 0], [huge], [0]])
    // From the end: h is 1 at step 4, and overflows two steps later.
    const found = (await failure(one, rowsWith([1, 1]))).report
    expect([found.kind, found.layer, found.name, found.t]).toEqual([
      'state',
      'bidirectional/backward',
      'h',
      2,
    ])
    const other = modelOf([
      rnn(simpleRnnCell({ units: 1, activation: 'linear' })),
      dense({ units: 1 }),
    ])
    other.build([null, null, 2])
    other.layers[0].setWeights([[1, 0], [huge], [0]])
    const cell = (await failure(other, rowsWith([1, 1]))).report
    expect([cell.kind, cell.layer, cell.name, cell.t]).toEqual(['state', 'rnn', 'h', 2])
  })

  it('names the step of an output, the weight that was bad before, and the loss', async () => {
    const each = [dense({ units: 3 }), simpleRnn({ units: 1 }), dense({ units: 1 })]
    const output = modelOf(each)
    output.build([null, null, 2])
    output.layers[0].setWeights([
      [0, huge, 0, 0, 0, 0],
      [0, 0, 0],
    ])
    const { report } = await failure(output, rowsWith([2, 0]))
    const { kind, layer, t, row, unit, value } = report
    expect({ kind, layer, t, row, unit, value }).toEqual({
      kind: 'output',
      layer: 'dense',
      t: 3,
      row: 2,
      unit: 1,
      value: Infinity,
    })
    output.layers[0].setWeights([
      [0, 0, 0, 0, Number.NaN, 0],
      [0, 0, 0],
    ])
    expect((await failure(output, rowsWith([1, 1]))).message).toContain(
      "is NaN in the weight 'dense/kernel' before the step, element 4",
    )
    const wrong = modelOf([lambda({ name: 'same', call: ({ x }) => x }), dense({ units: 1 })])
    wrong.build([null, 2])
    wrong.layers[1].setWeights([[1e200, 0], [0]])
    const loss = (await failure(wrong, [[1, 1]] as never, [[1]])).report
    expect([loss.kind, loss.value]).toEqual(['loss', Infinity])
    expect(loss.before.at(-1)).toMatchObject({ of: 'dense output', largest: 1e200 })
  })
})

describe('going back', () => {
  it('names the gradient that is not finite first', async () => {
    const root = lambda({ name: 'root', call: ({ x, ops }) => ops.sqrt(x), keepMask: true })
    const relu = simpleRnn({ units: 2, activation: 'relu', returnSequences: true })
    const model = modelOf([relu, root, simpleRnn({ units: 1 }), dense({ units: 1 })])
    model.build([null, null, 2])
    // h is x; √0 has no slope.
    relu.setWeights([
      [1, 0, 0, 1],
      [0, 0, 0, 0],
      [0, 0],
    ])
    const { report } = await failure(model, rowsWith([1, 0]))
    expect([report.kind, report.layer, report.t, report.row, report.unit]).toEqual([
      'gradient',
      'simpleRnn',
      3,
      2,
      1,
    ])
    expect(report.before.at(-1)!.of).toMatch(/^∂loss\/∂\(root output\)$/)
  })

  it('names the weight that the optimizer spoils, and restores it', async () => {
    const model = modelOf(
      [simpleRnn({ units: 2 }), dense({ units: 1 })],
      sgd({ learningRate: 1e308 }),
    )
    model.build([null, null, 2])
    const before = model.parameters.values.values.slice()
    const { message, report } = await failure(model, rowsWith([1, 1]), [[99], [9], [9], [9]])
    expect([report.kind, report.t, report.row]).toEqual(['update', null, null])
    expect(message).toMatch(/is -?Infinity in the weight '[\w/]+' after the step, element \d;/)
    expect(model.parameters.values.values).toEqual(before)
  })
})

it('counts steps from the beginning of a sequence cut into windows', async () => {
  const layers = [
    simpleRnn({ units: 1, activation: 'linear', returnSequences: true }),
    dense({ units: 1 }),
  ]
  const model = modelOf(layers, sgd({ learningRate: 0 }))
  model.build([null, null, 2])
  model.layers[0].setWeights([[1, 0], [huge], [0]])
  model.layers[1].setWeights([[1e-308], [0]])
  const x = [
    [
      [0, 0],
      [0, 0],
      [0, 0],
      [1, 0],
      [0, 0],
      [1, 0],
    ],
  ]
  const targets = [[[0], [0], [0], [0], [0], [0]]]
  const { report } = await failure(model, x, targets, { bpttSteps: 2, shuffle: false })
  // 1 at step 3, huge at 4, ∞ at 5: in the third window.
  expect([report.kind, report.t, report.iteration]).toEqual(['state', 5, 2])
  expect(report.history.map(({ iteration }) => iteration)).toEqual([0, 1])
})

it('a callback ends training with the same report', async () => {
  const model = modelOf([simpleRnn({ units: 1 }), dense({ units: 1 })])
  model.build([null, null, 2])
  model.layers[1].setWeights([[Number.NaN], [0]])
  const callbacks = [terminateOnNaN()]
  const { stopped } = await model.fit(rowsWith([1, 1]), y, { callbacks, debugNumerics: true })
  expect(stopped).toContain("NaN in the weight 'dense/kernel' before the step, element 0")
})

it('good numbers come out as without it', async () => {
  const weightsOf = async (debugNumerics: boolean) => {
    const model = modelOf(
      [lstm({ units: 3, dropout: 0.3 }), dropout({ rate: 0.2 }), dense({ units: 1 })],
      adam(),
    )
    await model.fit(rowsWith([2, 3]), y, { epochs: 3, batchSize: 2, debugNumerics })
    return model.parameters.values.values
  }
  expect(await weightsOf(true)).toEqual(await weightsOf(false))
})
