import { describe, expect, it } from 'vitest'
import { camel } from '../../test/fixtures/cases.ts'
import { type FixtureArray, type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import { maskFromLengths } from '../tensor/mask.ts'
import { axisLast, type LossConfig } from './losses.ts'
import type { MetricConfig } from './metric.ts'
import { checkMetric, defineMetric, makeMetric, metricNames, resolveMetric } from './metrics.ts'
import { binaryIou, iou, meanIou, oneHotMeanIou } from './metrics-iou.ts'
import {
  auc,
  f1Score,
  perplexity,
  precision,
  precisionAtRecall,
  r2Score,
  truePositives,
} from './metrics-more.ts'

const fixture = loadFixture('keras/metrics.json')
const more = loadFixture('keras/metrics-more.json')
const iouFixture = loadFixture('keras/iou.json')
/** What is not offered: plain equality. */
const cases = [...fixture.cases, ...more.cases, ...iouFixture.cases].filter(
  ({ options }) => options.metric !== 'accuracy',
)
const aliases: Record<string, string> = { mse: 'meanSquaredError', mae: 'meanAbsoluteError' }
const configOf = ({ options: { metric, weighted: _, ...options } }: FixtureCase): MetricConfig => ({
  name: aliases[metric as string] ?? camel(metric as string),
  ...options,
  ...(options.classAggregation && {
    classAggregation: camel(options.classAggregation as string) as never,
  }),
})
const anyLoss: LossConfig = { name: 'meanSquaredError' }

function tensorOf(arena: Arena, { shape, data }: FixtureArray, labels = false) {
  const tensor = arena.tensor(shape, labels ? 'int32' : 'float')
  if (labels) tensor.ints.set(data)
  else tensor.values.set(data)
  return tensor
}

describe(`the metrics of ${fixture.made_by.program} ${fixture.made_by.version}, over batches`, () => {
  const check = (backend: Backend, test: FixtureCase) => {
    const { arrays } = test
    const config = resolveMetric(configOf(test))
    const metric = makeMetric(config, anyLoss)
    const arena = new Arena(backend.heap)
    const ctx = new Context(backend, arena)
    const results = [0, 1, 2].flatMap((k) => {
      const labels = config.name.startsWith('sparse')
      const weights = arrays[`sampleWeight${k}`]
      metric.update(
        ctx,
        tensorOf(arena, arrays[`yPred${k}`]),
        tensorOf(arena, arrays[`yTrue${k}`], labels),
        weights ? Float32Array.from(weights.data) : null,
      )
      return metric.result
    })
    expectClose(results, arrays.result.data, { relative: 1e-6, absolute: 1e-7 })
    metric.reset()
    expect([metric.result].flat().every((value) => value === 0)).toBe(true)
  }
  describe('reference float64', () => {
    for (const test of cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of cases) it(test.name, () => check(backend, test))
  })
  it('all that are offered have been compared', () => {
    const compared = new Set(cases.map((test) => configOf(test).name))
    const left = metricNames().filter((name) => !compared.has(name))
    expect(left).toEqual(['accuracy', 'perplexity', 'bitsPerCharacter', 'quantile'])
  })
})

/** A metric of one batch. */
function once(
  wanted: string | MetricConfig,
  loss: LossConfig,
  prediction: FixtureArray,
  target: FixtureArray,
  options: { labels?: boolean; lengths?: number[]; weights?: number[] } = {},
): number | number[] {
  const arena = new Arena(truth.heap)
  const metric = makeMetric(checkMetric(resolveMetric(wanted), loss), loss)
  const predicted = tensorOf(arena, prediction)
  const { labels, lengths, weights } = options
  if (lengths) predicted.mask = maskFromLengths(arena, lengths, prediction.shape[1])
  metric.update(
    new Context(truth, arena),
    predicted,
    tensorOf(arena, target, labels),
    weights ? Float32Array.from(weights) : null,
  )
  return metric.result
}

describe('intersection over union', () => {
  const sparse: LossConfig = { name: 'sparseCategoricalCrossentropy' }
  const scores = { shape: [1, 3, 2], data: [0.9, 0.1, 0.2, 0.8, 0.3, 0.7] }
  const labels = { shape: [1, 3], data: [0, 1, 0] }

  it('takes class numbers, and leaves masked steps out', () => {
    const mean = meanIou({ numClasses: 2, sparseYPred: false })
    // Class 0: one of two; class 1: one of two.
    expect(once(mean, sparse, scores, labels, { labels: true })).toBeCloseTo(0.5, 6)
    expect(once(mean, sparse, scores, labels, { labels: true, lengths: [2] })).toBeCloseTo(1, 6)
    const weights = [1, 1, 2]
    const first = iou({ numClasses: 2, targetClassIds: [0], sparseYPred: false })
    expect(once(first, sparse, scores, labels, { labels: true, weights })).toBeCloseTo(1 / 3, 6)
  })

  it('along another axis', () => {
    const turned = { shape: [1, 2, 3], data: [0.9, 0.2, 0.3, 0.1, 0.8, 0.7] }
    const oneHot = { shape: [1, 2, 3], data: [1, 0, 1, 0, 1, 0] }
    const metric = makeMetric(resolveMetric(oneHotMeanIou({ numClasses: 2, axis: 1 })), anyLoss)
    const arena = new Arena(truth.heap)
    const ctx = new Context(truth, arena)
    const [p, y] = axisLast(ctx, metric.axis, tensorOf(arena, turned), tensorOf(arena, oneHot))
    metric.update(ctx, p, y, null)
    expect(metric.result).toBeCloseTo(0.5, 6)
  })

  it('says what does not fit', () => {
    expect(() => resolveMetric({ name: 'iou', numClasses: 3, targetClassIds: [3] })).toThrow(
      "metric 'iou' 'targetClassIds': expected class numbers from 0 to 2, got [3]",
    )
    expect(() => resolveMetric('meanIou')).toThrow(
      "metric 'meanIou' 'numClasses': expected a whole number of at least 1, got undefined",
    )
    expect(() => resolveMetric(binaryIou({ targetClassIds: [2] }))).toThrow('from 0 to 1, got [2]')
    const wide = meanIou({ numClasses: 2 })
    expect(() => once(wide, sparse, scores, labels, { labels: true })).toThrow(
      "metric 'meanIou': targets: expected shape [1, 3, 2], got [1, 3]; sparseYTrue: false takes",
    )
    expect(() => once(oneHotMeanIou({ numClasses: 2 }), sparse, scores, labels)).toThrow(
      "metrics: 'oneHotMeanIou' needs a target for each output",
    )
  })
})

describe('accuracy', () => {
  it('is binary, categorical or sparse by the loss and the width of the output', () => {
    const binary = { shape: [4, 1], data: [0.4, 0.6, 0.5, 0.9] }
    const answers = { shape: [4, 1], data: [0, 1, 1, 0] }
    expect(once('accuracy', { name: 'binaryCrossentropy' }, binary, answers)).toBe(0.5)
    const wide = { shape: [2, 3], data: [0.1, 0.6, 0.3, 0.5, 0.2, 0.3] }
    const oneHot = { shape: [2, 3], data: [0, 1, 0, 0, 0, 1] }
    expect(once('accuracy', { name: 'categoricalCrossentropy' }, wide, oneHot)).toBe(0.5)
    const classes = { shape: [2], data: [1, 2] }
    const sparse: LossConfig = { name: 'sparseCategoricalCrossentropy' }
    expect(once('accuracy', sparse, wide, classes, { labels: true })).toBe(0.5)
  })

  it('with binary cross-entropy of several outputs counts each of them', () => {
    const wide = { shape: [1, 4], data: [0.9, 0.2, 0.7, 0.1] }
    const target = { shape: [1, 4], data: [1, 0, 0, 0] }
    expect(once('accuracy', { name: 'binaryCrossentropy' }, wide, target)).toBe(0.75)
  })

  it('leaves masked steps out', () => {
    const tags = { shape: [1, 3, 2], data: [0.9, 0.1, 0.9, 0.1, 0.9, 0.1] }
    const classes = { shape: [1, 3], data: [0, 1, 1] }
    const sparse: LossConfig = { name: 'sparseCategoricalCrossentropy' }
    expect(once('accuracy', sparse, tags, classes, { labels: true })).toBeCloseTo(1 / 3)
    expect(once('accuracy', sparse, tags, classes, { labels: true, lengths: [2] })).toBe(0.5)
    const weights = [3, 1, 100]
    expect(once('accuracy', sparse, tags, classes, { labels: true, lengths: [2], weights })).toBe(
      0.75,
    )
  })
})

describe('names', () => {
  it('acc, mse and mae are short for the long ones', () => {
    expect(['acc', 'mse', 'mae', 'accuracy'].map(resolveMetric)).toEqual([
      { name: 'accuracy' },
      { name: 'meanSquaredError' },
      { name: 'meanAbsoluteError' },
      { name: 'accuracy' },
    ])
  })

  it('an unknown metric names the nearest', () => {
    expect(() => resolveMetric('acuracy')).toThrow(
      "metrics: unknown metric 'acuracy'; did you mean 'accuracy'?",
    )
    expect(() => resolveMetric('constructor')).toThrow('metrics: unknown metric')
    expect(() => resolveMetric('f')).toThrow(
      "metrics: unknown metric 'f'; known: accuracy, binaryAccuracy, categoricalAccuracy, ",
    )
    expect(() => resolveMetric(auc({ curve: 'roc' as never }))).toThrow(
      "metric 'auc' 'curve': expected one of 'ROC', 'PR', 'PRGAIN', got 'roc'",
    )
    expect(() => resolveMetric(precision({ treshold: 0.5 } as never))).toThrow(
      "metric 'precision': unknown option 'treshold'; did you mean 'thresholds'?",
    )
    expect(() => resolveMetric(f1Score({ average: 'mean' as never }))).toThrow("got 'mean'")
    expect(() => resolveMetric(auc({ numLabels: 3 }))).toThrow(
      "metric 'auc' 'numLabels': it is for multiLabel: true, got multiLabel undefined",
    )
    expect(() => resolveMetric(auc({ summationMethod: 'middle' as never }))).toThrow(
      "expected one of 'interpolation', 'minoring', 'majoring', got 'middle'",
    )
    const wide = { shape: [1, 2], data: [0.5, 0.5] }
    expect(() => once(auc({ multiLabel: true, numLabels: 3 }), anyLoss, wide, wide)).toThrow(
      "metric 'auc': expected shape [1, 3], got [1, 2]",
    )
  })
})

describe('options of the later ones', () => {
  it('are checked', () => {
    expect(() => resolveMetric(precisionAtRecall({ recall: 1.5 }))).toThrow(
      "metric 'precisionAtRecall' 'recall': expected a finite number from 0 to 1, got 1.5",
    )
    expect(() => resolveMetric('recallAtPrecision')).toThrow(
      "metric 'recallAtPrecision' 'precision': expected a finite number from 0 to 1, got undefined",
    )
    expect(() => resolveMetric(r2Score({ classAggregation: 'mean' as never }))).toThrow(
      "expected one of null, 'uniformAverage', 'varianceWeightedAverage', got 'mean'",
    )
    expect(() => resolveMetric(r2Score({ numRegressors: -1 }))).toThrow(
      "metric 'r2Score' 'numRegressors': expected a whole number of at least 0, got -1",
    )
    expect(() => resolveMetric(truePositives({ topK: 2 } as never))).toThrow(
      "metric 'truePositives': unknown option 'topK'; known: name, label, weighted, thresholds",
    )
    expect(() => resolveMetric({ name: 'huber', reduction: 'sum' } as never)).toThrow(
      "loss 'huber': unknown option 'reduction'; known: name, delta",
    )
  })

  it('a row that does not vary has no correlation', () => {
    const same = { shape: [1, 3], data: [2, 2, 2] }
    const other = { shape: [1, 3], data: [1, 2, 4] }
    expect(once('pearsonCorrelation', anyLoss, same, other)).toBe(0)
    expect(once('concordanceCorrelation', anyLoss, same, same)).toBe(0)
  })

  it('the pinball loss as a metric is the weighted mean over rows', () => {
    // Rows (¼·1 + ½·0 + ¼·1) / 3 and (¼·2 + ½·1 + ¼·3) / 3, weights 1 and 3.
    const prediction = { shape: [2, 3], data: [1, 2, 3, -1, 0, 4] }
    const metric = { name: 'quantile', quantiles: [0.25, 0.5, 0.75] }
    const target = { shape: [2, 1], data: [2, 1] }
    const found = once(metric, anyLoss, prediction, target, { weights: [1, 3] })
    expect(found).toBeCloseTo((0.5 + 3 * 1.75) / 3 / 4, 14)
  })
})

describe('sequences', () => {
  const sparse: LossConfig = { name: 'sparseCategoricalCrossentropy' }
  const tags = { shape: [1, 4, 2], data: [0.9, 0.1, 0.75, 0.25, 0.5, 0.5, 0.2, 0.8] }
  const classes = { shape: [1, 4], data: [0, 1, 0, 1] }
  const given = { labels: true, lengths: [3], weights: [1, 2, 1, 7] }

  it('perplexity and bits are those of the steps that count', () => {
    const nats = -(Math.log(0.9) + 2 * Math.log(0.25) + Math.log(0.5)) / 4
    expect(once('perplexity', sparse, tags, classes, given)).toBeCloseTo(Math.exp(nats), 12)
    expect(once('bitsPerCharacter', sparse, tags, classes, given)).toBeCloseTo(nats / Math.LN2, 12)
    const ignoring = once(perplexity({ ignoreClass: 1 }), sparse, tags, classes, given)
    expect(ignoring).toBeCloseTo(Math.exp(-(Math.log(0.9) + Math.log(0.5)) / 2), 12)
  })

  it('class numbers serve precision, recall and F as well as one-hot targets', () => {
    const oneHot = { shape: [1, 4, 2], data: [1, 0, 0, 1, 1, 0, 0, 1] }
    const dense: LossConfig = { name: 'categoricalCrossentropy' }
    const { labels: _, ...rest } = given
    for (const name of ['precision', 'recall', 'f1Score', 'auc']) {
      const one = once(name, sparse, tags, classes, given)
      expect(once(name, dense, tags, oneHot, rest)).toEqual(one)
    }
    // Found above ½: class 0 rightly (weight 1) and wrongly (2).
    expect(once('precision', sparse, tags, classes, given)).toBeCloseTo(1 / 3, 12)
    expect(once('recall', sparse, tags, classes, given)).toBeCloseTo(1 / 4, 12)
  })
})

describe('a metric of your own', () => {
  it('is the weighted mean of its rows', () => {
    const within = defineMetric({
      name: 'within1',
      value: (yTrue, yPred) => Number(Math.abs(yTrue[0] - yPred[0]) <= 1),
    })
    const [prediction, target] = [
      { shape: [3, 1], data: [1, 2, 3] },
      { shape: [3, 1], data: [0, 0, 3] },
    ]
    const weights = [1, 2, 5]
    expect(once(within, anyLoss, prediction, target, { weights })).toBe(6 / 8)
  })
})

it('several results have numbers in the logs, a label replaces the name', () => {
  const metric = makeMetric(precision({ thresholds: [0.2, 0.6], label: 'p' }), anyLoss)
  expect(metric.logs).toEqual({ p_0: 0, p_1: 0 })
  expect(makeMetric({ name: 'huber', label: 'h' }, anyLoss).logs).toEqual({ h: 0 })
})

it('the state of a metric goes on where it was', () => {
  const arena = new Arena(truth.heap)
  const batch = (values: number[]) => tensorOf(arena, { shape: [values.length, 1], data: values })
  const ctx = new Context(truth, arena)
  const whole = makeMetric({ name: 'meanAbsoluteError' }, anyLoss)
  whole.update(ctx, batch([1, 2, 3]), batch([0, 0, 0]), null)
  const resumed = makeMetric({ name: 'meanAbsoluteError' }, anyLoss)
  resumed.state = JSON.parse(JSON.stringify(whole.state))
  for (const metric of [whole, resumed]) metric.update(ctx, batch([6]), batch([0]), null)
  expect(resumed.result).toBe(3)
  expect(resumed.state).toEqual(whole.state)
})

it.each([
  'auc',
  'precision',
  'truePositives',
  'f1Score',
  'r2Score',
  'perplexity',
  'rmse',
  'pearsonCorrelation',
])('a checkpoint keeps all that %s has seen', (name) => {
  const arena = new Arena(truth.heap)
  const ctx = new Context(truth, arena)
  const loss: LossConfig = { name: 'categoricalCrossentropy' }
  const make = () => makeMetric(resolveMetric(name), loss)
  const batches = [
    [
      [0.7, 0.3, 0.4, 0.6],
      [1, 0, 0, 1],
    ],
    [
      [0.2, 0.8, 0.9, 0.1],
      [1, 0, 1, 0],
    ],
  ].map((pair) => pair.map((data) => tensorOf(arena, { shape: [2, 2], data })))
  const [whole, resumed] = [make(), make()]
  whole.update(ctx, batches[0][0], batches[0][1], null)
  resumed.state = JSON.parse(JSON.stringify(whole.state))
  for (const metric of [whole, resumed]) metric.update(ctx, batches[1][0], batches[1][1], null)
  expect(resumed.logs).toEqual(whole.logs)
  expect(Object.values(whole.logs).every(Number.isFinite)).toBe(true)
})
