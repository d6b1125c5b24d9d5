/** What the scripts of `classify` share: seeds, and what is printed. */
import { split } from '../../dist/data/index.js'
import { classify } from '../../dist/tasks/index.js'
import { trainResumably } from './resuming.mjs'

export { readFlags, sharedData } from './arguments.mjs'

/**
 * Trains with each seed and evaluates; prints and returns the accuracies and their mean.
 *
 * @param {string} name
 * @param {any} train labelled examples
 * @param {any} test labelled examples
 * @param {{ dev: boolean, seeds: number[], options: object }} flags
 * @param {(classifier: any, test: any) => Promise<object>} [also] further scores
 */
export async function measure(name, train, test, flags, also = async () => ({})) {
  const [from, on] = flags.dev ? halves(train) : [train, test]
  const runs = []
  for (const seed of flags.seeds) {
    const { trained: classifier, seconds } = await trainResumably(
      flags.dev ? `${name} dev` : name,
      { seed, ...flags.options },
      (options) => classify.train(from, options),
    )
    const { accuracy, macroF1, calibrationError } = await classifier.evaluate(on)
    const { history } = classifier
    const run = {
      seed,
      accuracy,
      macroF1,
      calibrationError,
      temperature: classifier.temperature,
      seconds,
      epochs: history.epoch.length,
      ...(await also(classifier, on)),
    }
    runs.push(run)
    console.log(
      `${name}, seed ${seed}, ${flags.dev ? 'held-out training data' : 'test'}: accuracy ` +
        `${(100 * accuracy).toFixed(2)} %, macro F1 ${(100 * macroF1).toFixed(2)}, calibration error ` +
        `${(100 * calibrationError).toFixed(2)} % at temperature ${run.temperature.toFixed(2)}, ` +
        `best epoch ${classify.bestEpoch(history) + 1} of ${run.epochs}, ${seconds.toFixed(1)} s`,
    )
  }
  const accuracy = runs.reduce((sum, run) => sum + run.accuracy, 0) / runs.length
  console.log(`${name}: mean accuracy ${(100 * accuracy).toFixed(2)} %`)
  return { name, accuracy, runs }
}

/** Four fifths and one fifth of labelled examples. */
function halves(/** @type {any} */ examples) {
  const { train, validation } = split(examples.labels, { validation: 0.2, seed: 1 })
  return [choose(examples, train), choose(examples, validation)]
}

/**
 * The examples at these places.
 *
 * @param {any} examples
 * @param {number[]} places
 */
export function choose(examples, places) {
  const lists = Object.entries(examples).filter(([, list]) => Array.isArray(list))
  return Object.fromEntries(lists.map(([key, list]) => [key, places.map((i) => list[i])]))
}
