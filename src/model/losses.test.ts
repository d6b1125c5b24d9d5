/** Losses and metrics of every kind through `compile`, `fit`, `evaluate` and files. */
import { describe, expect, it } from 'vitest'
import { truth } from '../kernels/backends.case.ts'
import { dense, embedding, lambda, lstm, permute } from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import { defineLoss } from '../train/define-loss.ts'
import { huber, quantile, sparseCategoricalCrossentropy } from '../train/loss-functions.ts'
import { lossNames, takesLabels } from '../train/losses.ts'
import { circle, dice } from '../train/losses-more.ts'
import { defineMetric } from '../train/metrics.ts'
import { auc, f1Score, precision } from '../train/metrics-more.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { encodeModel } from './file.ts'
import { decodeModel } from './load.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'
import type { CompileOptions } from './training.ts'

const random = new Random(2, 'losses')
const backend = truth
/** Sequences of unequal length, with numbers and class numbers for each step. */
const lengths = [3, 1, 4, 2]
const each = <T>(make: () => T) => lengths.map((n) => Array.from({ length: n }, make))
const ids = each(() => 1 + random.below(8))
const labels = each(() => random.below(3))
const oneHot = labels.map((row) => row.map((k) => [0, 1, 2].map((c) => Number(c === k))))
const weights = each(() => random.uniform() * 2)
weights[0][1] = 0

function tagger(compile: CompileOptions): Model {
  const model = sequential(
    [
      embedding({ inputDim: 9, outputDim: 4 }),
      lstm({ units: 5, returnSequences: true }),
      dense({ units: 3, activation: 'softmax' }),
    ],
    { backend },
  )
  model.compile({ optimizer: 'adam', ...compile })
  return model.build([null, null])
}

/** The model's probabilities of the steps that there are, in order. */
async function stepsOf(model: Model): Promise<number[][]> {
  const predicted = (await (await model.predict(ids)).array()) as number[][][]
  return predicted.flatMap((row, r) => row.slice(0, lengths[r]))
}

describe('every loss by its name', () => {
  for (const name of lossNames()) {
    if (name === 'circle') continue // of vectors: below

    it(name, async () => {
      const loss = name === 'quantile' ? quantile({ quantiles: [0.2, 0.5, 0.8] }) : name
      const model = tagger({ loss: loss as 'hinge' })
      const y = takesLabels({ name }) ? labels : oneHot
      const { history } = await model.fit(ids, y, { epochs: 20, batchSize: 4 })
      expect(history.loss[19]).toBeLessThan(history.loss[0])
      const again = decodeModel(encodeModel(model, {}, null), 'x.refrain', { backend }).model
      expect(await again.evaluate(ids, y)).toEqual(await model.evaluate(ids, y))
    })
  }
})

it('circle brings vectors of a class together', async () => {
  const unit = lambda({
    name: 'unit',
    call: ({ x, ops }) => ops.divide(x, ops.sqrt(ops.sum(ops.square(x)))),
    outputShape: ([shape]) => shape,
  })
  const rows = Array.from({ length: 12 }, (_, i) => i % 3)
  const x = rows.map((k) => [k === 0 ? 1 : 0, k === 1 ? 1 : 0, random.uniform(), random.uniform()])
  const y = rows.map((k) => 100 * k - 7)
  const model = sequential([dense({ units: 4 }), unit], { backend })
  model.compile({ loss: circle({ gamma: 10 }), optimizer: adam({ learningRate: 0.05 }) })
  const { history } = await model.fit(x, y, { epochs: 40, batchSize: 12 })
  expect(history.loss[39]).toBeLessThan(history.loss[0] / 2)
})

it('a loss of whole batches, as a loss and as a metric, and beside other metrics', async () => {
  const metrics = ['accuracy', dice({ axis: -1 }), { name: 'dice', label: 'whole' }] as const
  const model = tagger({ loss: 'dice', metrics: [...metrics], weightedMetrics: ['tversky'] })
  const other = tagger({ loss: 'categoricalCrossentropy', metrics: [...metrics] })
  other.layers.forEach((layer, i) => {
    layer.setWeights(model.layers[i].getWeights().map(({ data }) => data))
  })
  const logs = await model.evaluate(ids, oneHot)
  const wanted = await other.evaluate(ids, oneHot)
  expect(logs.whole).toBe(logs.loss)
  expect(logs.tversky).toBeCloseTo(logs.whole, 6)
  for (const name of ['accuracy', 'dice', 'whole']) expect(logs[name]).toBe(wanted[name])
  // The steps that count, each by itself.
  const p = await stepsOf(model)
  const own = p.map((step, i) => 1 - (2 * step[labels.flat()[i]]) / (2 + 1e-7))
  expect(logs.dice).toBeCloseTo(own.reduce((a, b) => a + b) / 10, 6)
})

