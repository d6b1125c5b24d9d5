/**
 * Multi30k German → English: captions of pictures, 29,000 pairs, validation and test2016 as published.
 *
 *     node bench/learning/multi30k.mjs [--seed 0] [--minutes 60] [--dev] [--options '{"units":256}']
 *
 * A run of fewer minutes than it needs leaves a checkpoint (`--checkpoint FILE`), from which the same
 * command goes on. With `--dev` scores are of the validation data, for choosing settings.
 */
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const folder = fileURLToPath(new URL('../../../shared/data/multi30k/raw', import.meta.url))

/** What validation chose. */
const settings = { sourceVocabulary: 6000, targetVocabulary: 6000 }

export default async function multi30k(args = process.argv.slice(2)) {
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
  if (!existsSync(folder)) return { name: 'multi30k', skipped: `there is no ${folder}` }
  const { readParallel } = await import('../../dist/data/index.js')
  const { checkpoint, progress } = await import('../../dist/index.js')
  const { translate } = await import('../../dist/tasks/index.js')
  const read = (part) => readParallel(`${folder}/${part}.de.gz`, `${folder}/${part}.en.gz`)
  const [pairs, validationData] = [await read('train'), await read('val')]
  const path = given.checkpoint ?? `${tmpdir()}/refrain-multi30k-${given.seed}.checkpoint.refrain`
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
    const { bleu } = await translator.evaluate(data)
    const { score: points, brevityPenalty } = bleu
    const evaluationSeconds = (performance.now() - from) / 1000
    return { bleu: points, brevityPenalty, evaluationSeconds }
  }
  const { history } = translator
  if (history.stopped !== over) rmSync(path, { force: true })
  return {
    name: 'multi30k',
    data: given.dev ? 'validation' : 'test',
    ...(await score(given.dev ? validationData : await read('test_2016_flickr'))),
    options,
    trainingSeconds: seconds,
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await multi30k(), null, 2))
}
