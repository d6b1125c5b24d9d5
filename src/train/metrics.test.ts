import { describe, expect, it } from 'vitest'
import { type FixtureArray, type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { Arena } from '../tensor/arena.ts'
import { maskFromLengths } from '../tensor/mask.ts'
import type { LossConfig } from './losses.ts'
import { Metric, type MetricName, resolveMetric } from './metrics.ts'

const fixture = loadFixture('keras/metrics.json')
const names: Record<string, MetricName> = {
  binary_accuracy: 'binaryAccuracy',
  categorical_accuracy: 'categoricalAccuracy',
  sparse_categorical_accuracy: 'sparseCategoricalAccuracy',
  mse: 'meanSquaredError',
  mae: 'meanAbsoluteError',
}
/** What is not offered: plain equality, another threshold, the root, cross-entropies as metrics. */
const cases = fixture.cases.filter(
  ({ options }) => (options.metric as string) in names && !('threshold' in options),
)
const anyLoss: LossConfig = { name: 'meanSquaredError' }

function tensorOf(arena: Arena, { shape, data }: FixtureArray, labels = false) {
  const tensor = arena.tensor(shape, labels ? 'int32' : 'float')
  if (labels) tensor.ints.set(data)
  else tensor.values.set(data)
  return tensor
}

describe(`the metrics of ${fixture.made_by.program} ${fixture.made_by.version}, over batches`, () => {
  const check = (backend: Backend, { options, arrays }: FixtureCase) => {
    const name = names[options.metric as string]
    const metric = new Metric(name, anyLoss)
    const arena = new Arena(backend.heap)
    const results = [0, 1, 2].map((k) => {
      const labels = name === 'sparseCategoricalAccuracy'
      const weights = arrays[`sampleWeight${k}`]
      metric.update(
        tensorOf(arena, arrays[`yPred${k}`]),
        tensorOf(arena, arrays[`yTrue${k}`], labels),
        weights ? Float32Array.from(weights.data) : null,
      )
      return metric.result
    })
    expectClose(results, arrays.result.data, { relative: 1e-6 })
    metric.reset()
    expect(metric.result).toBe(0)
  }
  describe('reference float64', () => {
    for (const test of cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of cases) it(test.name, () => check(backend, test))
  })
  it('all that are offered have been compared', () => {
    expect(cases.length).toBe(21)
  })
})

/** A metric of one batch. */
function once(
  name: MetricName,
  loss: LossConfig,
  prediction: FixtureArray,
  target: FixtureArray,
  options: { labels?: boolean; lengths?: number[]; weights?: number[] } = {},
): number {
  const arena = new Arena(truth.heap)
  const metric = new Metric(name, loss)
  const predicted = tensorOf(arena, prediction)
  const { labels, lengths, weights } = options
  if (lengths) predicted.mask = maskFromLengths(arena, lengths, prediction.shape[1])
  metric.update(
    predicted,
    tensorOf(arena, target, labels),
    weights ? Float32Array.from(weights) : null,
  )
  return metric.result
}

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
      'accuracy',
      'meanSquaredError',
      'meanAbsoluteError',
      'accuracy',
    ])
  })

  it('an unknown metric names the nearest', () => {
    expect(() => resolveMetric('acuracy')).toThrow(
      "metrics: unknown metric 'acuracy'; did you mean 'accuracy'?",
    )
    expect(() => resolveMetric('constructor')).toThrow('metrics: unknown metric')
    expect(() => resolveMetric('f')).toThrow(
      "metrics: unknown metric 'f'; known: accuracy, binaryAccuracy, categoricalAccuracy, " +
        'sparseCategoricalAccuracy, meanSquaredError, meanAbsoluteError',
    )
  })
})

it('the state of a metric goes on where it was', () => {
  const arena = new Arena(truth.heap)
  const batch = (values: number[]) => tensorOf(arena, { shape: [values.length, 1], data: values })
  const whole = new Metric('meanAbsoluteError', anyLoss)
  whole.update(batch([1, 2, 3]), batch([0, 0, 0]), null)
  const resumed = new Metric('meanAbsoluteError', anyLoss)
  resumed.state = JSON.parse(JSON.stringify(whole.state))
  for (const metric of [whole, resumed]) metric.update(batch([6]), batch([0]), null)
  expect(resumed.result).toBe(3)
  expect(resumed.state).toEqual(whole.state)
})
