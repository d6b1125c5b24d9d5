/**
 * The forecasting run of the lecture's notebooks: the next ankle angle from the 50 before, scaled to 0
 * to 1, the first 67 % to train and the rest to test, LSTM(10) + Dense(1), batch size 1, 50 epochs. The
 * notebooks' printout (Keras 2, 2020) has 12 to 26 s an epoch and last losses below 1e-3.
 *
 * 'notebook': that very model, which reads the 50 angles as one step; 'forecast': the task, which
 * reads them as 50 steps and decides by its last training part when to stop, on the same rows.
 *
 *   node bench/learning/gait.mjs [--seeds 3]
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { adam, dense, lstm, sequential } from '../../dist/index.js'
import { forecast } from '../../dist/tasks/index.js'

const file = fileURLToPath(new URL('../../../shared/data/gait/ankleAngles.csv', import.meta.url))
const lookBack = 50
const printed = { secondsAnEpoch: [12, 26], loss: 1e-3 }

const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length
const rmseOf = (/** @type {number[]} */ errors) => Math.sqrt(mean(errors.map((e) => e * e)))

/** @param {string[]} args */
export default async function gait(args = []) {
  const { values: flags } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '3' },
      epochs: { type: 'string', default: '50' },
    },
  })
  if (!existsSync(file)) return console.log(`skipped: ${file} is not there`)
  const angles = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((row) => Number(row.split(',')[1]))
  const [low, high] = [Math.min(...angles), Math.max(...angles)]
  const scaled = angles.map((angle) => (angle - low) / (high - low))
  const end = Math.floor(angles.length * 0.67)
  const epochs = Number(flags.epochs)
  const naive = rmseOf(angles.slice(end).map((angle, i) => angle - angles[end + i - 1]))
  const runs = []
  for (let seed = 0; seed < Number(flags.seeds); seed++) {
    const windows = (/** @type {number} */ from, /** @type {number} */ to) => {
      const rows = []
      for (let t = from; t < to; t++) rows.push(scaled.slice(t - lookBack, t))
      return {
        x: { shape: [rows.length, 1, lookBack], data: Float32Array.from(rows.flat()) },
        y: { shape: [rows.length, 1], data: Float32Array.from(scaled.slice(from, to)) },
      }
    }
    const model = sequential([lstm({ units: 10 }), dense({ units: 1 })], { seed })
    model.compile({ optimizer: adam(), loss: 'meanSquaredError' })
    const train = windows(lookBack, end)
    let start = performance.now()
    const { history } = await model.fit(train.x, train.y, { epochs, batchSize: 1 })
    const notebook = {
      seconds: (performance.now() - start) / 1000,
      loss: history.loss.at(-1),
      rmse: 0,
    }
    const test = windows(end, scaled.length)
    const predicted = await (await model.predict(test.x)).data()
    notebook.rmse = rmseOf([...predicted].map((y, i) => (y - scaled[end + i]) * (high - low)))

    start = performance.now()
    const forecaster = await forecast.train(
      { values: angles.slice(0, end) },
      { window: lookBack, horizon: 1, season: 1, units: 10, epochs, patience: epochs, seed },
    )
    const seconds = (performance.now() - start) / 1000
    const { model: scores } = await forecaster.evaluate({ values: angles }, { from: end })
    runs.push({ notebook, forecast: { seconds, rmse: scores.rmse } })
    const times = printed.secondsAnEpoch.map((s) => ((s * epochs) / notebook.seconds).toFixed(0))
    console.log(
      `gait, seed ${seed}, ${epochs} epochs: the notebook's model ${notebook.seconds.toFixed(2)} s ` +
        `(${times.join(' to ')} times as fast as printed), last loss ${notebook.loss.toExponential(2)}, ` +
        `RMSE ${notebook.rmse.toFixed(5)} rad; forecast ${seconds.toFixed(2)} s, RMSE ` +
        `${scores.rmse.toFixed(5)} rad; last value repeated ${naive.toFixed(5)} rad`,
    )
  }
  const of = (/** @type {'notebook' | 'forecast'} */ which) => ({
    [`${which}: RMSE`]: mean(runs.map((run) => run[which].rmse)),
    [`${which}: seconds`]: mean(runs.map((run) => run[which].seconds)),
  })
  return { ...of('notebook'), ...of('forecast'), 'last value: RMSE': naive, printed, runs }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await gait(process.argv.slice(2))
