import { expect, test } from 'vitest'
import { Random } from '../../tensor/random.ts'
import { cyclesOf, writeCalendar } from './calendar.ts'
import { checkLog, fitScale, levelOf, scaleValue, shiftAt, unscaleValue } from './scale.ts'
import { autocorrelation, detectSeason } from './season.ts'

test('autocorrelation', () => {
  // statsmodels' definition: sums over the overlap, divided by the sum of all squares. A straight
  // line is taken out first: here it is 2 t, and the rest is 1, -1, -1, 1, 1, -1, -1, 1.
  const rest = [1, -1, -1, 1, 1, -1, -1, 1]
  const found = autocorrelation(
    rest.map((value, t) => value + 2 * t),
    3,
  )
  expect(Array.from(found, (value) => Number(value.toFixed(6)))).toEqual([1, -0.125, -0.75, 0.125])
  expect([...autocorrelation([3, 3, 3, 3], 2)]).toEqual([0, 0, 0])
})

test('seasons: with a trend, with noise, in several series, and none', () => {
  const random = new Random(1, 'test')
  const series = (season: number, noise: number, trend = 0, length = 400) =>
    Array.from(
      { length },
      (_, t) => Math.sin((2 * Math.PI * t) / season) + trend * t + noise * random.normal(),
    )
  expect(detectSeason([series(12, 0.1, 0.5)])).toBe(12)
  expect(detectSeason([series(24, 0.3), series(24, 0.3, 2)])).toBe(24)
  expect(detectSeason([Array.from({ length: 90 }, (_, t) => [3, 1, 8, 2, 9, 4, 1][t % 7])])).toBe(7)
  expect(detectSeason([Array.from({ length: 500 }, () => random.normal())])).toBe(1)
  expect(detectSeason([[1, 2, 3]])).toBe(1)
  expect(detectSeason([new Array(50).fill(4)])).toBe(1)
  expect(detectSeason([[]])).toBe(1)
})

test('scales and levels', () => {
  expect(fitScale('standard', [1, 3])).toEqual({ shift: 2, factor: 1 })
  expect(fitScale('minMax', [4, 2, 10])).toEqual({ shift: 2, factor: 8 })
  expect(fitScale('none', [4, 2])).toEqual({ shift: 0, factor: 1 })
  const log = fitScale('log', [1, Math.E ** 2])
  expect(log).toEqual({ shift: 1, factor: 1, log: true })
  expect(scaleValue(log, Math.E ** 3)).toBeCloseTo(2, 10)
  expect(unscaleValue(log, 2)).toBeCloseTo(Math.E ** 3, 10)
  expect(() => checkLog('here', [3, 0])).toThrow(
    "here: the scale 'log' needs numbers above 0, got 0 at 1",
  )
  expect(fitScale('standard', [5, 5, 5])).toEqual({ shift: 5, factor: 1 })
  const values = Float32Array.of(1, 10, 3, 20, 5, 30)
  const window = { from: 0, to: 3, column: 1, width: 2, season: 2 }
  expect(levelOf('last', values, window)).toEqual({ shifts: [30], factor: 1 })
  const season = levelOf('season', values, window)
  expect(season).toEqual({ shifts: [20, 30], factor: 1 })
  expect([-3, -2, -1, 0, 1, 2].map((h) => shiftAt(season, h))).toEqual([30, 20, 30, 20, 30, 20])
  expect(levelOf('mean', values, window).shifts[0]).toBeCloseTo(20, 6)
  expect(levelOf('standard', values, window).factor).toBeCloseTo(Math.sqrt(200 / 3), 6)
  const zeros = new Float32Array(6)
  expect(levelOf('standard', zeros, window)).toEqual({ shifts: [0], factor: 0.05 })
})

test('the calendar: cycles that are seen twice, as points on circles', () => {
  const hours = (start: number) =>
    ({ start, step: 3_600_000, unit: 'milliseconds', format: 'YYYY-MM-DD HH:mm' }) as const
  const axis = hours(Date.UTC(2024, 0, 1))
  expect(cyclesOf(axis, 47)).toEqual([])
  expect(cyclesOf(axis, 48)).toEqual(['day'])
  expect(cyclesOf(axis, 336)).toEqual(['day', 'week'])
  expect(cyclesOf(axis, 18_000)).toEqual(['day', 'week', 'year'])
  const months = { start: 0, step: 1, unit: 'months', format: 'YYYY-MM' } as const
  expect(cyclesOf(months, 24)).toEqual(['year'])
  expect(cyclesOf({ ...months, step: 12 }, 100)).toEqual([])
  expect(cyclesOf(null, 100)).toEqual([])
  // Monday, 1 January 2024, and 6 hours: a quarter of the day, 1/28 of the week, 1/1464 of the year.
  const out = new Float32Array(7)
  writeCalendar(['day', 'week', 'year'], axis, 6, out, 1)
  const expected = [1 / 4, 1 / 28, 1 / 1464].flatMap((part) => [
    Math.sin(2 * Math.PI * part),
    Math.cos(2 * Math.PI * part),
  ])
  expected.forEach((value, i) => {
    expect(out[i + 1]).toBeCloseTo(value, 6)
  })
})
