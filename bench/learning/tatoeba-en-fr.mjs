/**
 * Tatoeba English → French, 142,787 pairs. There is no official split: 2,000 English sentences, with all
 * their translations, are for validation and 2,000 others for the test, drawn once for all seeds.
 *
 *     node bench/learning/tatoeba-en-fr.mjs [--seed 0] [--minutes 60] [--test] [--set '{"units":256}']
 *
 * Training goes on where an earlier run stopped, if `--checkpoint FILE` names its file. Scores are of
 * the validation data; `--test` adds those of the test data, for settings that are final. `each` takes
 * every pair as an example with one reference, `grouped` every English sentence with all of its own.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const file = fileURLToPath(
  new URL('../../../shared/data/tatoeba-en-fr/fra.tsv.gz', import.meta.url),
)

/** What validation chose. */
const settings = { batchSize: 128 }

export default async function tatoeba(args = process.argv.slice(2)) {
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
  if (!existsSync(file)) return { name: 'tatoeba-en-fr', skipped: `there is no ${file}` }
  const { readPairs } = await import('../../dist/data/index.js')
  const { checkpoint, progress } = await import('../../dist/index.js')
  const { translate } = await import('../../dist/tasks/index.js')
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
    const each = await translator.evaluate(data, { beam })
    const time = (performance.now() - from) / 1000
    const grouped = await translator.evaluate(data, { beam, grouped: true })
    return { each: each.bleu.score, grouped: grouped.bleu.score, seconds: time }
  }
  const { history } = translator
  return {
    name: 'tatoeba-en-fr',
    options,
    seconds,
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
    validation: { greedy: await score(validationData, 1), beam5: await score(validationData, 5) },
    ...(given.test && {
      test: await score(
        part((source) => test.has(source)),
        5,
      ),
    }),
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await tatoeba(), null, 2))
}
