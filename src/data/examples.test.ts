import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RefrainError } from '../errors.ts'
import { type ReadExamplesOptions, readExamples, readTextLines, readTexts } from './examples.ts'

const stream = (name: string, content: string) => ({
  name,
  stream: (async function* () {
    yield Buffer.from(content)
  })(),
})

async function failure(content: string, options: ReadExamplesOptions, name = 'r.csv') {
  try {
    await readExamples(stream(name, content), options)
  } catch (error) {
    if (error instanceof RefrainError) return `${error.code} ${error.message}`
    throw error
  }
  throw new Error('expected a RefrainError')
}

const columns = { text: 'review', label: 'sentiment' }

test('texts, labels and where they come from', async () => {
  const examples = await readExamples(
    [
      stream('r.csv', 'id,review,sentiment\n1,good,pos\n\n2,bad, neg \n'),
      stream('r.jsonl', '{"review":"fine","sentiment":true}\n{"review":"x","sentiment":1}'),
    ],
    columns,
  )
  expect(examples.texts).toEqual(['good', 'bad', 'fine', 'x'])
  expect(examples.labels).toEqual(['pos', 'neg', 'true', '1'])
  expect([0, 1, 2, 3].map(examples.where)).toEqual([
    'r.csv, row 1 (line 2)',
    'r.csv, row 2 (line 4)',
    'r.jsonl, row 1',
    'r.jsonl, row 2',
  ])
})

test('errors', async () => {
  expect(await failure('review,sentiment\na,pos\n', { ...columns, text: 'reviw' })).toBe(
    "BAD_DATA r.csv: there is no column 'reviw'; did you mean 'review'?",
  )
  expect(await failure('review,sentiment\na,pos\n', { ...columns, label: 'stars' })).toBe(
    "BAD_DATA r.csv: there is no column 'stars'. Name the column with --label; known: review, " +
      'sentiment. Or is the first line no header?',
  )
  expect(await failure('{"a":"x","b":1}\n', {}, 'r.jsonl')).toBe(
    "BAD_DATA r.jsonl: there is no column 'text'. Name the column with --text; known: a, b",
  )
  expect(await failure('review,sentiment\na,pos\nb, \nc,neg\n', columns)).toBe(
    "BAD_DATA r.csv, row 2 (line 3): the label (column 'sentiment') is empty. " +
      'Fill it in, remove the row or use --skip-missing (skipMissing)',
  )
  expect(await failure('review,sentiment\na,pos\nb, \n ,neg\nc,neg\n', columns)).toBe(
    "BAD_DATA r.csv, row 2 (line 3): the label (column 'sentiment') is empty, as in 2 of 4 rows. " +
      'Fill them in, remove the rows or use --skip-missing (skipMissing)',
  )
  expect(await failure('review,sentiment\na,pos\n"",neg\n', columns)).toBe(
    "BAD_DATA r.csv, row 2 (line 3): the text (column 'review') is empty. " +
      'Fill it in, remove the row or use --skip-missing (skipMissing)',
  )
  expect(await failure('{"text":"a","label":"x"}\n{"text":"b"}', {}, 'r.jsonl')).toBe(
    "BAD_DATA r.jsonl, row 2: the label (column 'label') is missing. Fill it in, remove the row or " +
      'use --skip-missing (skipMissing)',
  )
  expect(await failure('{"text":7,"label":"x"}', {}, 'r.jsonl')).toBe(
    "BAD_DATA r.jsonl, row 1: expected a text in the column 'text', got 7",
  )
  expect(await failure('{"text":"a","label":0.5}', {}, 'r.jsonl')).toBe(
    'BAD_DATA r.jsonl, row 1: expected a label (a string, a whole number or a boolean) in the ' +
      "column 'label', got 0.5",
  )
  expect(await failure('review,sentiment\na,pos\nb,pos\n', columns)).toBe(
    "BAD_DATA column 'sentiment': expected at least 2 different labels, got only 'pos' in all 2 " +
      'rows. Add rows with another label',
  )
  expect(await failure('review,sentiment\na,pos\n', columns)).toBe(
    "BAD_DATA column 'sentiment': expected at least 2 different labels, got only 'pos' in the " +
      'only row. Add rows with another label',
  )
  expect(await failure('a,b\n1,2\n', { text: 'a', label: 'a' })).toBe(
    "BAD_ARGUMENT --text and --label name the same column, 'a'. Name two columns",
  )
  expect(await failure('a,b\n1,2\n', { txt: 'a' } as ReadExamplesOptions)).toBe(
    "UNKNOWN_OPTION readExamples: unknown option 'txt'; did you mean 'text'?",
  )
})

test('one label is enough for an evaluation', async () => {
  const { labels } = await readExamples(stream('r.csv', 'text,label\na,x\n'), { minLabels: 1 })
  expect(labels).toEqual(['x'])
})

