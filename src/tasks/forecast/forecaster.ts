/** A trained forecaster: continues series, and measures itself on their past. */
import { checkSeries, type Series, type SeriesInput } from '../../data/series.ts'
import { describeStep, type TimeAxis, writeTime } from '../../data/time.ts'
import { RefrainError, show } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import type { History } from '../../train/plan.ts'
import { checkInteger, checkOptions, suggest } from '../../util/check.ts'
import type { FileOptions } from '../training.ts'
import { explainForecast, type ForecastExplanation } from './explain.ts'
import { checkLog, fitScale, type Scale, type Scaling, shiftAt, unscaleValue } from './scale.ts'
import { ErrorSums, type Scores, seasonalError, seasonalNaive } from './scores.ts'
import {
  checkColumns,
  cut,
  type Layout,
  type Origin,
  originsOf,
  type ScaledSeries,
  scaleSeries,
} from './windows.ts'

/** How a series goes on. */
export interface Forecast {
  readonly id: string
  /** Of each step of the horizon, written as in the series; null for a series without times. */
  readonly times: readonly (string | number)[] | null
  /** By column, a number for each step. */
  readonly values: Readonly<Record<string, number[]>>
  /** By quantile ('0.1') and column: numbers that the value stays below with that probability. */
  readonly quantiles: Readonly<Record<string, Record<string, number[]>>>
}

/** Options of `evaluate`. */
export interface BacktestOptions {
  /**
   * The first step that is forecast, from 0; negative: from the end, so that -48 takes the last 48
   * steps. All before it is history. Default: the first step with a window and a season before it.
   */
  from?: number
  /** Steps between one origin and the next. Default 1. */
  stride?: number
}

/** How well a forecaster does, beside the two forecasts that cost nothing. */
export interface Backtest {
  /** Forecasts made, one an origin. */
  readonly origins: number
  readonly horizon: number
  /** Steps that `seasonalNaive` repeats; 1: none was found. */
  readonly season: number
  readonly model: Scores
  /** The last value, repeated. */
  readonly naive: Scores
  /** The last season, repeated; null without a season. */
  readonly seasonalNaive: Scores | null
  /** Who has the smallest MASE, or, where there is none, the smallest mean absolute error. */
  readonly best: 'model' | 'naive' | 'seasonalNaive'
  /** By quantile, the share of values below it. */
  readonly coverage: Readonly<Record<string, number>>
  /** By column, where there are several: the model's scores. */
  readonly columns: Readonly<Record<string, Scores>>
}

/** Origins that are forecast in one go, so that memory does not grow with their number. */
const chunk = 1024

/** What a `Forecaster` is made of. */
export interface ForecasterParts {
  readonly model: Model
  readonly layout: Layout
  /** Ascending; empty for point forecasts. */
  readonly quantiles: readonly number[]
  readonly scaling: Scaling
  /** By series: the scale of each column to forecast. */
  readonly scales: ReadonlyMap<string, readonly Scale[]>
  /** Of the columns of `past`, then of `known`. */
  readonly covariates: readonly Scale[]
  /** The step of the series; null for series without times. */
  readonly step: Pick<TimeAxis, 'step' | 'unit'> | null
  readonly history?: History
}

/** A trained forecaster. */
export class Forecaster {
  readonly model: Model
  /** Window, horizon and columns. */
  readonly layout: Layout
  /** Steps after which the series repeat themselves, as given or detected; 1: none. */
  readonly season: number
  readonly quantiles: readonly number[]
  readonly #parts: ForecasterParts
  /** Epoch by epoch; null for a loaded forecaster. */
  readonly history: History | null
  /** The backtest on the validation part of the training series; null for a loaded forecaster, or without that part. */
  validation: Backtest | null = null

  constructor(parts: ForecasterParts) {
    this.#parts = parts
    this.model = parts.model
    this.layout = parts.layout
    this.season = parts.layout.season
    this.quantiles = parts.quantiles
    this.history = parts.history ?? null
  }

