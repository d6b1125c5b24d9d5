import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSeries } from '../../data/read-series.ts'
import type { SeriesInput } from '../../data/series.ts'
import { RefrainError } from '../../errors.ts'
import { dense } from '../../layers/dense.ts'
import { sequential } from '../../model/index.ts'
import { Random } from '../../tensor/random.ts'
import { checkpoint } from '../../train/callbacks.ts'
import { decodeSafetensors, encodeSafetensors } from '../../util/safetensors.ts'
import * as forecast from './index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-forecast-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What of a file's encoders tests forge. */
interface Forged extends Record<string, unknown> {
  layout: { window: number; horizon: number; season: number; columns: { values: string[] } } | null
}

const noise = new Random(3, 'noise')

/** A season of 8 steps whose size changes, on a trend. */
const wave = (length: number, level = 100, size = 10) =>
  Array.from(
    { length },
    (_, t) =>
      level +
      0.05 * size * t +
      size * (1 + 0.5 * Math.sin(t / 9)) * Math.sin((2 * Math.PI * t) / 8) +
      0.1 * size * noise.normal(),
  )

const small = { units: 12, learningRate: 0.01, epochs: 12, patience: 6 }

test('one series: better than both baselines on steps that training never saw', async () => {
  const values = wave(260)
  const forecaster = await forecast.train(
    { values: values.slice(0, 200) },
    { ...small, epochs: 25, horizon: 4, seed: 1 },
  )
  expect([forecaster.season, forecaster.layout.window]).toEqual([8, 16])
  const result = await forecaster.evaluate({ values }, { from: 200 })
  expect(result.origins).toBe(57)
  expect(result.best).toBe('model')
  expect(result.model.mase).toBeLessThan(0.8 * result.seasonalNaive!.mase)
  expect(forecast.verdict(result)).toMatch(
    /^The model's MASE is 0\.\d+; repeating the last value has \d\.\d+, repeating the last 8 steps \d/,
  )
  const [{ id, times, values: ahead }] = await forecaster.predict({ values: values.slice(0, 230) })
  expect([id, times, ahead.value.length]).toEqual(['1', null, 4])
  const far = Math.max(...ahead.value.map((value, h) => Math.abs(value - values[230 + h])))
  expect(far).toBeLessThan(8)
})

describe('explanations', () => {
  const sumOf = ({ past, known }: forecast.ForecastExplanation) =>
    [...Object.values(past), ...Object.values(known)].flat().reduce((a, b) => a + b, 0)

  test('add up to the forecast less that of a window that stays at its level', async () => {
    const values = wave(120)
    for (const options of [{}, { quantiles: [0.1, 0.9] }, { scale: 'log' } as const]) {
      const forecaster = await forecast.train(
        { values },
        { ...small, epochs: 3, horizon: 2, window: 8, season: 8, ...options },
      )
      const [why] = await forecaster.explain({ values }, { ahead: 2 })
      const [next] = await forecaster.predict({ values })
      const [flat] = await forecaster.predict({ values: new Array(8).fill(values[119]) })
      expect(why).toMatchObject({ id: '1', column: 'value', ahead: 2, time: null, known: {} })
      expect(why.forecast).toBeCloseTo(next.values.value[1], 3)
      expect(why.baseline).toBeCloseTo(flat.values.value[1], 3)
      expect(why.past.value).toHaveLength(8)
      expect(sumOf(why)).toBeCloseTo(why.forecast - why.baseline, 8)
      expect(Math.abs(why.forecast - why.baseline)).toBeGreaterThan(0.01)
    }
  })

  test('of a linear forecast are its weights times the values, less the last', async () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7]
    const forecaster = await forecast.train(
      { values },
      { ...small, epochs: 1, horizon: 1, window: 3, season: 1, validation: 0 },
    )
    const { parameters } = forecaster.model.parameters
    for (const { value } of parameters) value.values.fill(0)
    parameters.find(({ shape }) => shape.join() === '3,1')!.value.values.set([0.5, -2, 9])
    const [{ past, baseline, forecast: sum }] = await forecaster.explain({ values })
    expect(baseline).toBeCloseTo(7, 4)
    expect(past.value[0]).toBeCloseTo(0.5 * (8 - 7), 4)
    expect(past.value[1]).toBeCloseTo(-2 * (9 - 7), 4)
    expect(past.value[2]).toBe(0)
    expect(sum).toBeCloseTo(7 + 0.5 - 4, 4)
  })

  test('what a promotion adds, and of which column and step; errors', async () => {
    const random = new Random(1, 'explain')
    const promotion = Array.from({ length: 122 }, () => Number(random.uniform() < 0.3))
    promotion[121] = 1
    const sales = Array.from({ length: 120 }, (_, t) => 10 + 10 * promotion[t])
    const times = sales.map((_, t) => new Date(Date.UTC(2024, 0, 1 + t)))
    const input = { values: { sales, cost: sales.map((x) => -x) }, known: { promotion }, times }
    const options = { ...small, epochs: 25, horizon: 2, window: 7, season: 7, seed: 1 }
    const forecaster = await forecast.train(input, options)
    const [why] = await forecaster.explain(input, { column: 'sales', ahead: 2 })
    expect(Object.keys(why.past)).toEqual(['sales', 'cost', 'promotion', 'time of the week'])
    expect(why.time).toBe('2024-05-01T00:00:00Z')
    expect(sumOf(why)).toBeCloseTo(why.forecast - why.baseline, 8)
    expect(why.known.promotion).toHaveLength(2)
    expect(why.known.promotion[1]).toBeGreaterThan(2)
    await expect(forecaster.explain(input, { column: 'sale' })).rejects.toThrow(
      "forecast.explain: unknown column 'sale'; did you mean 'sales'?",
    )
    await expect(forecaster.explain(input, { ahead: 3 })).rejects.toThrow(
      "forecast.explain 'ahead': the horizon is 2, got 3",
    )
  })
})

