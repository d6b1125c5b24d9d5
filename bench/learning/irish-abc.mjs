/**
 * Irish tunes in ABC notation, characters: 10 % of the tunes for validation; then tunes are written and
 * parsed by abcjs. A tune counts if it has notes and abcjs has nothing to complain of; of the tunes in the
 * data that is so for 801 of 804.
 *
 *     node bench/learning/irish-abc.mjs [--seed 0] [--epochs n] [--tunes 200] [--save FILE]
 *     [--settings '{…}']
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { trainResumably } from './resuming.mjs'
import { settingsFrom, showing } from './writing.mjs'

const path = fileURLToPath(new URL('../../../shared/data/irish-abc/irish.abc', import.meta.url))

/** Chosen on the validation tunes. */
const chosen = {
  units: 256,
  layers: 2,
  dropout: 0.3,
  batchSize: 12,
  epochs: 40,
  learningRate: 4e-3,
  temperature: 0.7,
}

export default async function run(args = []) {
  const given = settingsFrom(args, chosen, {
    tunes: { type: 'string', default: '200' },
    save: { type: 'string' },
  })
  const { settings } = given
  const { temperature, ...options } = settings
  const tunes = Number(given.tunes)
  if (!existsSync(path)) return { name: 'irish-abc', skipped: `there is no ${path}` }
  const { generate } = await import('../../dist/tasks/index.js')
  const { abcProblems, readAbc, tuneText } = await import('../../dist/data/index.js')
  const texts = []
  for await (const tune of readAbc(path)) texts.push(tuneText(tune, { fields: 'ML' }))
  const show = showing(
    ({ valPerplexity }) => `${Math.log2(valPerplexity).toFixed(4)} bits a character`,
  )
  const { trained: writer, seconds } = await trainResumably(
    'irish-abc',
    { ...options, callbacks: [show] },
    (all) => generate.train({ texts }, all),
  )
  if (given.save) await writer.save(given.save)
  const made = await writer.samples('', { count: tunes, length: 1500, temperature })
  const problems = await Promise.all(made.map((tune) => abcProblems(tune)))
  const parse = problems.filter((list) => list.length === 0).length
  const known = new Set(texts.map((text) => text.split('\n').slice(-1)[0]))
  const copied = made.filter((tune) => known.has(tune.split('\n').at(-1))).length
  return {
    name: 'irish-abc',
    settings,
    seconds,
    tunes,
    'parse, %': (100 * parse) / tunes,
    'end in a line of the data, %': (100 * copied) / tunes,
    'validation, bits a character': Math.log2(Math.min(...writer.history.history.valPerplexity)),
    'to reach': 95,
    problems: problems.flat().slice(0, 8),
    sample: made[0],
  }
}

if (process.argv[1] === import.meta.filename) console.log(await run(process.argv.slice(2)))
