/**
 * ETTh1, univariate (oil temperature, hourly), 24, 48 and 168 hours ahead, as Informer's authors cut it
 * (Zhou et al. 2021): 12 months to train, 4 to validate, 4 to test, every origin; errors in units of
 * the standard deviation of the training months. Beside it the season repeated, and what they report
 * for LSTMa.
 *
 *   node bench/learning/etth1.mjs [--dev] [--horizon 24] [--seeds 3]
 *
 * --dev: the validation months instead of the test months, for choosing settings.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readSeries } from '../../dist/data/index.js'
import { forecast } from '../../dist/tasks/index.js'
import { readFlags } from './arguments.mjs'

const file = fileURLToPath(new URL('../../../shared/data/ett/ETTh1.csv.gz', import.meta.url))
const months = 8640 / 12
const lstma = { 24: [0.114, 0.272], 48: [0.193, 0.358], 168: [0.236, 0.392] }
const settings = { validation: 0.25, season: 24, units: 32, epochs: 20, patience: 4 }

const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length

/** @param {string[]} args */
export default async function etth1(args = []) {
  const flags = readFlags(args, 3, { horizon: { type: 'string' } })
  if (!existsSync(file)) return console.log(`skipped: ${file} is not there`)
  const { series } = await readSeries(file, { values: ['OT'] })
  const values = series[0].values.OT
  const { axis } = series[0]
  const training = values.subarray(0, 12 * months)
  const level = mean([...training])
  const variance = mean([...training].map((x) => (x - level) ** 2))
  const horizons = flags.horizon ? [Number(flags.horizon)] : [24, 48, 168]
  const results = []
  for (const horizon of horizons) {
    const runs = []
    for (const seed of flags.seeds) {
      const start = performance.now()
      const forecaster = await forecast.train(
        { values: { OT: values.subarray(0, 16 * months) }, axis },
        { ...settings, horizon, seed, ...flags.options },
      )
      const seconds = (performance.now() - start) / 1000
      const [from, to] = flags.dev ? [12, 16] : [16, 20]
      const part = { values: { OT: values.subarray(0, to * months) }, axis }
      const { model, naive, seasonalNaive } = await forecaster.evaluate(part, {
        from: from * months,
      })
      const of = (/** @type {{ rmse: number, mae: number }} */ scores) => ({
        mse: scores.rmse ** 2 / variance,
        mae: scores.mae / Math.sqrt(variance),
      })
      runs.push({
        seconds,
        epochs: forecaster.history.epoch.length,
        window: forecaster.layout.window,
        model: of(model),
        naive: of(naive),
        seasonalNaive: of(seasonalNaive),
      })
    }
    const [{ naive, seasonalNaive, window }] = runs
    const [mse, mae] = /** @type {const} */ (['mse', 'mae']).map((name) =>
      mean(runs.map(({ model }) => model[name])),
    )
    const result = {
      horizon,
      window,
      part: flags.dev ? 'validation' : 'test',
      mse,
      mae,
      mseOfSeeds: runs.map(({ model }) => model.mse),
      naive,
      seasonalNaive,
      lstma: { mse: lstma[horizon]?.[0], mae: lstma[horizon]?.[1] },
      seconds: mean(runs.map(({ seconds }) => seconds)),
    }
    results.push(result)
    console.log(
      `ETTh1 ${String(horizon).padStart(3)} hours, ${result.part}: MSE ${mse.toFixed(4)} ` +
        `(${result.mseOfSeeds.map((x) => x.toFixed(4)).join(' ')}), MAE ${mae.toFixed(4)}; ` +
        `last day repeated ${seasonalNaive.mse.toFixed(4)}, last value ${naive.mse.toFixed(4)}; ` +
        `LSTMa ${result.lstma.mse}; ${result.seconds.toFixed(1)} s a run, ` +
        `${runs.map(({ epochs }) => epochs).join(' ')} epochs`,
    )
  }
  const scores = results.map(({ horizon, mse }) => [`MSE, ${horizon} hours`, mse])
  return { ...Object.fromEntries(scores), results }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await etth1(process.argv.slice(2))