test('it says so when repeating the past is better', async () => {
  const values = Array.from({ length: 120 }, (_, t) => [5, 7, 3, 9][t % 4])
  const forecaster = await forecast.train(
    { values },
    { ...small, epochs: 1, horizon: 2, linear: false, seed: 1 },
  )
  const result = await forecaster.evaluate({ values })
  // The season repeats itself exactly, so that there is no MASE.
  expect(result.seasonalNaive).toMatchObject({ mae: 0, rmse: 0, smape: 0 })
  expect([result.season, result.best, result.model.mase]).toEqual([4, 'seasonalNaive', Number.NaN])
  expect(forecast.verdict(result)).toMatch(
    /^Repeating the last 4 steps forecasts better than the model: its mean absolute error is 0, the model's \d/,
  )
})

test('a random walk: repeating the last value is hard to beat, and there is no season', async () => {
  let at = 0
  const values = Array.from({ length: 300 }, () => (at += noise.normal()))
  const forecaster = await forecast.train({ values }, { ...small, epochs: 1, seed: 2 })
  expect([forecaster.season, forecaster.layout.horizon]).toEqual([1, 1])
  const result = await forecaster.evaluate({ values }, { from: -50 })
  expect(result.seasonalNaive).toBeNull()
  expect(result.model.mae).toBeGreaterThan(0.9 * result.naive.mae)
})

test('errors of a backtest, by hand', async () => {
  // A network of zeros forecasts the last value: the model is the naive forecast.
  const values = [1, 2, 4, 1, 3, 5, 0, 4]
  const forecaster = await forecast.train(
    { values: [...values, ...values, ...values, ...values] },
    { ...small, epochs: 1, horizon: 2, window: 2, season: 3 },
  )
  for (const { value } of forecaster.model.parameters.parameters) value.values.fill(0)
  const result = await forecaster.evaluate({ values }, { from: 5, stride: 1 })
  // Origins 5 and 6; last values 3 and 5; truths 5, 0 and 0, 4; a season before 4, 1 and 1, 3.
  expect(result.naive.mae).toBeCloseTo((2 + 3 + 5 + 1) / 4, 10)
  expect(result.naive.rmse).toBeCloseTo(Math.sqrt((4 + 9 + 25 + 1) / 4), 10)
  expect(result.naive.smape).toBeCloseTo((200 * (2 / 8 + 3 / 3 + 5 / 5 + 1 / 9)) / 4, 10)
  // Before the first origin: |1 - 1| and |3 - 2|, so the unit is 0.5.
  expect(result.naive.mase).toBeCloseTo(11 / 4 / 0.5, 10)
  expect(result.seasonalNaive!.mae).toBeCloseTo((1 + 1 + 1 + 1) / 4, 10)
  expect(result.model.mae).toBeCloseTo(result.naive.mae, 5)
  expect(result.best).toBe('seasonalNaive')
})

