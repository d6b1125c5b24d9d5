/**
 * Tiny Shakespeare, characters: the last 10 % for the test, read as one stream that the states go along
 * with. Settings and epochs are chosen on the 10 % before it; the model for the test learns from all 90 %,
 * as those of published figures do. Without those 10 % it would not know the plays: of the test's 919
 * speeches 550 are by people who first speak there, 3 by people from before.
 *
 *     node bench/learning/tinyshakespeare.mjs [--seed 0] [--epochs 20] [--test] [--settings '{"units":512}']
 *
 * Without --test the test part is not looked at, and the last ninth of the rest is for validation.
 */
import { existsSync, readFileSync } from 'node:fs'
import { trainResumably } from './resuming.mjs'
import { settingsFrom, showing, testOption } from './writing.mjs'

const path = new URL('../../../shared/data/tinyshakespeare/input.txt', import.meta.url)

/** Chosen on the validation part. */
const chosen = {
  units: 384,
  layers: 2,
  dropout: 0.4,
  batchSize: 32,
  bpttSteps: 128,
  epochs: 14,
}

export default async function run(args = []) {
  const { settings, test } = settingsFrom(args, chosen, testOption)
  settings.validation = test ? 0 : 1 / 9
  if (!existsSync(path)) return { name: 'tinyshakespeare', skipped: `there is no ${path}` }
  const { generate } = await import('../../dist/tasks/index.js')
  const text = readFileSync(path, 'utf8')
  const cut = Math.floor(text.length * 0.9)
  const show = showing(
    ({ perplexity, valPerplexity }) =>
      `${Math.log(perplexity).toFixed(4)} nats a character` +
      (test ? '' : `, validation ${Math.log(valPerplexity).toFixed(4)}`),
  )
  const { trained: writer, seconds } = await trainResumably(
    'tinyshakespeare',
    { ...settings, callbacks: [show] },
    (all) => generate.train({ texts: [text.slice(0, cut)] }, all),
  )
  const tested = test ? await writer.evaluate({ texts: [text.slice(cut)] }) : undefined
  const nats = () => Math.log(Math.min(...writer.history.history.valPerplexity))
  const sample = await writer.write('ROMEO:\n', { length: 300 })
  return {
    name: 'tinyshakespeare',
    settings,
    seconds,
    'validation, nats a character': test ? undefined : nats(),
    'test, nats a character': tested?.loss,
    'to reach': 1.5,
    sample,
  }
}

if (process.argv[1] === import.meta.filename) console.log(await run(process.argv.slice(2)))
