import { expect, test } from 'vitest'
import { RefrainError } from '../errors.ts'
import { type ReadExamplesOptions, readExamples, readTexts } from './examples.ts'

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
    "BAD_DATA r.csv: there is no column 'stars'; known: review, sentiment",
  )
  expect(await failure('review,sentiment\na,pos\nb, \nc,neg\n', columns)).toBe(
    "BAD_DATA r.csv, row 2 (line 3): the label (column 'sentiment') is missing. " +
      'Fill it in or remove the row',
  )
  expect(await failure('review,sentiment\na,pos\n"",neg\n', columns)).toBe(
    "BAD_DATA r.csv, row 2 (line 3): the text (column 'review') is missing. " +
      'Fill it in or remove the row',
  )
  expect(await failure('{"text":"a","label":"x"}\n{"text":"b"}', {}, 'r.jsonl')).toBe(
    "BAD_DATA r.jsonl, row 2: the label (column 'label') is missing. Fill it in or remove the row",
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
  expect(await failure('a,b\n1,2\n', { text: 'a', label: 'a' })).toBe(
    "BAD_ARGUMENT readExamples: expected two columns, got 'a' for text and label",
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