describe('several series with two columns, what is known in advance, and dates', () => {
  /** Sales double on days of a promotion, which are known; stock is not. */
  const shop = (id: string, length: number, size: number, ahead = 0): SeriesInput => {
    const random = new Random(id.length, id)
    const promotion = Array.from({ length: length + ahead }, () => Number(random.uniform() < 0.2))
    const week = (t: number) => [5, 6, 6, 7, 9, 12, 3][t % 7]
    const sales = Array.from({ length }, (_, t) => size * week(t) * (1 + promotion[t]))
    return {
      id,
      values: { sales, visits: sales.map((value) => 3 * value + size * random.normal()) },
      past: { stock: sales.map((_, t) => (t * 7) % 50) },
      known: { promotion },
      times: Array.from({ length }, (_, t) => new Date(Date.UTC(2024, 0, 1 + t))),
    }
  }
  const shops = [shop('a', 150, 1), shop('bb', 190, 20)]
  const options = { ...small, horizon: 5, window: 14, season: 7, seed: 4 }

  test.each(['direct', 'decoder'] as const)('%s: learns what a promotion does', async (network) => {
    const forecaster = await forecast.train(shops, { ...options, network, epochs: 30 })
    expect(forecaster.layout.calendar).toEqual(['week'])
    const result = forecaster.validation!
    expect(result.best).toBe('model')
    expect(result.model.mase).toBeLessThan(0.5 * result.seasonalNaive!.mase)
    expect(Object.keys(result.columns)).toEqual(['sales', 'visits'])
    const given = shop('bb', 190, 20, 5)
    const [{ times, values }] = await forecaster.predict([given])
    expect(times).toEqual(
      [190, 191, 192, 193, 194].map((t) =>
        new Date(Date.UTC(2024, 0, 1 + t)).toISOString().replace('.000', ''),
      ),
    )
    const plans = given.known!.promotion as number[]
    const salesWith = async (value: number) => {
      const promotion = [...plans.slice(0, 190), 0, 0, value, 0, 0]
      return (await forecaster.predict({ ...given, known: { promotion } }))[0].values.sales[2]
    }
    expect(await salesWith(1)).toBeGreaterThan(1.4 * (await salesWith(0)))
    expect(values.visits).toHaveLength(5)
  })

  test('a prediction does not depend on its company; a new series is scaled by itself', async () => {
    const forecaster = await forecast.train(shops, { ...options, epochs: 3 })
    const inputs = [shop('a', 60, 1, 5), shop('bb', 80, 20, 5), shop('new', 50, 400, 5)]
    const together = await forecaster.predict(inputs)
    for (const [i, input] of inputs.entries()) {
      const [alone] = await forecaster.predict(input)
      alone.values.sales.forEach((value, h) => {
        expect(value / together[i].values.sales[h]).toBeCloseTo(1, 4)
      })
    }
    // 400 times a shop of size 1.
    expect(Math.max(...together[2].values.sales)).toBeGreaterThan(1000)
  })

  test('files give the same forecasts; training resumes to the same weights', async () => {
    const path = join(folder, 'shops.refrain')
    const whole = await forecast.train(shops, {
      ...options,
      epochs: 4,
      validation: 0,
      dropout: 0.2,
    })
    await whole.save(path, { training: { note: 'by a test' } })
    const again = await forecast.load(path)
    const inputs = [shop('a', 60, 1, 5), shop('new', 50, 3, 5)]
    expect(await again.predict(inputs)).toEqual(await whole.predict(inputs))
    expect([again.history, again.step]).toEqual([null, { step: 86_400_000, unit: 'milliseconds' }])

    const checkpoints = join(folder, 'checkpoint.refrain')
    let steps = 0
    const pause = {
      name: 'pause',
      onStepEnd(run: { save(path: string): void; stop(reason: string): void }) {
        if (++steps < 13) return
        run.save(checkpoints)
        run.stop('a test')
      },
    }
    const options4 = { ...options, epochs: 4, validation: 0, dropout: 0.2 }
    await forecast.train(shops, {
      ...options4,
      callbacks: [checkpoint({ path: checkpoints }), pause],
    })
    const resumed = await forecast.train(shops, { ...options4, resume: checkpoints })
    expect(await resumed.predict(inputs)).toEqual(await whole.predict(inputs))
  })
})