test('texts alone', async () => {
  const got: unknown[] = []
  for await (const { text, row } of readTexts(stream('r.csv', 't,n\na,1\n'), { text: 't' })) {
    got.push([text, row.values])
  }
  expect(got).toEqual([['a', { t: 'a', n: '1' }]])
})

test('rows that lack a text or label can be left out', async () => {
  const content =
    '{"text":"a","label":"x"}\n{"text":" ","label":"x"}\n{"text":"b"}\n{"text":"c","label":0}'
  const read = await readExamples(stream('r.jsonl', content), { skipMissing: true })
  expect(read).toMatchObject({ texts: ['a', 'c'], labels: ['x', '0'], skipped: 2 })
  expect(read.where(1)).toBe('r.jsonl, row 4')
  expect(await failure('text,label\n,x\na,\n', { skipMissing: true })).toBe(
    "BAD_DATA r.csv, row 1 (line 2): the text (column 'text') is empty, as in 2 of 2 rows. " +
      'No rows are left',
  )
})

test('a folder has its own columns beside tables with others, and its files are the places', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'refrain-examples-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const label of ['neg', 'pos']) {
    mkdirSync(join(folder, label))
    writeFileSync(join(folder, label, '1.txt'), label === 'neg' ? 'dull' : 'fine')
  }
  const read = await readExamples([stream('r.csv', 'review,sentiment\na,pos\n'), folder], columns)
  expect(read.texts).toEqual(['a', 'dull', 'fine'])
  expect(read.labels).toEqual(['pos', 'neg', 'pos'])
  expect(read.where(2)).toBe(join(folder, 'pos/1.txt'))
  const texts: string[] = []
  for await (const { text } of readTexts(folder, { text: 'review' })) texts.push(text)
  expect(texts).toEqual(['dull', 'fine'])
  writeFileSync(join(folder, 'pos', '2.txt'), '\n')
  await expect(readExamples(folder)).rejects.toThrow(
    `${join(folder, 'pos/2.txt')}: the text (column 'text') is empty. Fill it in`,
  )
})

/** The texts, and the error behind them if any. */
async function textsOf(items: AsyncGenerator<{ text: string }>): Promise<string[]> {
  const texts: string[] = []
  try {
    for await (const { text } of items) texts.push(text)
  } catch (error) {
    texts.push((error as Error).message)
  }
  return texts
}

test('texts to classify may be empty', async () => {
  const lines = '{"text":""}\n{"text":null}\n{"id":1}\n'
  expect(await textsOf(readTexts(stream('r.jsonl', lines)))).toEqual([
    '',
    '',
    "r.jsonl, row 3: the text (column 'text') is missing",
  ])
})

test('lines are JSON objects, JSON strings or plain texts', async () => {
  const content = '{"review":"a"}\n\n a text\n"in \\"JSON\\""\n"quoted" and more\n""\n[1]\n{oops\n'
  expect(await textsOf(readTextLines(stream('in', content), { text: 'review' }))).toEqual([
    'a',
    ' a text',
    'in "JSON"',
    '"quoted" and more',
    '',
    '[1]',
    'in, row 7 (line 8): not valid JSON. ' +
      'Look for a quote, comma or bracket that is missing or too many',
  ])
  expect(await textsOf(readTextLines(stream('in', '[{"text":"a"}]')))).toEqual([
    'in: it is a JSON array. Add --format json',
  ])
})

test('rows with several labels, or none', async () => {
  const several = { several: true } as const
  const csv = () => stream('r.csv', 'text,label\na,fast; cheap\nb,\nc,cheap;;cheap\nd,7\n')
  const { labels } = await readExamples(csv(), several)
  expect(labels).toEqual([['fast', 'cheap'], [], ['cheap'], ['7']])
  const rows = [
    { text: 'a', label: ['fast', 3] },
    { text: 'b', label: [] },
    { text: 'c', label: null },
    { text: 'd', label: 'x;y' },
  ]
  const json = () => stream('r.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))
  expect((await readExamples(json(), several)).labels).toEqual([['fast', '3'], [], [], ['x', 'y']])
  await expect(readExamples(json())).rejects.toThrow(
    "r.jsonl, row 1: expected a label (a string, a whole number or a boolean) in the column 'label', " +
      'got [fast, 3]. Use --several (several) where rows may have several labels',
  )
  const nested = stream('r.jsonl', '{"text":"a","label":[["x"]]}\n')
  await expect(readExamples(nested, several)).rejects.toThrow('row 1: expected a label')
  const lacking = stream('r.jsonl', '{"text":"a","label":["x"]}\n{"text":"b"}\n')
  await expect(readExamples(lacking, several)).rejects.toThrow(
    "the label (column 'label') is missing",
  )
  const none = stream('r.csv', 'text,label\na,\n')
  await expect(readExamples(none, several)).rejects.toThrow(
    "column 'label': expected labels, got none in any row",
  )
})
