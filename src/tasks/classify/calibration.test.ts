import { describe, expect, test } from 'vitest'
import {
  calibrationError,
  cool,
  crossEntropy,
  fitTemperature,
  fitThresholds,
} from './calibration.ts'
import { evaluate } from './scores.ts'

const softmax = (z: number[]) => {
  const exps = z.map(Math.exp)
  const total = exps.reduce((a, b) => a + b)
  return exps.map((e) => e / total)
}
const one = (values: number[], size = 2) => ({ values, size, several: false })
const several = (values: number[], size = 2) => ({ values, size, several: true })
const own = (...labels: (number | number[])[]) => labels.map((l) => Int32Array.from([l].flat()))

describe('temperature', () => {
  test('divides logits', () => {
    const z = [1.5, -2, 0.25]
    const cooled = cool(one(softmax(z), 3), 2)
    softmax(z.map((v) => v / 2)).forEach((p, i) => {
      expect(cooled[i]).toBeCloseTo(p, 12)
    })
    const sigmoid = (v: number) => 1 / (1 + Math.exp(-v))
    expect(cool(several([sigmoid(3)], 1), 2)[0]).toBeCloseTo(sigmoid(1.5), 6)
    expect([...cool(several([0, 1], 1), 1)]).toEqual([0, 1])
  })

  test('is found where answers are three times as sure as they should be', () => {
    // Of answers with the logit ±1 the share σ(1) is right; the network says ±3.
    const right = 1 / (1 + Math.exp(-1))
    const rows = 5000
    const values = Array.from({ length: rows }, () => softmax([3, 0])).flat()
    const numbers = own(...Array.from({ length: rows }, (_, i) => Number(i >= right * rows)))
    const temperature = fitTemperature(one(values), numbers)
    expect(temperature).toBeCloseTo(3, 1)
    const cooled = { ...one(values), values: cool(one(values), temperature) }
    expect(calibrationError(one(values), numbers)).toBeCloseTo(softmax([3, 0])[0] - right, 3)
    expect(calibrationError(cooled, numbers)).toBeLessThan(0.01)
    expect(crossEntropy(cooled, numbers)).toBeLessThan(crossEntropy(one(values), numbers))
  })

  test('a few examples that are all right leave it near 1', () => {
    const temperature = fitTemperature(one([0.95, 0.05, 0.1, 0.9]), own(0, 1))
    expect(temperature).toBeGreaterThan(0.75)
    expect(temperature).toBeLessThan(1)
  })
})

test('the calibration error, by hand', () => {
  // Bins of 1/15: 0.65 and 0.66 share one, with mean 0.655 and half right; 0.9 is right.
  const values = [0.65, 0.35, 0.34, 0.66, 0.9, 0.1]
  const expected = (2 * Math.abs(0.655 - 0.5) + Math.abs(0.9 - 1)) / 3
  expect(calibrationError(one(values), own(0, 0, 0))).toBeCloseTo(expected, 12)
  // Of several labels each is an answer.
  expect(calibrationError(several([0.9, 0.2]), own(0))).toBeCloseTo((0.1 + 0.2) / 2, 12)
})

test('thresholds have the best F1, and 0.5 for a label that nothing has', () => {
  const values = [0.3, 0.1, 0.2, 0.9, 0.1, 0.8, 0.05, 0.7]
  const thresholds = fitThresholds(several(values), own([0], [0], [], []))
  expect(thresholds[0]).toBeCloseTo(0.15, 12)
  expect(thresholds[1]).toBe(0.5)
})

test('scores of several labels, by hand', () => {
  const values = [0.9, 0.6, 0.4, 0.7, 0.1, 0.2]
  const result = evaluate(several(values), own([0], [1], [0, 1]), ['a', 'b'], [0.5, 0.5])
  // Answers: {a,b}, {b}, {}: of a 1 of 1, of 2; of b 1 of 2, of 2.
  expect(result.labels).toEqual([
    { label: 'a', examples: 2, precision: 1, recall: 0.5, f1: 2 / 3 },
    { label: 'b', examples: 2, precision: 0.5, recall: 0.5, f1: 0.5 },
  ])
  expect(result.microF1).toBeCloseTo((2 * 2) / (4 + 3), 12)
  expect(result.macroF1).toBeCloseTo((2 / 3 + 0.5) / 2, 12)
  expect(result.accuracy).toBeCloseTo(1 / 3, 12)
  const loss = [0.9, 0.4, 0.6, 0.7, 0.1, 0.2].reduce((sum, p) => sum - Math.log(p), 0)
  expect(result.loss).toBeCloseTo(loss / 6, 12)
  expect(result.confusion).toEqual([])
})
