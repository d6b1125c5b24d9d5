import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { readPairs, readParallel } from './pairs.ts'

const stream = (name: string, content: string) => ({
  name,
  stream: (async function* () {
    yield Buffer.from(content)
  })(),
})

const parallel = (left: string, right: string, options = {}) =>
  readParallel(stream('a.en', left), stream('a.fr', right), options)

test('lines of two files', async () => {
  const pairs = await parallel('one\r\n\ntwo \n', 'un\n \ndeux')
  expect(pairs.sources).toEqual(['one', 'two'])
  expect(pairs.targets).toEqual(['un', 'deux'])
  expect(pairs.where(1)).toBe('a.en, row 3')
  const folder = mkdtempSync(join(tmpdir(), 'refrain-pairs-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [left, right] = [join(folder, 'a.en.gz'), join(folder, 'a.fr')]
  writeFileSync(left, gzipSync('one\ntwo\n'))
  writeFileSync(right, 'un\ndeux\n')
  expect((await readParallel(left, right)).targets).toEqual(['un', 'deux'])
})

test('two files that do not belong together', async () => {
  await expect(parallel('one\ntwo\nthree\n', 'un\n')).rejects.toThrow(
    'expected a line in a.fr for each line in a.en, got 1 and 3. Line 7 of one file is what line 7',
  )
  await expect(parallel('one\n', 'un\ndeux\n')).rejects.toThrow('got 2 and 1')
  await expect(parallel('one\ntwo\n', 'un\n\n')).rejects.toThrow(
    'a.fr, row 2: the target is empty. Fill in what lacks, remove such rows or use --skip-missing',
  )
  await expect(parallel('one\n \nthree\n', 'un\ndeux\n \n')).rejects.toThrow(
    'a.en, row 2: the source is empty, as in 2 of 3 rows',
  )
  const rest = await parallel('one\n \nthree\n', 'un\ndeux\ntrois\n', { skipMissing: true })
  expect([rest.targets, rest.skipped, rest.where(1)]).toEqual([['un', 'trois'], 1, 'a.en, row 3'])
  await expect(parallel('', '')).rejects.toThrow('a.en and a.fr: there are no texts in it')
})

test('columns of tables', async () => {
  const pairs = await readPairs([
    stream('a.tsv', 'id\tsource\ttarget\n1\tGo.\tVa !\n'),
    stream('a.jsonl', '{"source":"Run!","target":"Cours !"}\n'),
  ])
  expect(pairs.sources).toEqual(['Go.', 'Run!'])
  expect(pairs.targets).toEqual(['Va !', 'Cours !'])
  expect(pairs.where(0)).toBe('a.tsv, row 1 (line 2)')
  const swapped = await readPairs(stream('a.csv', 'en,fr\nGo.,Va !\n'), {
    source: 'fr',
    target: 'en',
  })
  expect(swapped.sources).toEqual(['Va !'])
})

test('lines without a header', async () => {
  const content = 'Go.\tVa !\tCC-BY\n\n"Hi"\tSalut\n'
  const pairs = await readPairs(stream('fra.txt', content), { header: false })
  expect(pairs.sources).toEqual(['Go.', '"Hi"'])
  expect(pairs.targets).toEqual(['Va !', 'Salut'])
  expect(pairs.where(1)).toBe('fra.txt, row 2 (line 3)')
  const back = { header: false, source: '2', target: '1' }
  expect((await readPairs(stream('fra.txt', content), back)).sources).toEqual(['Va !', 'Salut'])
})

test('rows that lack something', async () => {
  const failing = (content: string, options = {}, name = 'a.tsv') =>
    expect(readPairs(stream(name, content), options)).rejects
  await failing('en\tfr\nGo.\tVa\n').toThrow(
    "a.tsv: there is no column 'source'. Name the column with --source; known: en, fr",
  )
  await failing('source\ttarget\nGo.\t\n').toThrow(
    "a.tsv, row 1 (line 2): the target (column 'target') is empty",
  )
  await failing('{"source":"a","target":7}', {}, 'a.jsonl').toThrow(
    "a.jsonl, row 1: the target (column 'target'): expected a text, got 7",
  )
  await failing('{"source":"a","target":"b"}\n{"source":"a"}', {}, 'a.jsonl').toThrow(
    "a.jsonl, row 2: the target (column 'target') is missing",
  )
  await failing('Go.\tVa\nRun\n', { header: false }).toThrow(
    "a.tsv, row 2: expected texts with a tab between them, got 'Run'",
  )
  await failing('x', { source: 'en', target: 'en' }).toThrow('name the same column')
  await failing('x', { sourc: 'en' }).toThrow("did you mean 'source'?")
})
