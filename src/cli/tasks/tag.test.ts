import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../../test/cli/harness.ts'

const { at, file, refrain, prints, failure, remove } = new Workplace()

const people = ['Ada', 'Bob', 'Grace Hopper']
const places = ['Paris', 'New York']
const lines = (words: string, type: string) =>
  words.split(' ').map((word, i) => `${word} ${i === 0 ? 'B' : 'I'}-${type}\n`)
const conll = people
  .flatMap((person) =>
    places.flatMap((place) => [
      [...lines(person, 'PER'), 'met O\n', 'in O\n', ...lines(place, 'LOC'), '\n'],
      ['in O\n', ...lines(place, 'LOC'), 'lives O\n', ...lines(person, 'PER'), '\n'],
    ]),
  )
  .flat()
  .join('')

const small = ['--units', '8', '--embedding', '8', '--character-units', '4', '--seed', '1']
const fast = [...small, '--batch-size', '4', '--learning-rate', '0.03', '--dropout', '0.1']

beforeAll(async () => {
  file('train.conll', conll.repeat(3))
  const args = ['train', 'tag', at('train.conll'), '--dev', at('train.conll'), '--epochs', '12']
  const result = await refrain([...args, '--out', at('names.refrain'), ...fast, '--json'])
  expect(result.stderr).toBe('')
  const events = jsonLines(result.stdout)
  expect(events[0]).toMatchObject({ event: 'start', sentences: 36, scheme: 'BIO', repaired: 0 })
  expect(events[0].tags).toEqual({ LOC: 36, PER: 36 })
  expect(events.at(-2)).toMatchObject({ event: 'kept', score: 'entity F1' })
})
afterAll(remove)

const model = at('names.refrain')

describe('tag', () => {
  test('predict: text with spans, CoNLL, JSON; of arguments, files, lines', async () => {
    expect(await prints(['predict', model, 'in New York lives Bob'])).toBe(
      'in [New York LOC] lives [Bob PER]\n',
    )
    expect(await prints(['predict', model, 'Ada met', '--output', 'conll'])).toBe(
      'Ada\tB-PER\nmet\tO\n\n',
    )
    const expected = [{ spans: [{ start: 0, end: 1, label: 'PER', text: 'Ada' }] }]
    expect(jsonLines(await prints(['predict', model], { stdin: 'Ada met\n' }))).toMatchObject(
      expected,
    )
    file('new.conll', 'Ada O\nmet O\n')
    file('new.csv', 'text\nAda met\n')
    for (const name of ['new.conll', 'new.csv']) {
      const out = await prints(['predict', model, '--file', at(name), '--json'])
      expect(jsonLines(out)).toMatchObject(expected)
    }
  })

  test('evaluate: tables by type, and JSON', async () => {
    const out = await prints(['evaluate', model, at('train.conll')])
    expect(out).toMatch(/^accuracy \d+\.\d % on 174 words of 36 sentences\n/)
    expect(out).toMatch(/\nLOC +36 /)
    file('other.conll', 'Zed B-DOG\nmet O\n')
    expect(await prints(['evaluate', model, at('other.conll')])).toContain(
      'tags that training never saw, which count as errors: B-DOG\n',
    )
    const [json] = jsonLines(await prints(['evaluate', model, at('train.conll'), '--json']))
    expect(json.entities.f1).toBeGreaterThan(0.8)
  })

  test("explain: what made a word's tag; without a word of those in spans", async () => {
    const out = await prints(['explain', model, 'in New York lives Bob', '--word', 'Bob'])
    const [title, from, ...rows] = out.trimEnd().split('\n')
    expect(title).toMatch(/^Bob\/B-PER, probability [01]\.\d{4}; in nats, log p\/\(1-p\):$/)
    const numbers = [from, ...rows].map((row) => Number(/[+-][\d.]+$/.exec(row)![0]))
    const sum = numbers.pop()!
    expect(numbers.reduce((a, b) => a + b)).toBeCloseTo(sum, 2)
    const json = jsonLines(await prints(['explain', model, 'in New York lives Bob', '--json']))
    expect(json.map(({ word, tag }) => `${word}/${tag}`)).toEqual([
      'New/B-LOC',
      'York/I-LOC',
      'Bob/B-PER',
    ])
    expect(await failure(['explain', model, 'Bob', '--word', 'Rob'])).toBe(
      "explain: the sentence has no word 'Rob'; did you mean 'Bob'?",
    )
    expect(await failure(['explain', model, 'Bob', '--column', 'x'])).toBe(
      '--column: a model for tag has no column to explain. It has --label and --word',
    )
  })

  test('inspect', async () => {
    const out = await prints(['inspect', model])
    expect(out).toContain('Finds 2 kinds of spans: LOC, PER\n')
    expect(out).toContain('validation entity F1')
  })

  test('parts of speech, from a column by number', async () => {
    file('pos.txt', 'DET the\nNOUN film\nVERB ends\n\n'.repeat(8))
    const columns = [
      '--token-column',
      '2',
      '--tag-column',
      '1',
      '--validation',
      '0',
      '--epochs',
      '4',
    ]
    const args = ['train', 'tag', at('pos.txt'), '--out', at('pos.refrain'), ...columns, ...fast]
    expect(await prints(args)).toContain('8 sentences, 24 words, 3 tags: DET 8, NOUN 8, VERB 8\n')
    // The columns are known from training.
    expect(await prints(['evaluate', at('pos.refrain'), at('pos.txt')])).toContain('\nDET')
    expect(await prints(['predict', at('pos.refrain'), 'the film'])).toMatch(
      /^the\/\w+ film\/\w+\n$/,
    )
    expect(await prints(['inspect', at('pos.refrain')])).toContain('Gives each word one of 3 tags')
  })

  test('errors', async () => {
    const train = (name: string, ...more: string[]) =>
      failure(['train', 'tag', at(name), '--out', at('x.refrain'), ...more])
    file('ragged.conll', 'a O\nb\n')
    expect(await train('ragged.conll')).toContain('ragged.conll, sentence 1 (line 2): expected 2')
    file('illegal.conll', 'a O\nb I-X\n\nc B-X\nd B-X\n')
    expect(await train('illegal.conll', '--illegal', 'refuse')).toContain(
      "sentence 1 (line 1): word 2: 'I-X' after 'O' breaks the scheme BIO",
    )
    expect(await train('train.conll', '--balance', '--quiet')).toContain(
      'tags that mark spans have no weights',
    )
    expect(await train('train.conll', '--tag-column', '0')).toContain('whole number of at least 1')
  })
})
