/** Regularizers and constraints of layers, in training: Keras's weights and losses. */
import { describe, expect, it } from 'vitest'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { callAll, expectGradients, runLayers, weightsOf } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random, type Tolerance } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import {
  bidirectional,
  dense,
  embedding,
  gru,
  type Layer,
  lstm,
  timeDistributed,
} from '../layers/index.ts'
import { maxNorm, unitNorm } from '../tensor/constraints.ts'
import { l1, l1l2, l2 } from '../tensor/regularizers.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { encodeModel } from './file.ts'
import { decodeModel } from './load.ts'
import { sequential } from './sequential.ts'

const fixture = loadFixture('keras/rules.json')
const makers: Record<string, (options: never) => Layer> = { lstm, dense, embedding }
const near: Tolerance = { relative: 1e-5, ofLargest: 1e-5 }

function layerOf({ options: { layer, rules, epochs, batchSize, ...rest } }: FixtureCase): Layer {
  // Keras's L1 and L2 have one number, ours are l1l2 with both.
  const ours = Object.entries(rules as Record<string, { name: string }>).map(([name, rule]) => {
    const regularizer = /^l\d/.test(rule.name)
    return [name, regularizer ? { l1: 0, l2: 0, ...rule, name: 'l1l2' } : rule]
  })
  return makers[layer as string]({ ...rest, ...Object.fromEntries(ours) } as never)
}

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const check = async (backend: Backend, test: FixtureCase) => {
    const { arrays, options } = test
    const model = sequential([layerOf(test)], { backend })
    model.build([null, ...arrays.x.shape.slice(1)])
    const names = ['embeddings', 'kernel', 'recurrentKernel', 'bias'].filter((name) => arrays[name])
    model.layers[0].setWeights(names.map((name) => arrays[name]))
    const optimizer = {
      lstm: sgd({ learningRate: 0.1, momentum: 0.5 }),
      dense: adam({ learningRate: 0.05 }),
    }
    model.compile({
      optimizer: optimizer[options.layer as 'lstm'] ?? sgd({ learningRate: 0.1 }),
      loss: 'meanSquaredError',
    })
    const batchSize = options.batchSize as number
    const evaluate = async () => (await model.evaluate(arrays.x, arrays.y, { batchSize })).loss
    expectClose([await evaluate()], arrays.before.data, near, 'loss before')
    const { history } = await model.fit(arrays.x, arrays.y, {
      epochs: options.epochs as number,
      batchSize,
      shuffle: false,
    })
    expectClose(history.loss, arrays.losses.data, near, 'losses')
    expectClose([await evaluate()], arrays.after.data, near, 'loss after')
    model.layers[0].getWeights().forEach(({ data }, i) => {
      const name = `final${names[i][0].toUpperCase()}${names[i].slice(1)}`
      expectClose(data, arrays[name].data, near, name)
    })
  }
  describe('reference float64', () => {
    for (const test of fixture.cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of fixture.cases) it(test.name, () => check(backend, test))
  })
})

describe('gradients of what outputs add to the loss', () => {
  const random = new Random(3)
  const x = (mask: number[] | null) => ({ shape: [2, 4, 3], data: random.uniform(24), mask })
  const masks = { 'no mask': null, masked: [1, 1, 0, 1, 1, 1, 0, 0] }
  const layers: Record<string, () => Layer> = {
    'lstm, activity and temporal activity': () =>
      lstm({
        units: 2,
        returnSequences: true,
        returnState: true,
        activityRegularizer: l1l2({ l1: 0.3, l2: 0.7 }),
        temporalActivityRegularizer: 2,
      }),
    'gru, temporal activity': () =>
      gru({ units: 2, returnSequences: true, temporalActivityRegularizer: 2 }),
    'bidirectional lstm': () =>
      bidirectional(lstm({ units: 2, returnSequences: true, activityRegularizer: 'l2' })),
    dense: () => dense({ units: 2, activation: 'tanh', activityRegularizer: l2({ l2: 0.5 }) }),
    timeDistributed: () =>
      timeDistributed(dense({ units: 2, activityRegularizer: 'l2' }), {
        activityRegularizer: 'l1',
      }),
  }
  for (const [name, mask] of Object.entries(masks)) {
    it.each(Object.entries(layers))(`%s, ${name}`, (_, make) => {
      const layer = make()
      const input = x(mask)
      expectGradients({
        inputs: [input],
        weights: weightsOf(truth, [layer], input.shape),
        compute: (ctx, inputs) => callAll(ctx, [layer], inputs),
        training: true,
        random: { seed: 8, step: 2 },
      })
    })
  }
})

