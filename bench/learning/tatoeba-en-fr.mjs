/**
 * Tatoeba English → French, 142,787 pairs. There is no official split: 2,000 English sentences, with all
 * their translations, are for validation and 2,000 others for the test, drawn once for all seeds.
 *
 *     node bench/learning/tatoeba-en-fr.mjs [--seed 0] [--minutes 60] [--dev] [--options '{}']
 *
 * A run of fewer minutes than it needs leaves a checkpoint, from which the same command goes on. With `--dev` scores are of the validation data, for choosing settings. `bleu` takes
 * every pair as an example with one reference, `groupedBleu` every English sentence with all of its own.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { measure, readArguments } from './translating.mjs'

const file = fileURLToPath(
  new URL('../../../shared/data/tatoeba-en-fr/fra.tsv.gz', import.meta.url),
)

/** What validation chose. */
const settings = {
  units: 192,
  embedding: 192,
  dropout: 0.2,
  batchSize: 128,
  sourceVocabulary: 6000,
  targetVocabulary: 6000,
  epochs: 10,
}

export default async function tatoeba(args = process.argv.slice(2)) {
  const given = readArguments(args)
  if (!existsSync(file)) return { name: 'tatoeba-en-fr', skipped: `there is no ${file}` }
  const { readPairs } = await import('../../dist/data/index.js')
  const all = await readPairs(file, { header: false })
  const sentences = [...new Set(all.sources)]
  // A step of a prime number goes through all sentences, short and long, in no order.
  const drawn = Array.from({ length: 4000 }, (_, i) => sentences[(i * 49999) % sentences.length])
  const part = (wanted) => {
    const indices = all.sources.flatMap((source, i) => (wanted(source) ? [i] : []))
    const pick = (texts) => indices.map((i) => texts[i])
    return { sources: pick(all.sources), targets: pick(all.targets) }
  }
  const [held, test] = [new Set(drawn.slice(0, 2000)), new Set(drawn.slice(2000))]
  const pairs = part((source) => !held.has(source) && !test.has(source))
  const validationData = part((source) => held.has(source))
  const on = given.dev ? validationData : part((source) => test.has(source))
  return measure(
    'tatoeba-en-fr',
    given,
    { pairs, validationData, settings },
    async (translator) => {
      const each = await translator.evaluate(on)
      const grouped = await translator.evaluate(on, { grouped: true })
      return { bleu: each.bleu.score, chrf: each.chrf, groupedBleu: grouped.bleu.score }
    },
  )
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await tatoeba(), null, 2))
}
