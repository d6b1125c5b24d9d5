import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../../test/cli/harness.ts'

const { at, refrain, prints, failure, remove } = new Workplace()
const model = at('shop.refrain')
const table = at('shop.csv')

const week = [5, 6, 6, 7, 9, 12, 3]
const day = (t: number) => new Date(Date.UTC(2024, 0, 1 + t)).toISOString().slice(0, 10)
const rows = (length: number, sales: (t: number) => string | number, from = 0) =>
  Array.from({ length }, (_, i) => from + i).map((t) => `${day(t)},${sales(t)},${t % 3}`)
const header = 'date,sales,staff'

let trained: Record<string, unknown>[]
beforeAll(async () => {
  writeFileSync(table, [header, ...rows(120, (t) => 10 * week[t % 7] + (t % 5))].join('\n'))
  const args = ['--values', 'sales', '--known', 'staff', '--horizon', '2', '--quantiles', '0.1,0.9']
  const size = ['--units', '4', '--epochs', '3', '--season', '7', '--window', '14', '--json']
  trained = jsonLines(await prints(['train', 'forecast', table, ...args, ...size, '--out', model]))
})
afterAll(remove)

test('training says what it read, what it kept and how that compares', async () => {
  expect(trained[0]).toMatchObject({ event: 'start', series: 1, values: 120, columns: ['sales'] })
  const kept = trained.find(({ event }) => event === 'kept')!
  expect(kept.verdict).toMatch(/repeating the last/i)
  expect(kept.validation).toMatchObject({ horizon: 2, season: 7 })
  const about = await prints(['inspect', model])
  expect(about).toContain('Forecasts sales, 2 steps of 1 day from the 14 before')
  expect(about).toContain('Reads, too: staff, time of the week')
  expect(about).toContain('Quantiles: 0.1, 0.5, 0.9')
  expect(about).toMatch(/On the validation part: .*repeating the last/i)
})

test('evaluate prints the errors of the model and of both naive forecasts, and who wins', async () => {
  const text = await prints(['evaluate', model, table, '--from=-30', '--stride', '7'])
  expect(text).toMatch(/^5 forecasts of 2 steps\n/)
  for (const name of ['model', 'last value', 'last 7 steps']) {
    expect(text).toMatch(new RegExp(`\n${name} +[\\d.]+ +[\\d.]+ +[\\d.]+ +[\\d.]+ +[\\d.]+\n`))
  }
  expect(text).toContain('below the quantile 0.9: ')
  expect(text).toMatch(/forecasts better than the model|The model's MASE is/)
  const [json] = jsonLines(await prints(['evaluate', model, table, '--json']))
  expect(json).toMatchObject({ origins: 105, horizon: 2, season: 7 })
})

test('predict continues tables; what is known in advance goes on', async () => {
  const future = at('future.csv')
  const all = [header, ...rows(40, (t) => 10 * week[t % 7]), ...rows(2, () => '', 40)]
  writeFileSync(future, all.join('\n'))
  const lines = (await prints(['predict', model, '--file', future])).trim().split('\n')
  expect(lines.map((line) => line.split('\t')[0])).toEqual([day(40), day(41)])
  expect(lines[0].split('\t')).toHaveLength(5)
  await prints(['predict', model, '--file', future, '--plot', at('chart.svg')])
  const chart = readFileSync(at('chart.svg'), 'utf8')
  for (const word of ['sales', 'past', 'forecast']) expect(chart).toContain(`>${word}<`)
  const [json] = jsonLines(await prints(['predict', model, '--json'], { stdin: all.join('\n') }))
  expect(json).toMatchObject({ id: '1', times: [day(40), day(41)] })
  expect(await failure(['predict', model, '--file', table])).toBe(
    "forecast.predict: series '1': [staff] are known for 0 steps after the last value, but the " +
      'horizon is 2. Add rows with them and without values',
  )
  expect(await failure(['predict', model, '1', '2'])).toBe(
    'predict: the model reads several columns, and arguments are one. Give a table with --file',
  )
})

test('numbers as arguments', async () => {
  const plain = at('plain.refrain')
  const series = at('numbers.csv')
  writeFileSync(series, `x\n${Array.from({ length: 60 }, (_, t) => t % 4).join('\n')}\n`)
  const size = ['--units', '2', '--epochs', '1', '--window', '4', '--horizon', '3', '--quiet']
  await prints(['train', 'forecast', series, ...size, '--out', plain])
  const lines = (await prints(['predict', plain, '1', '2', '3', '0,1'])).trim().split('\n')
  expect(lines.map((line) => line.split('\t')[0])).toEqual(['1', '2', '3'])
  const why = (await prints(['explain', plain, '1', '2', '3', '0,1', '--ahead', '2'])).trim()
  const [title, ...rows] = why.split('\n')
  expect(title).toBe('x, step 2:')
  const numbers = rows.map((row) => Number(/[-+\d.e]+$/.exec(row)![0]))
  const forecast = numbers.pop()!
  expect(numbers.reduce((a, b) => a + b)).toBeCloseTo(forecast, 2)
  expect(forecast).toBeCloseTo(Number(lines[1].split('\t')[1]), 2)
  const all = jsonLines(await prints(['explain', plain, '1', '2', '3', '0', '1', '--json']))
  expect(all.map(({ ahead }) => ahead)).toEqual([1, 2, 3])
  expect(await failure(['explain', plain, series, '--label', 'x'])).toBe(
    '--label: a model for forecast has no label to explain. It has --column and --ahead',
  )
  const [ofTable] = jsonLines(await prints(['explain', plain, series, '--ahead', '1', '--json']))
  expect(ofTable).toMatchObject({ column: 'x', ahead: 1, known: {} })
  expect(await failure(['predict', plain, '1', 'x', '3', '4'])).toBe(
    'predict: expected numbers, got "x". A file goes behind --file',
  )
  expect(await failure(['predict', plain, '1', '2'])).toBe(
    "forecast.predict: series '1': it has 2 values, and the window is 4. Give more of its past",
  )
})

test('errors name the file, the row and the option', async () => {
  const bad = at('bad.csv')
  writeFileSync(bad, `${[header, ...rows(5, () => 1), ...rows(3, () => 1, 7)].join('\n')}\n`)
  const train = (...args: string[]) => failure(['train', 'forecast', bad, '--out', model, ...args])
  expect(await train()).toMatch(/row 6 \(line 7\): there is a gap before it: .*--fill linear/)
  expect(await train('--fill', 'mean')).toContain('Expected linear, previous or a number.')
  expect(await train('--fill', '0', '--values', 'sale')).toContain("did you mean 'sales'?")
  const short = await refrain([
    'train',
    'forecast',
    bad,
    '--out',
    model,
    '--fill',
    '0',
    '--horizon',
    '9',
  ])
  expect(short.stdout).toContain('filled 2 missing rows and 0 missing numbers')
  expect([short.status, short.stderr]).toEqual([
    1,
    expect.stringContaining('has 10 values, of which 1'),
  ])
})
