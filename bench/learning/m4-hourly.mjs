/**
 * The 414 hourly series of the M4 competition, 48 hours ahead, one model for all; sMAPE and MASE as
 * the competition counts them.
 *
 *   node bench/learning/m4-hourly.mjs [--dev] [--seeds 3]
 *
 * --dev: the last 48 hours of the training data, which decide when to stop, instead of the test data.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { forecast } from '../../dist/tasks/index.js'
import { readFlags } from './arguments.mjs'
import { trainResumably } from './resuming.mjs'

const folder = fileURLToPath(new URL('../../../shared/data/m4/', import.meta.url))
const horizon = 48
const settings = {
  horizon,
  season: 24,
  window: 168,
  scale: 'log',
  normalize: 'season',
  loss: 'meanAbsoluteError',
  spreadWeight: 0.35,
  // One horizon: no series has so many values that a twentieth is more.
  validation: 0.05,
  epochs: 30,
  patience: 5,
}

/** One series a row: a name, then values. */
function read(/** @type {string} */ name) {
  const [, ...rows] = gunzipSync(readFileSync(`${folder}${name}`))
    .toString()
    .trim()
    .split('\n')
  return rows.map((row) => {
    const [id, ...numbers] = row.split(',').map((cell) => cell.trim().replaceAll('"', ''))
    return { id, values: numbers.filter((cell) => cell !== '' && cell !== 'NA').map(Number) }
  })
}

const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length

/** @param {string[]} args */
export default async function m4Hourly(args = []) {
  const flags = readFlags(args)
  if (!existsSync(folder)) return console.log(`skipped: ${folder} is not there`)
  const training = read('Hourly-train.csv.gz')
  const runs = []
  for (const seed of flags.seeds) {
    const { trained: forecaster, seconds } = await trainResumably(
      'm4-hourly',
      { ...settings, seed, ...flags.options },
      (options) => forecast.train(training, options),
    )
    let result
    if (flags.dev) result = await forecaster.evaluate(training, { from: -horizon })
    else {
      const rest = new Map(read('Hourly-test.csv.gz').map(({ id, values }) => [id, values]))
      const whole = training.map(({ id, values }) => ({ id, values: [...values, ...rest.get(id)] }))
      result = await forecaster.evaluate(whole, { from: -horizon })
    }
    runs.push({ ...result, seconds, epochs: forecaster.history.epoch.length })
    const { model, seasonalNaive, naive } = result
    const show = (/** @type {{ smape: number, mase: number }} */ { smape, mase }) =>
      `${smape.toFixed(3)} / ${mase.toFixed(3)}`
    console.log(
      `M4 hourly, ${flags.dev ? 'end of training data' : 'test'}, seed ${seed}: sMAPE / MASE ` +
        `${show(model)}; last day repeated ${show(seasonalNaive)}, last value ${show(naive)}; ` +
        `${seconds.toFixed(0)} s, ${forecaster.history.epoch.length} epochs`,
    )
  }
  const of = (/** @type {'smape' | 'mase'} */ name) => mean(runs.map(({ model }) => model[name]))
  const result = { smape: of('smape'), mase: of('mase'), runs }
  console.log(
    `mean: sMAPE ${result.smape.toFixed(3)}, MASE ${result.mase.toFixed(3)} (M4: ES-RNN 9.328 / 0.893, ` +
      'Naive2 18.383 / 2.395)',
  )
  return result
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await m4Hourly(process.argv.slice(2))