test('a logarithmic scale: forecasts stay above 0, and files know of it', async () => {
  const values = Array.from({ length: 160 }, (_, t) => Math.exp(2 * Math.sin(t / 4) + t / 80))
  const options = { ...small, horizon: 4, window: 30, season: 25, scale: 'log' } as const
  const forecaster = await forecast.train({ values }, options)
  expect(forecaster.validation!.best).toBe('model')
  const path = join(folder, 'log.refrain')
  await forecaster.save(path)
  const again = await (await forecast.load(path)).predict({ values })
  expect(again).toEqual(await forecaster.predict({ values }))
  expect(Math.min(...again[0].values.value)).toBeGreaterThan(0)
  await expect(forecaster.predict({ values: values.map((value) => value - 1) })).rejects.toThrow(
    "series '1': the scale 'log' needs numbers above 0, got",
  )
})

test('spreadWeight: series of a wide scale count more', async () => {
  // What one map from window to forecast cannot do for both: go on as it was, and go back to zero.
  let level = 0
  const draw = (next: () => number) => Array.from({ length: 400 }, next)
  const wide = { id: 'wide', values: draw(() => (level += 100 * noise.normal())) }
  const narrow = { id: 'narrow', values: draw(() => noise.normal()) }
  const options = { ...small, horizon: 2, window: 8, season: 1, units: 1 }
  const errors = async (loss: 'meanSquaredError' | 'meanAbsoluteError', spreadWeight: number) => {
    const forecaster = await forecast.train([wide, narrow], { ...options, loss, spreadWeight })
    const score = async (one: typeof wide) => (await forecaster.evaluate(one)).model.rmse
    return [await score(wide), await score(narrow)]
  }
  for (const loss of ['meanSquaredError', 'meanAbsoluteError'] as const) {
    const [alike, weighed] = [await errors(loss, 0), await errors(loss, 1)]
    expect(weighed[0]).toBeLessThan(0.95 * alike[0])
    expect(weighed[1]).toBeGreaterThan(1.05 * alike[1])
  }
  await expect(forecast.train(wide, { ...options, spreadWeight: 2 })).rejects.toThrow(
    "forecast.train 'spreadWeight': expected a finite number from 0 to 1, got 2",
  )
})

test('quantiles hold their share of the values and do not cross', async () => {
  const values = Array.from({ length: 700 }, (_, t) => 10 * Math.sin(t / 3) + 4 * noise.normal())
  const forecaster = await forecast.train(
    { values: values.slice(0, 500) },
    { ...small, horizon: 2, window: 12, season: 1, quantiles: [0.9, 0.1], seed: 5 },
  )
  expect(forecaster.quantiles).toEqual([0.1, 0.5, 0.9])
  const result = await forecaster.evaluate({ values }, { from: 500 })
  expect(result.coverage['0.1']).toBeGreaterThan(0.03)
  expect(result.coverage['0.1']).toBeLessThan(0.25)
  expect(result.coverage['0.9']).toBeGreaterThan(0.75)
  expect(result.coverage['0.9']).toBeLessThan(0.97)
  expect(result.model.quantileLoss).toBeLessThan(result.naive.quantileLoss)
  const [{ values: middle, quantiles }] = await forecaster.predict({ values })
  expect(quantiles['0.5']).toEqual(middle)
  for (const h of [0, 1]) {
    expect(quantiles['0.1'].value[h]).toBeLessThan(middle.value[h])
    expect(middle.value[h]).toBeLessThan(quantiles['0.9'].value[h])
  }
})

test.each(['none', 'last', 'season', 'mean', 'standard'] as const)(
  'a window has its level back: %s',
  async (normalize) => {
    const values = wave(150, 1000)
    const options = {
      ...small,
      horizon: 10,
      window: 16,
      season: 8,
      linear: false,
      epochs: 1,
      normalize,
    }
    const forecaster = await forecast.train({ values }, options)
    for (const { value } of forecaster.model.parameters.parameters) value.values.fill(0)
    const [{ values: ahead }] = await forecaster.predict({ values })
    const recent = values.slice(-16)
    const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length
    const expected = {
      none: () => mean(values.slice(0, 120)),
      last: () => values[149],
      season: (h: number) => values[142 + (h % 8)],
      mean: () => mean(recent),
      standard: () => mean(recent),
    }[normalize]
    ahead.value.forEach((value, h) => {
      expect(value).toBeCloseTo(expected(h), 2)
    })
  },
)

