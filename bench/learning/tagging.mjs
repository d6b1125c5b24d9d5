/** What the scripts of `tag` share: seeds, and what is printed. */
import { fileURLToPath } from 'node:url'
import { entityScores } from '../../dist/index.js'
import { tag } from '../../dist/tasks/index.js'
import { trainResumably } from './resuming.mjs'

export { readFlags, sharedData } from './arguments.mjs'

/** @typedef {{ tokens: string[][], tags: string[][] }} Sentences */

const mean = (/** @type {number[]} */ values) =>
  values.reduce((sum, value) => sum + value, 0) / values.length

const percent = (/** @type {number} */ value) => `${(100 * value).toFixed(2)} %`

/**
 * Share of right tags, and F1 of spans if there are any, of a baseline.
 *
 * @param {string} name
 * @param {tag.TagBaseline} baseline
 * @param {Sentences} on
 * @param {boolean} spans
 */
export async function scoreBaseline(name, baseline, on, spans) {
  const found = (await baseline.predict(on.tokens)).flat()
  const wanted = on.tags.flat()
  const accuracy = wanted.filter((one, i) => one === found[i]).length / wanted.length
  /** @type {{ accuracy: number, f1?: number }} */
  const scores = { accuracy }
  if (spans) {
    const entities = entityScores()
    entities.update(on.tags, await baseline.predict(on.tokens))
    scores.f1 = entities.report.f1
  }
  const f1 = scores.f1 === undefined ? '' : `, entity F1 ${percent(scores.f1)}`
  console.log(`${name}: accuracy ${percent(accuracy)}${f1}`)
  return scores
}

/**
 * Trains with each seed and evaluates; prints and returns each run's numbers and their means.
 *
 * @param {string} name
 * @param {Sentences & { validation?: Sentences }} train
 * @param {Sentences} test
 * @param {{ dev: boolean, save?: string, seeds: number[], options: object }} flags
 */
export async function measure(name, train, test, { dev, save, seeds, options }) {
  const on = dev ? train.validation : test
  const runs = []
  for (const seed of seeds) {
    const { trained: tagger, seconds } = await trainResumably(
      name,
      { seed, ...options },
      (settings) => tag.train(train, settings),
    )
    if (save) await tagger.save(save)
    const { accuracy, entities, unknown } = await tagger.evaluate(on)
    const run = {
      seed,
      accuracy,
      ...(entities && { f1: entities.f1, precision: entities.precision, recall: entities.recall }),
      unknownWords: unknown.words,
      unknownAccuracy: unknown.accuracy,
      seconds,
      epochs: tagger.history.epoch.length,
    }
    runs.push(run)
    const f1 = entities ? `, entity F1 ${percent(entities.f1)}` : ''
    console.log(
      `${name}, seed ${seed}, ${dev ? 'validation' : 'test'}: accuracy ${percent(accuracy)}` +
        `${f1}, unknown words ${percent(unknown.accuracy)}; ${run.epochs} epochs, ` +
        `${seconds.toFixed(0)} s`,
    )
  }
  const result = {
    name,
    on: dev ? 'validation' : 'test',
    accuracy: mean(runs.map((run) => run.accuracy)),
    ...(runs[0].f1 !== undefined && { f1: mean(runs.map((run) => run.f1)) }),
    seconds: mean(runs.map((run) => run.seconds)),
    options,
    runs,
  }
  const f1 = result.f1 === undefined ? '' : `, entity F1 ${percent(result.f1)}`
  console.log(
    `${name}, mean of ${runs.length}: accuracy ${percent(result.accuracy)}${f1}, ` +
      `${result.seconds.toFixed(0)} s`,
  )
  return result
}

/** Runs a script that was started by its name. */
export async function main(
  /** @type {string} */ url,
  /** @type {(args: string[]) => Promise<unknown>} */ run,
) {
  if (process.argv[1] === fileURLToPath(url)) await run(process.argv.slice(2))
}
