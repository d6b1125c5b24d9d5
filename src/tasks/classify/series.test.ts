import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Random } from '../../tensor/random.ts'
import * as classify from './index.ts'

/** Two measurements, of which the first rises or falls within noise, far from 0 and of unlike sizes. */
function waves(count: number, seed: number): { series: number[][][]; labels: string[] } {
  const random = new Random(seed, 'test')
  const labels = Array.from({ length: count }, (_, i) => ['rises', 'falls'][i % 2])
  const series = labels.map((label) => {
    const slope = label === 'rises' ? 20 : -20
    const length = 5 + Math.floor(random.uniform() * 10)
    const noise = () => 60 * (random.uniform() - 0.5)
    return Array.from({ length }, (_, t) => [5000 + slope * t + noise(), random.uniform() / 100])
  })
  return { series, labels }
}
const small = { units: 8, epochs: 25, learningRate: 0.01, dropout: 0, seed: 1 }

test('series of several features and unequal lengths, of sizes that need scaling', async () => {
  const classifier = await classify.train(waves(120, 1), { ...small, validation: 0.2 })
  const held = waves(100, 2)
  expect((await classifier.evaluate(held)).accuracy).toBeGreaterThan(0.9)
  const folder = mkdtempSync(join(tmpdir(), 'refrain-series-'))
  try {
    const path = join(folder, 'waves.refrain')
    await classifier.save(path)
    const again = await classify.load(path)
    expect(again.encoder.kind).toBe('series')
    expect(again.temperature).toBe(classifier.temperature)
    expect(await again.predict(held.series)).toEqual(await classifier.predict(held.series))
  } finally {
    rmSync(folder, { recursive: true })
  }
  const together = await classifier.predict(held.series.slice(0, 5))
  const [alone] = await classifier.predict([held.series[3]])
  expect(alone.probability).toBeCloseTo(together[3].probability, 5)
})

test('a scaler, by hand', () => {
  const rows = [{ data: [1, 7, 3, 7] }, { data: [5, 7] }]
  const scaler = classify.Scaler.learn(rows, 2)
  expect(scaler.means).toEqual([3, 7])
  expect(scaler.deviations[0]).toBeCloseTo(Math.sqrt(8 / 3), 12)
  expect(scaler.deviations[1]).toBe(1)
  expect(scaler.apply([3, 9])).toEqual(Float32Array.of(0, 2))
  expect(classify.Scaler.fromJSON(JSON.parse(JSON.stringify(scaler)))).toEqual(scaler)
  expect(() => classify.Scaler.fromJSON({ means: [0], deviations: [0] })).toThrow(
    'scaler: expected { means: [number…], deviations: [number above 0…] } of one length, got ' +
      '{ means, deviations }',
  )
})

test('several labels for each example, or none', async () => {
  const { series, labels } = waves(120, 3)
  const two = labels.map((label, i) => [
    ...(label === 'rises' ? ['up'] : []),
    ...(i % 3 ? [] : ['long']),
  ])
  const told = series.map((steps, i) => steps.map(([a], t) => [a, i % 3 || t > 1 ? 0 : 1]))
  const data = { series: told, labels: two }
  const options = { ...small, epochs: 40, validation: 0.2 }
  const classifier = await classify.train(data, { ...options, threshold: 'validation' })
  const result = await classifier.evaluate(data)
  expect(classifier.thresholds).toHaveLength(2)
  expect(result.microF1).toBeGreaterThan(0.9)
  expect(result.accuracy).toBeGreaterThan(0.8)
  const predictions = await classifier.predict(told.slice(0, 6))
  expect(predictions.some(({ labels }) => labels.length === 2)).toBe(true)
  expect(predictions.some(({ labels }) => labels.length === 0)).toBe(true)
  await expect(classify.train(data, { ...options, balance: true })).rejects.toThrow(
    "classify.train 'balance': it is for examples of one label each; where they may have several, " +
      "threshold: 'validation' finds rare labels more often",
  )
  await expect(classifier.evaluate({ series: told, labels })).rejects.toThrow(
    "example 1: expected a list of labels, as in training, got 'rises'",
  )
})

describe('errors', () => {
  const labels = ['x', 'y']
  const failure = (series: unknown) =>
    classify.train({ series, labels } as classify.LabelledSeries).then(
      () => 'none',
      (error) => `${error.code} ${error.message}`,
    )

  test('of the data', async () => {
    expect(await failure([[[1, 2]], []])).toBe(
      'BAD_DATA classify: series 2: expected at least one step, got []; a series is an array of ' +
        'steps: [[0.1, 20], [0.3, 21], …]',
    )
    expect(await failure([[[1, 2]], [[1, 2], [1]]])).toBe(
      'BAD_SHAPE classify: series 2, step 2: expected 2 numbers, as in the steps before, got [1]',
    )
    expect(await failure([[[1, 2]], [[1, Number.NaN]]])).toBe(
      'NOT_FINITE classify: series 2, step 1, feature 2: expected a finite number, got NaN. Fill ' +
        'gaps, or leave the step out',
    )
    expect(await failure(7)).toBe('BAD_ARGUMENT classify: expected an array of series, got 7')
  })

  test('of other data than in training', async () => {
    const classifier = await classify.train(waves(20, 4), { ...small, epochs: 1 })
    await expect(classifier.predict([[[1, 2, 3]]])).rejects.toThrow(
      'series 1: expected 2 features in each step, as in training, got 3',
    )
    await expect(classifier.evaluate({ texts: ['a'], labels: ['rises'] })).rejects.toThrow(
      'classify: expected series, got texts',
    )
    await expect(classifier.explain('a' as never)).rejects.toThrow(
      "predict: series 1: expected at least one step, got 'a'",
    )
    await expect(classify.train({ labels } as never)).rejects.toThrow(
      'classify.train: expected { texts | series | sounds | clips, labels }, got { labels }',
    )
  })
})