test('scales and season come from the training part alone', async () => {
  const values = wave(200)
  const options = { ...small, epochs: 1, horizon: 4, seed: 1 }
  const one = await forecast.train({ values }, options)
  const other = values.map((value, t) => (t < 160 ? value : 5 * value - 7))
  const two = await forecast.train({ values: other }, options)
  const given = { values: values.slice(0, 100) }
  expect(await two.predict(given)).toEqual(await one.predict(given))
})

test('the same seed gives the same forecast, another one another', async () => {
  const values = wave(120)
  const of = async (seed: number) =>
    (await forecast.train({ values }, { ...small, epochs: 1, windows: 30, seed })).predict({
      values,
    })
  expect(await of(5)).toEqual(await of(5))
  expect(await of(5)).not.toEqual(await of(6))
})

test('carbon dioxide on Mauna Loa: a year ahead', async () => {
  const root = dirname(createRequire(import.meta.url).resolve('vega-datasets'))
  const path = join(root, '../data/co2-concentration.csv')
  const { series } = await readSeries(path, { values: ['CO2'], fill: 'linear' })
  const forecaster = await forecast.train(series, { epochs: 15, units: 24, learningRate: 0.003 })
  expect([forecaster.season, forecaster.layout.horizon, forecaster.layout.calendar]).toEqual([
    12,
    12,
    ['year'],
  ])
  const { model, seasonalNaive, best } = forecaster.validation!
  expect(best).toBe('model')
  expect(model.rmse).toBeLessThan(0.5 * seasonalNaive!.rmse)
  const [{ times }] = await forecaster.predict(series)
  expect([times![0], times![11]]).toEqual(['2020-05-01', '2021-04-01'])
})