it('training is the same whether a metric looks at the probabilities or not', async () => {
  // Where none does, the gradient takes the place of the numbers that they would be made of.
  const metrics = ['accuracy', 'sparseCategoricalCrossentropy'] as const
  const [plain, looked] = [[], metrics].map((metrics) =>
    tagger({ loss: 'sparseCategoricalCrossentropy', metrics: [...metrics] }),
  )
  plain.layers.forEach((layer, i) => {
    looked.layers[i].setWeights(layer.getWeights().map(({ data }) => data))
  })
  const options = { epochs: 3, batchSize: 2, shuffle: false }
  const { history } = await plain.fit(ids, labels, options)
  expect((await looked.fit(ids, labels, options)).history.loss).toEqual(history.loss)
  const weightsOf = ({ layers }: Model) => layers.map((layer) => layer.getWeights())
  expect(weightsOf(looked)).toEqual(weightsOf(plain))
})

describe('weights', () => {
  it('of each step: the weighted sum over the steps that count, by their number', async () => {
    const model = tagger({
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
      weightedMetrics: [{ name: 'accuracy', label: 'weighted' }],
    })
    const p = await stepsOf(model)
    const [k, w] = [labels.flat(), weights.flat()]
    const sum = p.reduce((sum, step, i) => sum - w[i] * Math.log(step[k[i]]), 0)
    const right = p.map((step, i) => Number(Math.max(...step) === step[k[i]]))
    const logs = await model.evaluate(ids, labels, { sampleWeight: weights, batchSize: 4 })
    expect(logs.loss).toBeCloseTo(sum / 10, 7)
    expect(logs.accuracy).toBeCloseTo(right.reduce((a, b) => a + b) / 10, 12)
    const total = w.reduce((a, b) => a + b)
    const hits = right.reduce((sum, hit, i) => sum + hit * w[i], 0)
    expect(logs.weighted).toBeCloseTo(hits / total, 6)
  })

  it('with another reduction: sums of batches, weighed by their rows as in Keras', async () => {
    const name = 'sparseCategoricalCrossentropy'
    const model = tagger({ loss: { name, reduction: 'sum' } })
    const p = await stepsOf(model)
    const w = weights.flat()
    const losses = labels.flat().map((k, i) => -w[i] * Math.log(p[i][k]))
    // Batches of the rows 0 to 2, eight steps, and 3.
    const [first, last] = [losses.slice(0, 8), losses.slice(8)].map((part) =>
      part.reduce((a, b) => a + b),
    )
    const options = { sampleWeight: weights, batchSize: 3, shuffle: false }
    const { loss } = await model.evaluate(ids, labels, { sampleWeight: weights, batchSize: 3 })
    expect(loss).toBeCloseTo((3 * first + last) / 4, 6)
    const [summed, mean] = [{ name, reduction: 'sum' as const }, { name }].map((loss) =>
      tagger({ loss, optimizer: sgd({ learningRate: 0 }) }),
    )
    const { history } = await summed.fit(ids, labels, options)
    expect(history.loss[0]).toBeCloseTo(loss, 6)
    const again = decodeModel(encodeModel(summed, {}, null), 'x.refrain', { backend }).model
    expect(again.compiled?.outputs[0].loss).toEqual({ name, reduction: 'sum' })
    mean.compile({ loss: { name, reduction: 'meanWithSampleWeight' } })
    const all = w.reduce((a, b) => a + b)
    const other = await mean.evaluate(ids, labels, { sampleWeight: weights, batchSize: 4 })
    expect(other.loss).toBeCloseTo((first + last) / all, 6)
  })

  it('steps of an ignored class do not count', async () => {
    const model = tagger({ loss: { name: 'sparseCategoricalCrossentropy', ignoreClass: -100 } })
    const some = labels.map((row, r) => row.map((k, t) => (r === t ? -100 : k)))
    const p = await stepsOf(model)
    const kept = some.flat().flatMap((k, i) => (k < 0 ? [] : [-Math.log(p[i][k])]))
    const { loss } = await model.evaluate(ids, some, { batchSize: 4 })
    expect(loss).toBeCloseTo(kept.reduce((a, b) => a + b) / kept.length, 12)
    const { history } = await model.fit(ids, some, { batchSize: 4 })
    expect(history.loss[0]).toBeCloseTo(loss, 12)
  })
})

