import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readLabelledSeries } from './labelled-series.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-series-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, ...lines: string[]) => {
  const path = join(folder, name)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}
const failure = (path: string, options = {}) =>
  readLabelledSeries(path, options).then(
    () => 'none',
    (error) => String(error).replace(`${path}, `, '').replace(`RefrainError: `, ''),
  )
const expected = [[[1, 20], [2, 21]], [[3, 22]]] // biome-ignore format: steps side by side

test('the same series from rows of steps, rows of series and files', async () => {
  const steps = write('a.csv', 'id,label,time,x,y', 'p,up,0,1,20', 'p,up,1,2,21', 'q,down,0,3,22')
  const rows = write(
    'a.jsonl',
    '{"label":"up","series":[[1,20],[2,21]]}',
    '{"label":"down","series":[[3,22]]}',
  )
  for (const label of ['up', 'down']) mkdirSync(join(folder, 'files', label), { recursive: true })
  write('files/up/1.csv', 'time,x,y', '0,1,20', '1,2,21')
  write('files/down/1.tsv', 't\tx\ty', '0\t3\t22')
  const table = await readLabelledSeries(steps)
  expect(table.series).toEqual(expected)
  expect(table.labels).toEqual(['up', 'down'])
  expect(table.features).toEqual(['x', 'y'])
  expect(table.where(1)).toBe(`${steps}, row 3 (line 4)`)
  const lines = await readLabelledSeries(rows)
  expect([lines.series, lines.labels]).toEqual([expected, ['up', 'down']])
  const files = await readLabelledSeries(join(folder, 'files'))
  expect([files.series, files.labels]).toEqual([[...expected].reverse(), ['down', 'up']])
  const one = await readLabelledSeries(write('b.jsonl', '{"label":1,"series":[4,5]}'))
  expect([one.series, one.labels]).toEqual([[[[4], [5]]], ['1']])
  const named = write('c.csv', 'run,kind,x,note', '1,a,5,ok', '2,b,6,ok')
  const chosen = await readLabelledSeries(named, { id: 'run', label: 'kind', values: ['x'] })
  expect(chosen.series).toEqual([[[5]], [[6]]])
})

test('what is wrong with them', async () => {
  const header = 'id,label,x'
  expect(await failure(write('d.csv', header, '1,a,5', '1,a,'))).toBe(
    "row 2 (line 3), column 'x': expected a number, got ''. Fill gaps, or remove the row",
  )
  expect(await failure(write('d.csv', header, '1,a,5', '1,b,6'))).toBe(
    "row 2 (line 3): the series '1' was 'a' before and is 'b' here. A series has one label",
  )
  expect(await failure(write('d.csv', header, '1,a,5', '2,b,6', '1,a,7'))).toBe(
    "row 3 (line 4): the series '1' has rows further up, with others between. Sort the table by series",
  )
  expect(await failure(write('d.csv', 'id,lable,x', '1,a,5'))).toBe(
    "row 1 (line 2): there is no column 'label'; did you mean 'lable'?",
  )
  expect(await failure(write('d.csv', header, '1,,5'))).toBe(
    "row 1 (line 2): the label (column 'label') is empty. Fill it in or remove the row",
  )
  expect(await failure(write('d.jsonl', '{"label":"a","series":[]}'))).toBe(
    "row 1, column 'series': expected a list of steps, got []; such as [[0.1, 20], [0.3, 21]]",
  )
  expect(await failure(write('d.jsonl', '{"label":"a","series":[[1,2],[3]]}'))).toBe(
    "row 1, column 'series', step 2: expected 2 numbers, as in step 1, got [3]",
  )
  expect(await failure(write('d.jsonl', '{"label":"a","series":[[1,null]]}'))).toBe(
    "row 1, column 'series', step 1: expected a number, got null. Fill gaps, or remove the row",
  )
})