describe('errors', () => {
  const values = wave(60)
  const failure = async (promise: () => Promise<unknown>) => {
    try {
      await promise()
    } catch (error) {
      if (error instanceof RefrainError) return `${error.code} ${error.message}`
      throw error
    }
    return 'none'
  }
  const training = (input: unknown, options: forecast.ForecastOptions = {}) =>
    failure(() => forecast.train(input as SeriesInput, { ...small, epochs: 1, ...options }))

  test('of the data', async () => {
    expect(await training({ values: [1, 2, 3] }, { window: 8, horizon: 4 })).toBe(
      "BAD_DATA forecast.train: series '1' has 3 values, of which -1 are to train on, but a window of " +
        '8 and a horizon of 4 need 12. Choose a smaller window, horizon or validation, or leave ' +
        'short series out',
    )
    expect(
      await training([{ values }, { values: [1, 2, 3, 4] }, { values: [1] }], {
        window: 8,
        horizon: 1,
      }),
    ).toContain(
      "series '2' has 4 values, of which 3 are to train on, but a window of 8 and a horizon of 1 need 9; so it is with 2 of 3 series",
    )
    expect(await training({ values: [1, Number.NaN] })).toContain(
      'got NaN at 1. Fill missing values',
    )
    expect(
      await training([
        { values, times: values.map((_, t) => new Date(t * 86_400_000)) },
        { values, times: values.map((_, t) => new Date(t * 3_600_000)) },
      ]),
    ).toBe(
      "BAD_DATA forecast.train: series '1' has steps of 1 day, series '2' of 1 hour. Train a model for " +
        'each, or resample them',
    )
    expect(await training([{ values: { a: values } }, { values: { b: values } }])).toBe(
      "BAD_DATA forecast.train: series '2': expected the columns [a] in 'values', got [b]",
    )
  })

  test('of the options', async () => {
    expect(await training({ values }, { horizn: 3 } as object)).toBe(
      "UNKNOWN_OPTION forecast.train: unknown option 'horizn'; did you mean 'horizon'?",
    )
    expect(await training({ values }, { normalize: 'lst' as never })).toBe(
      "BAD_ARGUMENT forecast.train 'normalize': got 'lst'; did you mean 'last'?",
    )
    expect(await training({ values }, { quantiles: [0.1, 1] })).toBe(
      "BAD_ARGUMENT forecast.train 'quantiles': expected numbers between 0 and 1, got [0.1, 1]; such " +
        'as [0.1, 0.5, 0.9]',
    )
    expect(await training({ values }, { window: 0 })).toBe(
      "BAD_ARGUMENT forecast.train 'window': expected a whole number of at least 1, got 0",
    )
  })

  test('of predict and evaluate', async () => {
    const times = values.map((_, t) => new Date(t * 86_400_000))
    const known = { k: [...values, 1, 2] }
    const forecaster = await forecast.train(
      { values, times, known },
      { ...small, epochs: 1, window: 8, horizon: 2, season: 4 },
    )
    const predicting = (input: unknown) => failure(() => forecaster.predict(input as SeriesInput))
    expect(
      await predicting({
        values: [1, 2, 3],
        times: times.slice(0, 3),
        known: { k: [1, 2, 3, 4, 5] },
      }),
    ).toBe(
      "BAD_DATA forecast.predict: series '1': it has 3 values, and the window is 8. Give more of its past",
    )
    expect(await predicting({ values, times, known: { k: [...values, 1] } })).toBe(
      "BAD_DATA forecast.predict: series '1': [k] are known for 1 steps after the last value, but the " +
        'horizon is 2. Add rows with them and without values',
    )
    expect(await predicting({ values, times })).toBe(
      "BAD_DATA forecast.predict: series '1': expected the columns [k] in 'known', got []",
    )
    expect(await predicting({ values, known })).toBe(
      "BAD_DATA forecast.predict: series '1': expected dates, since the model reads the time of the " +
        'week. Give times with the values',
    )
    const hours = values.map((_, t) => new Date(t * 3_600_000))
    expect(await predicting({ values, known, times: hours })).toBe(
      "BAD_DATA forecast.predict: series '1': expected steps of 1 day, as in training, got 1 hour",
    )
    const evaluating = (options: forecast.BacktestOptions) =>
      failure(() => forecaster.evaluate({ values, times, known }, options))
    expect(await evaluating({ from: 59 })).toBe(
      "BAD_DATA forecast.evaluate: series '1': it has 60 values, and a forecast from 59 on needs 8 " +
        "before and 2 behind it. Choose 'from' between 8 and 58",
    )
    expect(await evaluating({ stride: 0 })).toBe(
      "BAD_ARGUMENT forecast.evaluate 'stride': expected a whole number of at least 1, got 0",
    )
  })

  test('of the file', async () => {
    const path = join(folder, 'forged.refrain')
    await sequential([dense({ units: 1, inputShape: [2] })]).save(path)
    expect(await failure(() => forecast.load(path))).toBe(
      `BAD_FILE ${path}: expected a forecaster, got a model for 'no task'; refrain train forecast makes one`,
    )
    const good = join(folder, 'good.refrain')
    const options = { ...small, epochs: 1, window: 8, horizon: 2, quantiles: [0.2] }
    await (await forecast.train({ values }, options)).save(good)
    const forge = (change: (encoders: Forged) => void) => {
      const { tensors, metadata } = decodeSafetensors(readFileSync(good))
      const encoders = JSON.parse(metadata.encoders)
      change(encoders)
      const text = JSON.stringify(encoders)
      writeFileSync(path, encodeSafetensors(tensors, { ...metadata, encoders: text }))
      return failure(() => forecast.load(path))
    }
    expect(await forge((json) => (json.layout!.window = 9))).toBe(
      `BAD_FILE ${path}: its window of 9, horizon of 2, columns and quantiles do not fit its network, ` +
        'which goes from [[8,1]] to [[2,2]]',
    )
    expect(await forge((json) => (json.layout!.horizon = 1e9))).toContain('do not fit its network')
    expect(await forge((json) => (json.layout = null))).toContain(
      "expected a boolean as 'calendarAhead'",
    )
    expect(await forge((json) => (json.quantiles = [0.5, 0.2]))).toContain(
      'quantiles in ascending order',
    )
    expect(await forge((json) => (json.scales = [['1', [[0, 0]]]]))).toBe(
      `BAD_FILE ${path}: expected 1 pairs of numbers as scales of '1', got [[…]]`,
    )
    expect(await forge((json) => (json.scaling = 'root'))).toContain(
      'standard, minMax, log, none as',
    )
    expect(await forge((json) => (json.layout!.columns.values = ['a', 'a']))).toContain(
      'different names',
    )
    expect(await forge((json) => (json.layout!.season = 0))).toContain(
      "'season': expected a whole number",
    )
    expect(await forge((json) => (json.step = { step: -1, unit: 'months' }))).toContain('above 0')
  })
})
