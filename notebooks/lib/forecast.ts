/** Forecasting the next number of a series, from scaling to scores, as notebook 06 does it step by step. */
import { adam, dense, type Layer, sequential } from 'refrain'
import { differences, minMax, rmse, type Series, windowsOf } from './windows.ts'

/** How to train. */
export interface ForecastOptions {
  /** What goes in: the numbers, scaled by the first part's least and largest, or how each differs from the last. */
  readonly from?: 'level' | 'change'
  /** What is to come out: the next number, or how it differs from the last. Default 'change' both. */
  readonly to?: 'level' | 'change'
  /** Numbers that a forecast may see; default 50. */
  readonly length?: number
  /** The part that is trained on; default 0.67. */
  readonly share?: number
  /** Default 30. */
  readonly epochs?: number
  /** Default 16. */
  readonly batchSize?: number
  /** Default 0.01. */
  readonly learningRate?: number
  /** Default 1. */
  readonly seed?: number
}

/** Forecasts of every number that has a whole window before it, in the series' own unit. */
export interface Forecast {
  readonly said: number[]
  readonly wanted: number[]
  /** The number before: the naive forecast. */
  readonly naive: number[]
  readonly times: number[]
  /** How many of them were trained on, the first. */
  readonly known: number
  /** Parameters of the model. */
  readonly weights: number
}

/** Trains recurrent layers, the last of which gives one vector, with `dense(1)` behind them. */
export async function forecast(
  series: Series,
  layers: (inputShape: readonly [number, number]) => readonly Layer[],
  options: ForecastOptions = {},
): Promise<Forecast> {
  const { from = 'change', to = 'change', length = 50, share = 0.67, seed = 1 } = options
  const { epochs = 30, batchSize = 16, learningRate = 0.01 } = options
  const { values } = series
  const split = Math.floor(share * values.length)
  const known = split - length
  const naive = values.slice(length - 1, -1)
  const { scale, unscale } = minMax(values.slice(0, split))
  const changes = differences(values)
  const size = rmse(changes.slice(0, split - 1), new Array(split - 1).fill(0))
  const [levels, steps] = [scale(values), changes.map((change) => change / size)]
  const { x } = from === 'level' ? windowsOf(levels, length) : windowsOf(steps, length - 1)
  const y = to === 'level' ? levels.slice(length) : steps.slice(length - 1)
  const model = sequential([...layers([x[0].length, 1]), dense({ units: 1 })], { seed })
  const optimizer = adam({ learningRate, globalClipNorm: 1 })
  model.compile({ optimizer, loss: 'meanSquaredError' })
  await model.fit(x.slice(0, known), y.slice(0, known), { epochs, batchSize })
  const out = Array.from(await (await model.predict(x)).data())
  const said = to === 'level' ? unscale(out) : out.map((value, i) => naive[i] + value * size)
  const arrays = model.layers.flatMap((layer) => layer.getWeights())
  const weights = arrays.reduce((sum, { data }) => sum + data.length, 0)
  return {
    said,
    wanted: values.slice(length),
    naive,
    times: series.times.slice(length),
    known,
    weights,
  }
}

/** Root mean squared errors on the part that was trained on and on the other. */
export const scores = ({ wanted, known }: Forecast, said: readonly number[]): [number, number] => [
  rmse(said.slice(0, known), wanted.slice(0, known)),
  rmse(said.slice(known), wanted.slice(known)),
]

/** A row of a table: a name, and the errors of `scores`, written with so many digits after the point. */
export function scoreRow(
  name: string,
  of: Forecast,
  said: readonly number[],
  digits = 2,
): [string, string, string] {
  const [training, test] = scores(of, said)
  return [name, training.toFixed(digits), test.toFixed(digits)]
}

/** The mean error on the test part over seeds 1, 2, …, `seeds`, and the number of weights. */
export async function overSeeds(
  series: Series,
  layers: Parameters<typeof forecast>[1],
  options: ForecastOptions & { readonly seeds?: number } = {},
): Promise<{ error: number; weights: number }> {
  const { seeds = 3, ...rest } = options
  let sum = 0
  let weights = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const run = await forecast(series, layers, { ...rest, seed })
    sum += scores(run, run.said)[1]
    weights = run.weights
  }
  return { error: sum / seeds, weights }
}