  /**
   * Continues series: the horizon's steps after their last values. A series of a name that was trained
   * on is scaled as it was then, another one by its own values.
   *
   * Throws `BAD_DATA` for a series shorter than the window, for one with other columns or another step
   * of time, and where columns known in advance end too early.
   */
  async predict(input: SeriesInput | readonly SeriesInput[]): Promise<Forecast[]> {
    const list = checkSeries('forecast.predict', input)
    const { horizon, columns } = this.layout
    const scaled = list.map((series) => this.#withFuture('forecast.predict', series))
    const origins = list.map(({ length }, series) => ({ series, at: length }))
    const numbers = await this.#forecast(scaled, origins)
    return list.map((series, s) => {
      const of = (q: number) =>
        Object.fromEntries(
          columns.values.map((name, v) => [
            name,
            Array.from({ length: horizon }, (_, h) => numbers[this.#at(s, h, v) + q]),
          ]),
        )
      const { axis, length } = series
      return {
        id: series.id,
        times: axis && Array.from({ length: horizon }, (_, h) => writeTime(axis, length + h)),
        values: of(this.#point),
        quantiles: Object.fromEntries(this.quantiles.map((name, q) => [String(name), of(q)])),
      }
    })
  }

  /**
   * What each past value, each other column and what is known in advance adds to the forecast of a step,
   * by integrated gradients, in the units of the values: the contributions' sum is the forecast less
   * what the model says of a window that stays at its level. An explanation for each series.
   *
   * Options: `column`, default the first; `ahead`, the step of the forecast from 1, default 1. Throws as
   * `predict` does, and `UNKNOWN_OPTION` for an unknown column.
   */
  async explain(
    input: SeriesInput | readonly SeriesInput[],
    options: { column?: string; ahead?: number } = {},
  ): Promise<ForecastExplanation[]> {
    checkOptions('forecast.explain', options, ['column', 'ahead'])
    const { model, layout } = this
    const { values } = layout.columns
    const { column = values[0] } = options
    if (!values.includes(column)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `forecast.explain: unknown column ${show(column)}`,
        suggest(String(column), values),
      )
    }
    const ahead = checkInteger("forecast.explain 'ahead'", options.ahead ?? 1)
    if (ahead > layout.horizon) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `forecast.explain 'ahead': the horizon is ${layout.horizon}, got ${ahead}`,
      )
    }
    const of = { column: values.indexOf(column), ahead, quantile: this.#point }
    const found: ForecastExplanation[] = []
    for (const series of checkSeries('forecast.explain', input)) {
      const { id, axis, length } = series
      const scaled = this.#withFuture('forecast.explain', series)
      const time = axis && writeTime(axis, length + ahead - 1)
      const why = await explainForecast(model, layout, scaled, length, of)
      found.push({ id, column, ahead, time, ...why })
    }
    return found
  }

  /**
   * A backtest: forecasts from every origin, each with the values before it, against those that came;
   * beside the last value repeated (naive) and the last season repeated (seasonal naive).
   */
  async evaluate(
    input: SeriesInput | readonly SeriesInput[],
    options: BacktestOptions = {},
  ): Promise<Backtest> {
    checkOptions('forecast.evaluate', options, ['from', 'stride'])
    const stride = checkInteger("forecast.evaluate 'stride'", options.stride ?? 1)
    if (options.from !== undefined) {
      checkInteger("forecast.evaluate 'from'", options.from, Number.MIN_SAFE_INTEGER)
    }
    const { window, horizon } = this.layout
    const list = checkSeries('forecast.evaluate', input)
    const first = Math.max(window, this.season)
    const origins = list.flatMap((series, s) => {
      const where = this.#check('forecast.evaluate', series)
      const { from = first } = options
      const start = from < 0 ? series.length + from : from
      if (start < first || start + horizon > series.length) {
        const short = series.length < first + horizon
        throw new RefrainError(
          'BAD_DATA',
          `${where}: it has ${series.length} values, and ` +
            (short
              ? `a history of ${first} and a horizon of ${horizon} need ${first + horizon}`
              : `a forecast from ${start} on needs ${first} before and ${horizon} behind it`),
          short ? '' : `Choose 'from' between ${first} and ${series.length - horizon}`,
        )
      }
      return originsOf(s, start, series.length - horizon, stride)
    })
    return this.backtest(list, origins)
  }

  /** The backtest of chosen origins; `evaluate` chooses them by its options. */
  async backtest(list: readonly Series[], origins: readonly Origin[]): Promise<Backtest> {
    const { season, quantiles } = this
    const { horizon, columns } = this.layout
    const scaled = list.map((series) => this.#scale(series, series.length))
    const sums = () => new ErrorSums(quantiles)
    const [model, naive, seasonal] = [sums(), sums(), sums()]
    const byColumn = new Map(columns.values.map((name) => [name, sums()]))
    const below = quantiles.map(() => 0)
    const scales = new Map<string, number>()
    let count = 0
    for (let start = 0; start < origins.length; start += chunk) {
      const part = origins.slice(start, start + chunk)
      const numbers = await this.#forecast(scaled, part)
      for (const [i, { series, at }] of part.entries()) {
        for (const [v, column] of columns.values.entries()) {
          const values = list[series].values[column]
          const key = JSON.stringify([series, column])
          if (!scales.has(key)) scales.set(key, seasonalError(values, season, at))
          for (let h = 0; h < horizon; h++) {
            const truth = values[at + h]
            const from = this.#at(i, h, v)
            const own = numbers.subarray(from, from + Math.max(1, quantiles.length))
            model.add(key, truth, own[this.#point], own)
            byColumn.get(column)!.add(key, truth, own[this.#point], own)
            naive.add(key, truth, values[at - 1])
            if (season > 1) seasonal.add(key, truth, seasonalNaive(values, season, at, h))
            quantiles.forEach((_, q) => {
              if (truth <= own[q]) below[q]++
            })
            count++
          }
        }
      }
    }
    const of = (errors: ErrorSums) => errors.scores(scales)
    const all = {
      model: of(model),
      naive: of(naive),
      seasonalNaive: season > 1 ? of(seasonal) : null,
    }
    return {
      origins: origins.length,
      horizon,
      season,
      ...all,
      best: bestOf(all),
      coverage: Object.fromEntries(quantiles.map((name, q) => [String(name), below[q] / count])),
      columns:
        byColumn.size > 1
          ? Object.fromEntries([...byColumn].map(([name, errors]) => [name, of(errors)]))
          : {},
    }
  }

  /** Writes a `.refrain` file. */
  async save(path: string, options: FileOptions = {}): Promise<void> {
    await this.model.save(path, options)
  }

  /** The step of the series; null for series without times. */
  get step(): Pick<TimeAxis, 'step' | 'unit'> | null {
    return this.#parts.step
  }

  /** Index of the point forecast among the numbers of a step. */
  get #point(): number {
    return Math.max(0, this.quantiles.indexOf(0.5))
  }

  /** Where the numbers of origin i, step h and column v begin. */
  #at(i: number, h: number, v: number): number {
    const { horizon, columns } = this.layout
    return ((i * horizon + h) * columns.values.length + v) * Math.max(1, this.quantiles.length)
  }

  /** Fails unless a series is one for this forecaster; returns its name for further errors. */
  #check(where: string, series: Series): string {
    const name = `${where}: series '${series.id}'`
    const { layout } = this
    const { step } = this.#parts
    checkColumns(name, layout, series)
    if (this.#parts.scaling === 'log') {
      for (const column of layout.columns.values) checkLog(name, series.values[column])
    }
    if (step && series.axis) {
      const [wanted, given] = [describeStep(step), describeStep(series.axis)]
      const close = step.unit === 'numbers' && series.axis.unit === 'numbers'
      if (wanted !== given && !close) {
        throw new RefrainError(
          'BAD_DATA',
          `${name}: expected steps of ${wanted}, as in training, got ${given}`,
        )
      }
    }
    if (series.length >= layout.window) return name
    throw new RefrainError(
      'BAD_DATA',
      `${name}: it has ${series.length} values, and the window is ${layout.window}`,
      'Give more of its past',
    )
  }

  /** A series to be continued, scaled; fails unless what is known in advance goes on to the horizon. */
  #withFuture(verb: string, series: Series): ScaledSeries {
    const where = this.#check(verb, series)
    const { horizon, columns } = this.layout
    const named = columns.known
    const ahead = named.length > 0 ? series.known[named[0]].length - series.length : horizon
    if (ahead < horizon) {
      throw new RefrainError(
        'BAD_DATA',
        `${where}: ${show([...named])} are known for ${ahead} steps after the last value, but the ` +
          `horizon is ${horizon}`,
        'Add rows with them and without values',
      )
    }
    return this.#scale(series, series.length + horizon)
  }

  #scale(series: Series, rows: number): ScaledSeries {
    const { scales, scaling, covariates } = this.#parts
    const own =
      scales.get(series.id) ??
      this.layout.columns.values.map((name) => fitScale(scaling, series.values[name]))
    return scaleSeries(this.layout, series, own, covariates, rows)
  }

  /** Forecasts in the units of the values: [N, H, V, quantiles or 1], quantiles ascending. */
  async #forecast(series: readonly ScaledSeries[], origins: readonly Origin[]) {
    const { layout, quantiles } = this
    const { x, levels } = cut(layout, series, origins)
    const data = await (await this.model.predict(x.length > 1 ? x : x[0])).data()
    const width = layout.columns.values.length
    const outputs = Math.max(1, quantiles.length)
    const numbers = new Float64Array(data.length)
    const perOrigin = layout.horizon * width * outputs
    for (let k = 0; k < numbers.length; k++) {
      const i = Math.floor(k / perOrigin)
      const v = Math.floor(k / outputs) % width
      const h = Math.floor(k / outputs / width) % layout.horizon
      const level = levels[i * width + v]
      const scale = series[origins[i].series].scales[v]
      numbers[k] = unscaleValue(scale, data[k] * level.factor + shiftAt(level, h))
    }
    // Each quantile is learned by itself, and now and then two cross.
    if (outputs > 1) {
      for (let k = 0; k < numbers.length; k += outputs) numbers.subarray(k, k + outputs).sort()
    }
    return numbers
  }
}

function bestOf(all: Pick<Backtest, 'model' | 'naive' | 'seasonalNaive'>): Backtest['best'] {
  const score = (name: Backtest['best']) => {
    const own = all[name]
    return own ? (Number.isFinite(own.mase) ? own.mase : own.mae) : Infinity
  }
  const names = ['model', 'naive', 'seasonalNaive'] as const
  return names.reduce((best, name) => (score(name) < score(best) ? name : best))
}

/** A sentence on who forecasts best; if it is not the model, it says so. */
export function verdict({ model, naive, seasonalNaive, best, season }: Backtest): string {
  const relative = Number.isFinite(model.mase)
  const what = relative ? 'MASE' : 'mean absolute error'
  const of = (scores: Scores) =>
    String(Number((relative ? scores.mase : scores.mae).toPrecision(3)))
  const repeated = `repeating the last ${season} steps`
  const others = [
    `repeating the last value has ${of(naive)}`,
    ...(seasonalNaive ? [`${repeated} ${of(seasonalNaive)}`] : []),
  ].join(', ')
  if (best === 'model') return `The model's ${what} is ${of(model)}; ${others}.`
  const winner = best === 'naive' ? 'Repeating the last value' : `R${repeated.slice(1)}`
  const score = of(best === 'naive' ? naive : seasonalNaive!)
  return `${winner} forecasts better than the model: its ${what} is ${score}, the model's ${of(model)}.`
}
