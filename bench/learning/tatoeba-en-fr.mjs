/**
 * Tatoeba English → French, 142,787 pairs. There is no official split: 2,000 English sentences, with all
 * their translations, are for validation and 2,000 others for the test, drawn once for all seeds.
 *
 *     node bench/learning/tatoeba-en-fr.mjs [--seed 0] [--minutes 60] [--dev] [--options '{}']
 *
 * A run of fewer minutes than it needs leaves a checkpoint (`--checkpoint FILE`), from which the same
 * command goes on. With `--dev` scores are of the validation data, for choosing settings. `bleu` takes
 * every pair as an example with one reference, `groupedBleu` every English sentence with all of its own.
 */
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
      options: { type: 'string', default: '{}' },
      dev: { type: 'boolean', default: false },
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
  const path =
    given.checkpoint ?? `${tmpdir()}/refrain-tatoeba-en-fr-${given.seed}.checkpoint.refrain`
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
    const each = await translator.evaluate(data)
    const time = (performance.now() - from) / 1000
    const grouped = await translator.evaluate(data, { grouped: true })
    return { bleu: each.bleu.score, groupedBleu: grouped.bleu.score, evaluationSeconds: time }
  }
  const { history } = translator
  if (history.stopped !== over) rmSync(path, { force: true })
  return {
    name: 'tatoeba-en-fr',
    data: given.dev ? 'validation' : 'test',
    ...(await score(given.dev ? validationData : part((source) => test.has(source)))),
    options,
    trainingSeconds: seconds,
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await tatoeba(), null, 2))
}
