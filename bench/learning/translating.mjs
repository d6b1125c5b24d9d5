/** What the scripts of `translate` share: arguments, a limit of time, and what is returned. */
import { parseArgs } from 'node:util'
import { trainResumably } from './resuming.mjs'

/**
 * --seed 0, --minutes 60, --save FILE, --model FILE (saved before: scored, not trained), --dev,
 * --options '{"units":256}'.
 *
 * @param {string[]} args
 */
export function readArguments(args) {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: '0' },
      minutes: { type: 'string', default: '60' },
      save: { type: 'string' },
      model: { type: 'string' },
      options: { type: 'string', default: '{}' },
      dev: { type: 'boolean', default: false },
    },
  })
  return values
}

/**
 * Trains for as long as the arguments allow, from a checkpoint where there is one, and scores.
 *
 * @param {string} name
 * @param {ReturnType<typeof readArguments>} given
 * @param {{ pairs: object, validationData: object, settings: object }} from
 * @param {(translator: any) => Promise<object>} score
 */
export async function measure(name, given, { pairs, validationData, settings }, score) {
  const { progress } = await import('../../dist/index.js')
  const { translate } = await import('../../dist/tasks/index.js')
  const options = { ...settings, ...JSON.parse(given.options), seed: Number(given.seed) }
  const train = () =>
    trainResumably(
      name,
      { ...options, callbacks: [progress()] },
      (all) => translate.train(pairs, { ...all, validationData }),
      { minutes: Number(given.minutes) },
    )
  const { trained: translator, seconds: trainingSeconds } = given.model
    ? { trained: await translate.load(given.model), seconds: undefined }
    : await train()
  const { history } = translator
  if (given.save) await translator.save(given.save)
  const from = performance.now()
  const scores = await score(translator)
  return {
    name,
    data: given.dev ? 'validation' : 'test',
    ...scores,
    evaluationSeconds: (performance.now() - from) / 1000,
    options,
    trainingSeconds,
    stopped: history?.stopped,
    loss: history?.history.loss,
    valLoss: history?.history.valLoss,
  }
}