it('the activity regularizer of steps counts for each row, inside timeDistributed or around it', () => {
  const input = { shape: [2, 4, 3], data: new Random(3).uniform(24) }
  const activityRegularizer = l1l2({ l1: 0.3, l2: 0.7 })
  const rule = { activityRegularizer }
  const penalty = (make: (inside: object) => Layer) =>
    runLayers(truth, make(rule), { inputs: [input], training: true }).objective
  const plain = runLayers(truth, dense({ units: 2 }), { inputs: [input], training: true })
  const [y] = plain.outputs
  // Keras 3.15 for TimeDistributed(model) and TimeDistributed(…, activity_regularizer): Σ / B.
  const added = y.reduce((sum, value) => sum + 0.3 * Math.abs(value) + 0.7 * value * value, 0) / 2
  for (const make of [
    (inside: object) => dense({ units: 2, ...inside }),
    (inside: object) => timeDistributed(dense({ units: 2, ...inside })),
    (inside: object) =>
      timeDistributed(sequential([dense({ units: 2, ...inside, inputShape: [3] })])),
    (inside: object) => timeDistributed(dense({ units: 2 }), inside),
  ]) {
    expect(penalty(make)).toBeCloseTo(plain.objective + added, 10)
  }
})

it('the temporal activity regularizer is the mean over neighbouring steps that count', async () => {
  const model = sequential(
    [
      embedding({ inputDim: 4, outputDim: 1, maskZero: true }),
      lstm({ units: 1, returnSequences: true, temporalActivityRegularizer: 3 }),
    ],
    { backend: truth },
  )
  model.compile({ loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0 }) })
  const x = [[1, 2, 3, 0]]
  const h = Array.from(await (await model.predict(x)).data())
  const { loss } = await model.evaluate(x, { shape: [1, 4, 1], data: h })
  expect(loss).toBeCloseTo((3 * ((h[1] - h[0]) ** 2 + (h[2] - h[1]) ** 2)) / 2, 12)
  expect(() => lstm({ units: 1, temporalActivityRegularizer: 1 })).toThrow(
    "'temporalActivityRegularizer' compares the outputs of neighbouring steps; add returnSequences",
  )
})

it('large tables with rules are moved as a whole', async () => {
  const make = (rules: object) => {
    const model = sequential([embedding({ inputDim: 2048, outputDim: 32, ...rules })], {
      backend: referenceBackend(),
    })
    model.compile({ loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.5 }) })
    return model
  }
  const x = [[1], [2]]
  const y = { shape: [2, 1, 32], data: new Float32Array(64) }
  for (const rules of [
    { embeddingsRegularizer: l2({ l2: 0.1 }) },
    { embeddingsConstraint: unitNorm() },
  ]) {
    const model = make(rules).build([null, 1])
    const before = model.layers[0].getWeights()[0].data
    await model.fit(x, y)
    const after = model.layers[0].getWeights()[0].data
    // Row 7 was not in the batch.
    expect(after[7 * 32]).not.toBe(before[7 * 32])
  }
})

it('rules are saved with their layers', () => {
  const backend = referenceBackend()
  const model = sequential(
    [
      embedding({ inputDim: 5, outputDim: 2, embeddingsRegularizer: 'l2' }),
      bidirectional(
        lstm({
          units: 2,
          returnSequences: true,
          kernelRegularizer: l1({ l1: 0.5 }),
          recurrentConstraint: maxNorm({ maxValue: 3, axis: 1 }),
          temporalActivityRegularizer: 0.5,
          stateful: true,
        }),
      ),
      dense({ units: 1, biasConstraint: 'nonNeg', activityRegularizer: 'l1' }),
    ],
    { backend },
  ).build([null, null])
  const { model: copy } = decodeModel(encodeModel(model, {}, null), 'a.refrain', { backend })
  expect(copy.architecture).toEqual({ ...model.architecture, type: copy.architecture.type })
  const rulesOf = ({ parameters }: typeof copy) =>
    parameters.parameters.map(({ path, regularizer, constraint }) => ({
      path,
      regularizer,
      constraint,
    }))
  expect(rulesOf(copy)).toEqual(rulesOf(model))
  expect(rulesOf(copy).filter(({ regularizer }) => regularizer)).toHaveLength(3)
  expect(rulesOf(copy).filter(({ constraint }) => constraint)).toHaveLength(3)
})
