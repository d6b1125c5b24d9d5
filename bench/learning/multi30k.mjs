/**
 * Multi30k German → English: captions of pictures, 29,000 pairs, validation and test2016 as published.
 *
 *     node bench/learning/multi30k.mjs [--seed 0] [--minutes 60] [--test] [--set '{"units":256}']
 *
 * Training goes on where an earlier run stopped, if `--checkpoint FILE` names its file. Scores are of
 * the validation data; `--test` adds those of test2016, for settings that are final.
 */
import { existsSync } from 'node:fs'
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
      set: { type: 'string', default: '{}' },
      test: { type: 'boolean', default: false },
    },
  })
  if (!existsSync(folder)) return { name: 'multi30k', skipped: `there is no ${folder}` }
  const { readParallel } = await import('../../dist/data/index.js')
  const { checkpoint, progress } = await import('../../dist/index.js')
  const { translate } = await import('../../dist/tasks/index.js')
  const read = (part) => readParallel(`${folder}/${part}.de.gz`, `${folder}/${part}.en.gz`)
  const [pairs, validationData] = [await read('train'), await read('val')]
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
    const { bleu } = await translator.evaluate(data, { beam })
    const { score: points, brevityPenalty } = bleu
    return { bleu: points, brevityPenalty, seconds: (performance.now() - from) / 1000 }
  }
  const { history } = translator
  return {
    name: 'multi30k',
    options,
    seconds,
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
    validation: { greedy: await score(validationData, 1), beam5: await score(validationData, 5) },
    ...(given.test && { test2016: await score(await read('test_2016_flickr'), 5) }),
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await multi30k(), null, 2))
}
