import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../../test/cli/harness.ts'

const { at, file, prints, failure, remove } = new Workplace()

const digits = ['zero', 'one', 'two', 'three']
const pairs = Array.from({ length: 64 }, (_, i) => {
  const own = [i % 4, (i >> 2) % 4, (i >> 4) % 4].slice(0, 1 + (i % 3))
  return [own.join(' '), own.map((digit) => digits[digit]).join(' ')]
})
const small = ['--units', '16', '--embedding', '16', '--dropout', '0', '--validation', '0']
const training = ['--epochs', '40', '--batch-size', '16', '--learning-rate', '0.01']
const model = at('say.refrain')

beforeAll(async () => {
  file('pairs.tsv', `digits\tnames\n${pairs.map((pair) => `${pair.join('\t')}\n`).join('')}`)
  const columns = ['--source', 'digits', '--target', 'names']
  const args = ['train', 'translate', at('pairs.tsv'), ...columns, '--out', model]
  const events = jsonLines(await prints([...args, ...small, ...training, '--json']))
  expect(events[0]).toMatchObject({ event: 'start', pairs: 64, skipped: 0 })
  expect(events.at(-1)).toMatchObject({ event: 'saved', sourcePieces: expect.any(Number) })
})
afterAll(remove)

test('translates arguments, lines and tables', async () => {
  expect(await prints(['predict', model, '2 1', '3'])).toBe('two one\nthree\n')
  expect(await prints(['predict', model, '--beam', '1'], { stdin: '2 1\n3\n' })).toBe(
    'two one\nthree\n',
  )
  file('new.csv', 'id,digits\n7,2 1\n')
  const [row] = jsonLines(await prints(['predict', model, '--file', at('new.csv'), '--json']))
  expect(row).toMatchObject({ id: '7', digits: '2 1', translation: 'two one' })
  const more = ['--n-best', '2', '--attention', '--json']
  const [best] = jsonLines(await prints(['predict', model, '2 1', ...more]))
  expect(best.nBest).toHaveLength(2)
  expect(best.attention.source).toEqual([' 2', ' 1', '[END]'])
  await prints(['predict', model, '2 1', '--plot', at('map.svg')])
  expect(readFileSync(at('map.svg'), 'utf8')).toContain('<svg')
  const lines = await prints(['predict', model, '2 1', '--n-best', '2'])
  expect(lines).toMatch(/^-\d\.\d{4}\ttwo one\n-\d+\.\d{4}\t.*\n\n$/)
})

test('explains where each piece looked', async () => {
  const [title, ...lines] = (await prints(['explain', model, '2 1'])).trimEnd().split('\n')
  expect(title).toBe('two one')
  expect(lines[0]).toMatch(/^two +\S+ \d+ %/)
  expect(lines.at(-1)).toMatch(/^\[END\] +/)
  const [row] = jsonLines(await prints(['explain', model, '2 1', '--json']))
  expect(row).toMatchObject({ text: '2 1', translation: 'two one' })
  expect(row.attention.weights).toHaveLength(row.attention.target.length)
  expect(await failure(['explain', model, '2 1', '--label', 'x'])).toBe(
    '--label: a model for translate has no label to explain. Leave it out',
  )
})

test('evaluates tables and parallel files', async () => {
  expect(await prints(['evaluate', model, at('pairs.tsv'), '--grouped'])).toMatch(
    /^BLEU [\d.]+ on 64 texts|^BLEU [\d.]+ on \d+ texts \(.*\)\nchrF [\d.]+\nerror of words, or of phones: 0\.0 %/,
  )
  file('some.digits', '2 1\n3\n')
  file('some.names', 'two one\nthree two\n')
  const args = ['evaluate', model, at('some.digits'), at('some.names'), '--parallel', '--json']
  const [scores] = jsonLines(await prints(args))
  expect(scores).toMatchObject({ examples: 2, errorRate: 0.5, tokenErrorRate: 0.25, skipped: 0 })
  expect(await prints(['inspect', model])).toContain('Translates texts of')
})

test('trains on lines without a header and on two files', async () => {
  file('pairs.txt', 'HI\tHH AY1\nHO\tHH OW1\n')
  const short = ['--epochs', '1', '--quiet', '--out', at('b.refrain')]
  const rest = [...small, ...short]
  const letters = ['--no-header', '--letters', '--input-feeding']
  expect(await prints(['train', 'translate', at('pairs.txt'), ...letters, ...rest])).toBe('')
  file('a.de', 'eins\nzwei\n')
  file('a.en', 'one\ntwo\n')
  const two = [at('a.de'), at('a.en'), '--parallel']
  expect(await prints(['train', 'translate', ...two, ...rest])).toBe('')
})

test('says what is wrong with the data', async () => {
  const train = (...args: string[]) =>
    failure(['train', 'translate', ...args, '--out', at('c.refrain')])
  file('long.de', 'eins\nzwei\ndrei\n')
  file('short.en', 'one\n')
  expect(await train(at('long.de'), at('short.en'), '--parallel')).toBe(
    'expected a line in short.en for each line in long.de, got 1 and 3. Line 7 of one file is ' +
      'what line 7 of the other becomes',
  )
  expect(await train(at('long.de'), '--parallel')).toContain('expected two files')
  expect(await train(at('pairs.tsv'))).toContain("there is no column 'source'")
})
