import { describe, expect, it } from 'vitest'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import { adam } from './optimizers.ts'
import {
  cosineDecay,
  cosineDecayRestarts,
  exponentialDecay,
  inverseTimeDecay,
  oneCycle,
  piecewiseConstantDecay,
  polynomialDecay,
  rateAt,
  restoreSchedule,
  type Schedule,
  stepDecay,
  warmup,
} from './schedules.ts'

const makers: Record<string, (options: never) => Schedule> = {
  ExponentialDecay: exponentialDecay,
  PiecewiseConstantDecay: piecewiseConstantDecay,
  PolynomialDecay: polynomialDecay,
  InverseTimeDecay: inverseTimeDecay,
  CosineDecay: cosineDecay,
  CosineDecayRestarts: cosineDecayRestarts,
  StepLR: stepDecay,
  OneCycleLR: oneCycle,
}

for (const path of ['keras/schedules.json', 'pytorch/schedules.json']) {
  const { made_by, cases } = loadFixture(path)
  describe(`${made_by.program} ${made_by.version}`, () => {
    it.each(cases.map((test) => [test.name, test] as const))('%s', (_, test: FixtureCase) => {
      const { kind, steps, ...options } = test.options
      const schedule = makers[kind as string](options as never)
      const rates = (steps as number[]).map((step) => rateAt(schedule, step))
      expectClose(rates, test.arrays.rates.data, { relative: 1e-6, absolute: 1e-9 })
      const copy = JSON.parse(JSON.stringify(schedule)) as Schedule
      expect(copy).toEqual(schedule)
      const restored = restoreSchedule(copy) as Schedule
      expect(restored).toEqual(schedule)
      expect(rateAt(restored, 7)).toBe(rateAt(schedule, 7))
    })
  })
}

it('warms up to the first rate of any schedule, and then follows it', () => {
  const schedule = stepDecay({ initialLearningRate: 0.4, stepSize: 2, gamma: 0.5 })
  const made = warmup({ schedule, warmupSteps: 4, initialLearningRate: 0.2 })
  const rates = Array.from({ length: 9 }, (_, step) => rateAt(made, step))
  expectClose(rates, [0.2, 0.25, 0.3, 0.35, 0.4, 0.4, 0.2, 0.2, 0.1], { relative: 1e-12 })
  const restored = restoreSchedule(JSON.parse(JSON.stringify(made))) as Schedule
  expect(rateAt(restored, 6)).toBe(rateAt(made, 6))
  const constant = warmup({ schedule: 0.1, warmupSteps: 2 })
  expect([0, 1, 2, 50].map((step) => rateAt(constant, step))).toEqual([0, 0.05, 0.1, 0.1])
})

it('restarts exactly where a cycle ends', () => {
  const made = cosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 10, tMul: 3 })
  for (const step of [0, 10, 40, 130, 400, 1210]) expect(rateAt(made, step)).toBe(1)
})

it('stays at the end of one cycle', () => {
  const made = oneCycle({ maxLearningRate: 1, totalSteps: 10, divFactor: 10, finalDivFactor: 10 })
  expect(rateAt(made, 9)).toBeCloseTo(0.01, 12)
  expect(rateAt(made, 100)).toBeCloseTo(0.01, 12)
})

describe('errors', () => {
  it('name the option and what it must be', () => {
    expect(() => cosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 5, tMul: 0.5 })) //
      .toThrow("cosineDecayRestarts 'tMul': expected a finite number of at least 1, got 0.5")
    expect(() => piecewiseConstantDecay({ boundaries: [1, 2], values: [1, 2] })).toThrow(
      'piecewiseConstantDecay: expected a value more than boundaries',
    )
    expect(() => piecewiseConstantDecay({ boundaries: [5, 5], values: [1, 2, 3] })).toThrow(
      "piecewiseConstantDecay 'boundaries' 1: expected a whole number of at least 6, got 5",
    )
    expect(() => polynomialDecay({ initialLearningRate: 1 } as never)).toThrow(
      "polynomialDecay 'decaySteps': expected a whole number of at least 1, got undefined",
    )
    expect(() => oneCycle({ maxLearningRate: 1, totalSteps: 5, linear: 'cos' as never })).toThrow(
      "oneCycle 'linear': expected true or false, got 'cos'",
    )
    expect(() => warmup({ schedule: { kind: 'cosine' } as never, warmupSteps: 2 })).toThrow(
      "warmup 'schedule'",
    )
    expect(() => adam({ learningRate: { kind: 'cosineDecay' } as never })).toThrow(
      "adam 'learningRate': expected a number or a schedule, got { kind }; write exponentialDecay",
    )
  })
})
