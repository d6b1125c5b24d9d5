import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { RefrainError } from '../errors.ts'
import { type ReadSeriesOptions, readSeries } from './read-series.ts'
import { checkSeries, type Series } from './series.ts'
import { writeTime } from './time.ts'

const stream = (name: string, content: string) => ({
  name,
  stream: (async function* () {
    yield Buffer.from(content)
  })(),
})

const read = (content: string, options: ReadSeriesOptions = {}, name = 's.csv') =>
  readSeries(stream(name, content), options)

async function failure(content: string, options: ReadSeriesOptions = {}, name = 's.csv') {
  try {
    await read(content, options, name)
  } catch (error) {
    if (error instanceof RefrainError) return `${error.code} ${error.message}`
    throw error
  }
  throw new Error('expected a RefrainError')
}

/** Numbers of a column as an array. */
const list = (series: Series, column: string) =>
  Array.from({ ...series.values, ...series.past, ...series.known }[column])

test('one series; the time column is found by its name', async () => {
  const { series, filled } = await read('Date,a,b\n2020-01-31,1,10\n2020-02-29,2.5,-20\n')
  expect(series).toHaveLength(1)
  const [one] = series
  expect([one.id, one.length, list(one, 'a'), list(one, 'b')]).toEqual([
    '1',
    2,
    [1, 2.5],
    [10, -20],
  ])
  expect([0, 2].map((i) => writeTime(one.axis!, i))).toEqual(['2020-01-31', '2020-03-31'])
  expect(filled).toEqual({ numbers: 0, rows: 0 })
  const [same] = (await read('a\n3\n4\n')).series
  expect([same.axis, list(same, 'a')]).toEqual([null, [3, 4]])
  const [plain] = (await read('year,a\n7,3\n9,4\n', { time: null })).series
  expect([plain.axis, list(plain, 'year'), list(plain, 'a')]).toEqual([null, [7, 9], [3, 4]])
})

test('several series in mixed rows, of TSV, JSON and JSON lines', async () => {
  const contents = {
    's.tsv': 'ds\tid\ty\n1\tx\t1\n1\ty\t5\n2\tx\t2\n2\ty\t6\n3\ty\t7\n',
    's.json':
      '[{"ds":1,"id":"x","y":1},{"ds":1,"id":"y","y":5},{"ds":2,"id":"x","y":2},\n' +
      '{"ds":2,"id":"y","y":6},{"ds":3,"id":"y","y":7}]',
    's.jsonl':
      '{"ds":1,"id":"x","y":1}\n{"ds":1,"id":"y","y":5}\n{"ds":2,"id":"x","y":2}\n' +
      '{"ds":2,"id":"y","y":6}\n{"ds":3,"id":"y","y":7}\n',
  }
  for (const [name, content] of Object.entries(contents)) {
    const { series } = await read(content, { id: 'id' }, name)
    expect(series.map((one) => [one.id, list(one, 'y')])).toEqual([
      ['x', [1, 2]],
      ['y', [5, 6, 7]],
    ])
  }
})

test('what is known in advance goes on after the values', async () => {
  const rows = 'day,sales,holiday,rain\n1,5,0,2\n2,6,1,3\n3,,0,\n4,,1,\n'
  const [series] = (await read(rows, { past: ['rain'], known: ['holiday'] })).series
  expect([series.length, list(series, 'sales')]).toEqual([2, [5, 6]])
  expect(list(series, 'rain')).toEqual([2, 3])
  expect(list(series, 'holiday')).toEqual([0, 1, 0, 1])
})

test('fill: numbers and rows, each way', async () => {
  const rows = 'time,a\n0,2\n1,NaN\n2,4\n5,10\n6,?\n'
  const filled = async (fill: ReadSeriesOptions['fill']) =>
    list((await read(rows, { fill })).series[0], 'a')
  expect(await filled('previous')).toEqual([2, 2, 4, 4, 4, 10, 10])
  expect(await filled('linear')).toEqual([2, 3, 4, 6, 8, 10, 10])
  expect(await filled(-1)).toEqual([2, -1, 4, -1, -1, 10, -1])
  expect((await read(rows, { fill: 0 })).filled).toEqual({ numbers: 2, rows: 2 })
  expect(list((await read('a\n\nNA\n3\n', { fill: 'linear' })).series[0], 'a')).toEqual([3, 3])
  expect(await failure('a\nNA\n3\n', { fill: 'previous' })).toBe(
    "BAD_DATA series '1', column 'a': there is no number before the first rows. Remove those rows, " +
      'or fill with a number',
  )
  expect(await failure('a\nNA\n', { fill: 'linear' })).toContain('there is no number at all')
})

