/** What the scripts of `translate` share: arguments, a limit of time, and what is returned. */
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

/**
 * --seed 0, --minutes 60, --checkpoint FILE, --save FILE, --dev, --options '{"units":256}'.
 *
 * @param {string[]} args
 */
export function readArguments(args) {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: '0' },
      minutes: { type: 'string', default: '60' },
      checkpoint: { type: 'string' },
      save: { type: 'string' },
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
  const { checkpoint, progress } = await import('../../dist/index.js')
  const { translate } = await import('../../dist/tasks/index.js')
  const path = given.checkpoint ?? `${tmpdir()}/refrain-${name}-${given.seed}.checkpoint.refrain`
  const resume = existsSync(path) ? path : undefined
  const started = performance.now()
  const limit = Number(given.minutes) * 60_000
  const over = `${given.minutes} minutes are over`
  /** Stops in time, with a checkpoint. */
  const clock = {
    name: 'clock',
    onStepEnd(/** @type {any} */ run) {
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
  const trainingSeconds = (performance.now() - started) / 1000
  const { history } = translator
  if (history.stopped !== over) rmSync(path, { force: true })
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
    stopped: history.stopped,
    loss: history.history.loss,
    valLoss: history.history.valLoss,
  }
}
