/**
 * Multi30k German → English: captions of pictures, 29,000 pairs, validation and test2016 as published.
 *
 *     node bench/learning/multi30k.mjs [--seed 0] [--minutes 60] [--dev] [--options '{"units":256}']
 *
 * A run of fewer minutes than it needs leaves a checkpoint, from which the same command goes on. With `--dev` scores are of the validation data, for choosing settings.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { measure, readArguments } from './translating.mjs'

const folder = fileURLToPath(new URL('../../../shared/data/multi30k/raw', import.meta.url))

/** What validation chose. */
const settings = {
  units: 192,
  embedding: 192,
  learningRate: 4e-3,
  epochs: 16,
  sourceVocabulary: 6000,
  targetVocabulary: 6000,
}

export default async function multi30k(args = process.argv.slice(2)) {
  const given = readArguments(args)
  if (!existsSync(folder)) return { name: 'multi30k', skipped: `there is no ${folder}` }
  const { readParallel } = await import('../../dist/data/index.js')
  const read = (part) => readParallel(`${folder}/${part}.de.gz`, `${folder}/${part}.en.gz`)
  const [pairs, validationData] = [await read('train'), await read('val')]
  const on = given.dev ? validationData : await read('test_2016_flickr')
  return measure('multi30k', given, { pairs, validationData, settings }, async (translator) => {
    const { bleu, chrf } = await translator.evaluate(on)
    return { bleu: bleu.score, chrf, brevityPenalty: bleu.brevityPenalty }
  })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await multi30k(), null, 2))
}
