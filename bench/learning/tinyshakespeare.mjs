/**
 * Tiny Shakespeare, characters: the first 90 % for training (their last ninth, 10 % of the file, for
 * validation), the last 10 % for the test, read as one stream that the states go along with.
 *
 *     node bench/learning/tinyshakespeare.mjs [--seed 0] [--epochs 20] [--test] [--settings '{"units":512}']
 *
 * Without --test the test part is not looked at.
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
  validation: 1 / 9,
}

export default async function run(args = []) {
  const { settings, test } = settingsFrom(args, chosen, testOption)
  if (!existsSync(path)) return { name: 'tinyshakespeare', skipped: `there is no ${path}` }
  const { generate } = await import('../../dist/tasks/index.js')
  const text = readFileSync(path, 'utf8')
  const cut = Math.floor(text.length * 0.9)
  const show = showing(
    ({ valPerplexity }) => `${Math.log(valPerplexity).toFixed(4)} nats a character`,
  )
  const { trained: writer, seconds } = await trainResumably(
    'tinyshakespeare',
    { ...settings, callbacks: [show] },
    (all) => generate.train({ texts: [text.slice(0, cut)] }, all),
  )
  const nats = Math.log(Math.min(...writer.history.history.valPerplexity))
  const tested = test ? await writer.evaluate({ texts: [text.slice(cut)] }) : undefined
  const sample = await writer.write('ROMEO:\n', { length: 300 })
  return {
    name: 'tinyshakespeare',
    settings,
    seconds,
    'validation, nats a character': nats,
    'test, nats a character': tested?.loss,
    'to reach': 1.5,
    sample,
  }
}

if (process.argv[1] === import.meta.filename) console.log(await run(process.argv.slice(2)))
