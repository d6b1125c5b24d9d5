import { describe, expect, test } from 'vitest'
import { axisOf, describeStep, parseTime, timeAt, writeTime } from './time.ts'

const parse = (times: readonly (string | number)[]) => times.map((time) => parseTime(time)!)
const at = (i: number) => `row ${i + 1}`
/** Positions, step in words, and the two times after the last. */
function found(times: readonly (string | number)[]) {
  const { axis, positions } = axisOf(parse(times), at)
  const end = positions[positions.length - 1]
  return [positions, describeStep(axis), writeTime(axis, end + 1), writeTime(axis, end + 2)]
}

test('dates are read as ISO 8601 reads them, in UTC', () => {
  for (const text of ['2016-07-01T13:05:09Z', '2016-07-01T13:05:09+02:00', '2024-02-29T00:00Z']) {
    expect(parseTime(text)!.value).toBe(Date.parse(text))
  }
  expect(parseTime('2016-07-01 13:05')).toEqual({
    value: Date.UTC(2016, 6, 1, 13, 5),
    format: 'YYYY-MM-DD HH:mm',
  })
  expect(parseTime('2016/7/1')).toEqual({ value: Date.UTC(2016, 6, 1), format: 'YYYY/MM/DD' })
  expect(parseTime(' 1949-01 ')).toEqual({ value: Date.UTC(1949, 0, 1), format: 'YYYY-MM' })
  expect(parseTime('-2.5e3')).toEqual({ value: -2500, format: '' })
  for (const bad of ['', '1-01', '2015-02-29', '2015-13-01', '01/02/2015', 'May', null, Infinity]) {
    expect(parseTime(bad)).toBeUndefined()
  }
})

describe('axes', () => {
  test('hours, days, weeks, months, ends of months, years, numbers', () => {
    expect(found(['2016-12-31 22:00', '2016-12-31 23:00'])).toEqual([
      [0, 1],
      '1 hour',
      '2017-01-01 00:00',
      '2017-01-01 01:00',
    ])
    expect(found(['2012/02/27', '2012/02/28'])).toEqual([
      [0, 1],
      '1 day',
      '2012/02/29',
      '2012/03/01',
    ])
    expect(found(['2012-01-01', '2012-01-08', '2012-01-15'])[1]).toBe('1 week')
    expect(found(['1949-11', '1949-12'])).toEqual([[0, 1], '1 month', '1950-01', '1950-02'])
    expect(found(['2019-11-30', '2019-12-31', '2020-01-31'])).toEqual([
      [0, 1, 2],
      '1 month',
      '2020-02-29',
      '2020-03-31',
    ])
    expect(found(['2001-05-01', '2002-05-01', '2003-05-01'])).toEqual([
      [0, 1, 2],
      '1 year',
      '2004-05-01',
      '2005-05-01',
    ])
    expect(found([1998, 1999, 2000])).toEqual([[0, 1, 2], '1', 2001, 2002])
    expect(found(['2020-01-01T00:00Z', '2020-01-01T00:15Z'])[2]).toBe('2020-01-01T00:30Z')
  })

  test('gaps are positions left out, and the commonest difference is the step', () => {
    expect(found(['1958-03-01', '1958-04-01', '1958-05-01', '1958-08-01'])[0]).toEqual([0, 1, 2, 5])
    expect(found([0, 1, 2, 4, 6, 7])[0]).toEqual([0, 1, 2, 4, 6, 7])
  })

  test('rounded numbers', () => {
    const times = Array.from({ length: 50 }, (_, i) => Number((i / 3).toFixed(3)))
    const { axis, positions } = axisOf(parse(times), at)
    expect(positions).toEqual(times.map((_, i) => i))
    expect(axis.step).toBeCloseTo(1 / 3, 4)
  })

  test('errors', () => {
    const failure = (...times: (string | number)[]) => {
      try {
        axisOf(parse(times), at)
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(failure('2020-01-01')).toBe(
      'row 1: expected at least two times, got one. The step between rows comes from them',
    )
    expect(failure('2020-01-02', '2020-01-01')).toBe(
      'row 2: its time is before that of row 1. Sort the rows by time',
    )
    expect(failure('2020-01-01', '2020-01-02', '2020-01-02')).toBe(
      'row 3: its time is that of row 2. Remove one of them; of several series in one file, name ' +
        'the column that tells them apart with --id (id)',
    )
    expect(failure('2020-01-01', 7)).toBe(
      'row 2: dates and numbers are mixed in the time column. Write all in one way',
    )
    expect(
      failure('2020-01-01 00:00', '2020-01-01 01:00', '2020-01-01 02:00', '2020-01-01 02:30'),
    ).toBe(
      'row 4: its time is 30 minutes after that of row 3, but most steps are 1 hour. Times must be ' +
        'equally spaced, as far as there are any: resample the series, or leave the time column out ' +
        'with --time none (time: null)',
    )
  })
})

test('a year far away', () => {
  const axis = { start: 0, step: 1, unit: 'months', format: 'YYYY-MM' } as const
  expect(timeAt(axis, -1)).toBe(Date.UTC(1969, 11, 1))
  expect(writeTime(axis, 12 * 30)).toBe('2000-01')
})