test('errors name the file, the row and what to do', async () => {
  expect(await failure('date,a\n2020-01-01,1\n2020-01-02,x\n')).toBe(
    "BAD_DATA s.csv, row 2 (line 3): expected a number in the column 'a', got 'x'. Name the columns " +
      'with numbers to forecast with --values (values)',
  )
  expect(await failure('date;a\n2020-01-01;1,5\n')).toBe(
    "BAD_DATA s.csv, row 1 (line 2): expected a number in the column 'a', got '1,5'. Write decimals " +
      'with a point',
  )
  expect(await failure('date,a\n2020-01-01,1\n2020-01-02,\n2020-01-03,nan\n')).toBe(
    "BAD_DATA s.csv, row 2 (line 3): there is no number in the column 'a', as in 2 of 3 rows. Fill " +
      'them with --fill linear, previous or a number (fill)',
  )
  expect(await failure('date,a\n2020-01-01,1\n2020-01-02,2\n2020-01-05,3\n')).toBe(
    "BAD_DATA s.csv, row 3 (line 4): there is a gap before it: the time goes from '2020-01-02' to " +
      "'2020-01-05' in steps of 1 day; 2 rows are missing in all. Fill it with --fill linear, " +
      'previous or a number (fill)',
  )
  expect(await failure('date,a\n2020-01-02,1\n2020-01-01,2\n')).toBe(
    'BAD_DATA s.csv, row 2 (line 3): its time is before that of s.csv, row 1 (line 2). Sort the rows ' +
      'by time',
  )
  expect(await failure('date,a\n2020-01-02,1\n2020-01-02,2\n')).toContain(
    'row 2 (line 3): its time is that of s.csv, row 1 (line 2). Remove one of them',
  )
  expect(await failure('date,a\n1.2.2020,1\n')).toBe(
    "BAD_DATA s.csv, row 1 (line 2): expected a date or a number in the column 'date', got " +
      "'1.2.2020'. Write dates as '2016-07-01' or '2016-07-01 13:00', or leave the times out with " +
      '--time none (time: null)',
  )
  expect(await failure('date,a\n1,1\n', { values: ['price'] })).toBe(
    "BAD_DATA s.csv: there is no column 'price'. Name it with --values; known: date, a",
  )
  expect(await failure('date,sales\n1,1\n', { values: ['sale'] })).toBe(
    "BAD_DATA s.csv: there is no column 'sale'; did you mean 'sales'?",
  )
  expect(await failure('date,a\n1,1\n', { id: 'a' })).toBe(
    "BAD_DATA s.csv: there is no column to forecast beside 'date', 'a'",
  )
  expect(await failure('id,a\n,1\n', { id: 'id' })).toBe(
    "BAD_DATA s.csv, row 1 (line 2): expected the name of a series in the column 'id', got ''",
  )
  expect(await failure('a,b\n1,1\n', { values: ['a'], past: ['a'] })).toBe(
    "BAD_ARGUMENT the column 'a' is named for two parts. A column is the time, the id, a value, or " +
      'known in the past or the future',
  )
  expect(await failure('a\n1\n', { fill: 'mean' as never })).toBe(
    "BAD_ARGUMENT readSeries 'fill': expected 'previous', 'linear' or a number, got 'mean'",
  )
  expect(await failure('a\n1\n', { value: ['a'] } as never)).toBe(
    "UNKNOWN_OPTION readSeries: unknown option 'value'; did you mean 'values'?",
  )
})

test('carbon dioxide on Mauna Loa has gaps in its first years', async () => {
  const root = dirname(createRequire(import.meta.url).resolve('vega-datasets'))
  const path = join(root, '../data/co2-concentration.csv')
  await expect(readSeries(path, { values: ['CO2'] })).rejects.toThrow(
    "the time goes from '1958-05-01' to '1958-07-01' in steps of 1 month; 5 rows are missing in all",
  )
  const { series, filled } = await readSeries(path, { values: ['CO2'], fill: 'linear' })
  expect(filled).toEqual({ numbers: 0, rows: 5 })
  expect(series[0].length).toBe(741 + 5)
  expect(writeTime(series[0].axis!, 745)).toBe('2020-04-01')
})

test('series that a program makes', () => {
  const [one, two] = checkSeries('here', [
    { values: [1, 2, 3], times: ['2020-01', '2020-02', '2020-03'] },
    { id: 'x', values: { a: Float32Array.of(1), b: [2] }, known: { c: [3, 4] } },
  ])
  expect([one.id, list(one, 'value'), one.axis!.unit]).toEqual(['1', [1, 2, 3], 'months'])
  expect([two.id, two.length, list(two, 'b'), list(two, 'c')]).toEqual(['x', 1, [2], [3, 4]])
  const failing = (...input: object[]) => {
    try {
      checkSeries('here', input as never)
    } catch (error) {
      return `${(error as RefrainError).code} ${(error as Error).message}`
    }
  }
  expect(failing()).toBe('BAD_DATA here: expected at least one series, got none')
  expect(failing({ values: [] })).toBe('BAD_DATA here: expected at least one value, got none')
  expect(failing({ values: [1, Number.NaN] })).toBe(
    "NOT_FINITE here: expected finite numbers in 'value', got NaN at 1. Fill missing values first; " +
      'readSeries does it with its option fill',
  )
  expect(failing({ values: { a: [1], b: [1, 2] } })).toBe(
    "BAD_SHAPE here: expected 1 numbers in 'b', as in 'a', got 2",
  )
  expect(failing({ values: [1, 2], known: { k: [1] } })).toBe(
    "BAD_SHAPE here: expected at least 2 numbers in 'k', got 1",
  )
  expect(failing({ id: 'a', values: [1] }, { id: 'a', values: [1] })).toBe(
    "BAD_DATA here: the series 'a' is there twice",
  )
  expect(failing({ values: [1, 2, 3], times: [1, 2, 4] })).toBe(
    'BAD_DATA here, time 2 (4): there is a gap before it. Fill missing values first; readSeries does ' +
      'it with its option fill',
  )
  expect(failing({ values: [1, 2], times: [1] })).toBe(
    'BAD_SHAPE here: expected 2 times, one for each value, got 1',
  )
})