describe('classes along another dimension', () => {
  it('train and are measured there: labels lack it, accuracy follows the loss', async () => {
    const x = Array.from({ length: 8 }, () => Array.from({ length: 4 }, () => 1 + random.below(8)))
    const y = x.map((row) => row.map((id) => id % 3))
    const build = (axis: number) => {
      const layers = [
        embedding({ inputDim: 9, outputDim: 4 }),
        dense({ units: 3, activation: 'softmax' }),
      ]
      const turned = axis === 1 ? [permute({ dims: [2, 1] })] : []
      const model = sequential([...layers, ...turned], { backend, seed: 3 })
      const loss = sparseCategoricalCrossentropy({ axis })
      model.compile({ loss, metrics: ['accuracy', 'perplexity'], weightedMetrics: ['accuracy'] })
      return model.build([null, 4])
    }
    const sampleWeight = y.map((row) => row.map((k) => 1 + k))
    const [plain, turned] = [build(-1), build(1)]
    const options = { epochs: 3, sampleWeight }
    const wanted = await plain.fit(x, y, options)
    const { history } = await turned.fit(x, y, options)
    for (const [name, values] of Object.entries(wanted.history)) {
      history[name].forEach((value, i) => {
        expect(value).toBeCloseTo(values[i], 7)
      })
    }
    expect(history.loss[2]).toBeLessThan(history.loss[0])
  })
})

describe('metrics with options', () => {
  it('have their names in the history, and stand in files', async () => {
    const metrics = [
      'perplexity',
      huber({ delta: 0.5 }),
      f1Score(),
      precision({ thresholds: [0.3, 0.4], label: 'p' }),
      auc({ numThresholds: 50, weighted: true }),
    ]
    const model = tagger({ loss: 'categoricalCrossentropy', metrics })
    const options = { validationData: [ids, oneHot] as const, sampleWeight: weights }
    const { history } = await model.fit(ids, oneHot, options)
    const names = [
      'perplexity',
      'huber',
      'f1Score_0',
      'f1Score_1',
      'f1Score_2',
      'p_0',
      'p_1',
      'auc',
    ]
    expect(Object.keys(history)).toEqual(
      ['loss', ...names].concat(
        ['loss', ...names].map((name) => `val${name[0].toUpperCase()}${name.slice(1)}`),
      ),
    )
    expect(history.perplexity[0]).toBeGreaterThan(1)
    const again = decodeModel(encodeModel(model, {}, null), 'x.refrain', { backend }).model
    expect(await again.evaluate(ids, oneHot)).toEqual(await model.evaluate(ids, oneHot))
  })
})

describe('losses and metrics of your own', () => {
  const brier = defineLoss({
    name: 'brier',
    value: (yTrue, yPred) => yPred.reduce((sum, p, c) => sum + (p - yTrue[c]) ** 2, 0),
    gradient(yTrue, yPred, out) {
      for (let c = 0; c < out.length; c++) out[c] = 2 * (yPred[c] - yTrue[c])
    },
  })
  const margin = defineMetric({
    name: 'margin',
    value: (yTrue, yPred) => yPred[yTrue.indexOf(1)] - Math.max(...yPred),
  })

  it('train as the built-in ones do', async () => {
    const [mine, theirs] = [brier, 'mse' as const].map((loss) =>
      tagger({ loss, metrics: [margin] }),
    )
    const [a, b] = [await mine.evaluate(ids, oneHot), await theirs.evaluate(ids, oneHot)]
    expect(a.loss).toBeCloseTo(3 * b.loss, 12)
    expect(a.margin).toBe(b.margin)
    const { history } = await mine.fit(ids, oneHot, { epochs: 20 })
    expect(history.loss[19]).toBeLessThan(history.loss[0])
  })

  it('a file keeps their names; the loaded model predicts and is compiled again to train', async () => {
    const model = tagger({ loss: brier, metrics: [margin, 'accuracy'] })
    const again = decodeModel(encodeModel(model, {}, null), 'x.refrain', { backend }).model
    expect(again.compiled).toBe(null)
    expect(await stepsOf(again)).toEqual(await stepsOf(model))
    const other = tagger({ loss: 'mse', metrics: [margin, 'accuracy'] })
    const loaded = decodeModel(encodeModel(other, {}, null), 'x.refrain', { backend }).model
    expect(loaded.compiled?.outputs[0].metrics).toEqual([{ name: 'accuracy' }])
  })
})
