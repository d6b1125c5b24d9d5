/**
 * Forecasts of series: a window of past values → LSTM → the values of a horizon.
 * `train` makes a `Forecaster`, which knows its scales and columns and is one `.refrain` file.
 */
import { checkSeries, type Series, type SeriesInput } from '../../data/series.ts'
import { describeStep, type TimeAxis } from '../../data/time.ts'
import { RefrainError, show } from '../../errors.ts'
import { type LoadedFile, loadFile } from '../../model/load.ts'
import { Random } from '../../tensor/random.ts'
import { earlyStopping } from '../../train/callbacks.ts'
import { quantile } from '../../train/loss-functions.ts'
import { adam } from '../../train/optimizers.ts'
import { reduceLrOnPlateau } from '../../train/rate-callbacks.ts'
import { checkInteger, checkNumber, suggest } from '../../util/check.ts'
import { encodersOfTask, type RunOptions, settingsOf } from '../training.ts'
import { cyclesOf } from './calendar.ts'
import { encode, partsFrom } from './encoders.ts'
import { Forecaster } from './forecaster.ts'
import { buildNetwork } from './network.ts'
import {
  checkLog,
  fitScale,
  type Normalization,
  normalizations,
  type Scale,
  type Scaling,
  scalings,
} from './scale.ts'
import { detectSeason } from './season.ts'
import {
  checkColumns,
  cut,
  type Layout,
  type Origin,
  originsOf,
  scaleSeries,
  targetsOf,
} from './windows.ts'

export type { Series, SeriesColumns, SeriesInput } from '../../data/series.ts'
export type { Cycle } from './calendar.ts'
export type { ForecastExplanation } from './explain.ts'
export * from './forecaster.ts'
export type { Normalization, Scale, Scaling } from './scale.ts'
export type { Scores } from './scores.ts'
export { autocorrelation, detectSeason } from './season.ts'
export type { Layout, Origin } from './windows.ts'

/** Losses of point forecasts. */
export const losses = ['meanSquaredError', 'meanAbsoluteError', 'huber'] as const
const networks = ['direct', 'decoder'] as const

/** Options of `forecast.train`; the defaults suit a few hundred values as well as 100,000. */
export interface ForecastOptions extends RunOptions {
  /** Steps to forecast. Default: one season, if that is at most a tenth of the shortest series; else 1. */
  horizon?: number | null
  /**
   * Steps that a forecast is made from. Default: twice the horizon or, if it is at most 200, the
   * season, whichever is longer; at least 8 and at most a third of the shortest training part.
   */
  window?: number | null
  /**
   * Steps after which the series repeat themselves, 1 if they do not: what seasonal-naive repeats,
   * and the unit of MASE. Default: detected by autocorrelation in the training part.
   */
  season?: number | null
  /** 'direct': all steps at once from the last state; 'decoder': a second LSTM walks through them. Default 'direct'. */
  network?: 'direct' | 'decoder'
  /** Quantiles to forecast, between 0 and 1, such as [0.1, 0.5, 0.9]; 0.5, the forecast itself, is added. Default: none. */
  quantiles?: readonly number[]
  /** Of each series, by its training part: 'standard' (mean 0, deviation 1), 'minMax' (0 to 1), 'log' (the standard one of the logarithm) or 'none'. Default 'standard'. */
  scale?: Scaling
  /**
   * What is taken from each window and given back to its forecast: 'last' its last value, 'season' its
   * last season, step by step, 'mean' its mean, 'standard' mean and deviation, or 'none'. Default 'last'.
   */
  normalize?: Normalization
  /** Read the time of the day, week and year, where times are dates and two whole cycles are there to learn from. Default true. */
  calendar?: boolean
  /** Add a linear map from the window to the forecast. Default true. */
  linear?: boolean
  /** Of point forecasts; with quantiles it is their pinball loss. Default 'meanSquaredError'. */
  loss?: 'meanSquaredError' | 'meanAbsoluteError' | 'huber'
  /**
   * How much more those of several series count whose scale is wider: from 0 (default), where all count the
   * same, as they do for MASE, to 1, where errors count as if there were one scale for all: with the scale
   * 'log' by their share of the value, as they do for sMAPE.
   */
  spreadWeight?: number
  /** Most windows that are trained on; of more, so many are drawn at random. Default 20,000. */
  windows?: number
  /** Most epochs; training stops earlier when validation no longer improves. Default 100. */
  epochs?: number
  /** Epochs without a better validation loss before training stops. Default 8. */
  patience?: number
  /** Share of each series kept for validation, its last part, at least one horizon. Default 0.2; 0: none, and all epochs run. */
  validation?: number
  /** Default 32. */
  batchSize?: number
  /**
   * Adam's, to begin with: it falls to three tenths after a third of `patience` without a better
   * validation loss. Default 0.003.
   */
  learningRate?: number
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Units of each LSTM. Default 64. */
  units?: number
  /** LSTMs that read the window, one after the other. Default 1. */
  layers?: number
  /** Dropout behind each LSTM. Default 0. */
  dropout?: number
  /** Of the weights, dropout, shuffling and the windows drawn. Default 0. */
  seed?: number
}

/** The options' defaults; null: by the data. */
export const defaults = {
  horizon: null as number | null,
  window: null as number | null,
  season: null as number | null,
  network: 'direct' as 'direct' | 'decoder',
  quantiles: [] as readonly number[],
  scale: 'standard' as Scaling,
  normalize: 'last' as Normalization,
  calendar: true,
  linear: true,
  loss: 'meanSquaredError' as (typeof losses)[number],
  spreadWeight: 0,
  windows: 20_000,
  epochs: 100,
  patience: 8,
  validation: 0.2,
  batchSize: 32,
  learningRate: 3e-3,
  clipNorm: 1,
  units: 64,
  layers: 1,
  dropout: 0,
  seed: 0,
}

type Settings = typeof defaults

const task = 'forecast'
const where = 'forecast.train'

/** A season longer than this does not make the window longer: LSTMs forget, and training takes long. */
const longSeason = 200
const shortestWindow = 8

/**
 * Trains a forecaster on one series or several of the same columns. Scales and weights come from the
 * training part alone; the validation part, the last of each series, decides when to stop, and the
 * best epoch's weights stay.
 *
 * Throws `BAD_DATA` if a series is shorter than window, horizon and validation need.
 */
export async function train(
  input: SeriesInput | readonly SeriesInput[],
  options: ForecastOptions = {},
): Promise<Forecaster> {
  const given = settingsOf(where, defaults, options)
  const settings = checkSettings(given)
  const series = checkSeries(where, input)
  const step = commonStep(series)
  const { layout, ends } = plan(series, settings)
  const { values, past, known } = layout.columns
  const { scale: scaling, seed } = settings
  const scales = series.map((one, s) =>
    values.map((name) => fitScale(scaling, one.values[name].subarray(0, ends[s]))),
  )
  const covariates = [
    ...past.map((name) =>
      fitScale(
        'standard',
        joined(series, ends, (one) => one.past[name]),
      ),
    ),
    ...known.map((name) =>
      fitScale(
        'standard',
        joined(series, ends, (one) => one.known[name]),
      ),
    ),
  ]
  const scaled = series.map((one, s) => scaleSeries(layout, one, scales[s], covariates))
  const { window, horizon, season } = layout
  const random = new Random(seed, 'windows')
  const training = draw(
    series.flatMap((_, s) => originsOf(s, window, ends[s] - horizon)),
    settings.windows,
    random,
  )
  const validated = draw(
    settings.validation === 0
      ? []
      : series.flatMap(({ length }, s) => originsOf(s, ends[s], length - horizon)),
    Math.ceil(settings.windows / 5),
    random,
  )
  const quantiles = [...settings.quantiles]
  const model = buildNetwork(layout, { ...settings, outputs: Math.max(1, quantiles.length) })
  model.compile({
    optimizer: adam({ learningRate: settings.learningRate, globalClipNorm: settings.clipNorm }),
    loss: quantiles.length > 0 ? quantile({ quantiles }) : settings.loss,
  })
  const parts = {
    model,
    layout,
    quantiles,
    scaling,
    scales: new Map(series.map(({ id }, s) => [id, scales[s]])),
    covariates,
    step,
  }
  // Before training, so that a checkpoint can predict, too; the settings, to resume with the same.
  model.encoders = { task, ...encode(parts), settings: given }
  const weights = settings.spreadWeight > 0 ? weightsOf(scales, settings, training) : null
  const dataOf = (origins: readonly Origin[]) => {
    const { x, levels } = cut(layout, scaled, origins)
    const sampleWeight = weights ? origins.map(({ series }) => weights[series]) : undefined
    const y = targetsOf(layout, scaled, origins, levels)
    return { x: x.length > 1 ? x : x[0], y, sampleWeight }
  }
  const { patience } = settings
  const watching = [
    earlyStopping({ monitor: 'valLoss', patience, restoreBestWeights: true }),
    reduceLrOnPlateau({ factor: 0.3, patience: Math.ceil(patience / 3), minDelta: 0 }),
  ]
  const { x, y, sampleWeight } = dataOf(training)
  const history = await model.fit(x, y, {
    sampleWeight,
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed,
    validationData: validated.length > 0 ? dataOf(validated) : undefined,
    callbacks: [...(validated.length > 0 ? watching : []), ...(options.callbacks ?? [])],
    resume: options.resume,
  })
  const forecaster = new Forecaster({ ...parts, history })
  const measured = validated.filter(({ at }) => at >= season)
  if (measured.length > 0) forecaster.validation = await forecaster.backtest(series, measured)
  return forecaster
}

/** What each series counts, by its scale, of several columns the geometric mean; 1 in the mean of windows. */
function weightsOf(
  scales: readonly (readonly Scale[])[],
  settings: Settings,
  training: readonly Origin[],
): number[] {
  const { spreadWeight, quantiles, loss } = settings
  const squared = quantiles.length === 0 && loss === 'meanSquaredError'
  const power = squared ? 2 * spreadWeight : spreadWeight
  const weights = scales.map((own) =>
    own.reduce((product, { factor }) => product * factor ** (power / own.length), 1),
  )
  const mean = training.reduce((sum, { series }) => sum + weights[series], 0) / training.length
  return weights.map((weight) => weight / mean)
}

function checkSettings(settings: Settings): Settings {
  const whole = (name: keyof Settings, least = 1) => {
    if (settings[name] !== null) checkInteger(`${where} '${name}'`, settings[name], least)
  }
  for (const name of ['horizon', 'window', 'season', 'windows', 'units', 'layers'] as const) {
    whole(name)
  }
  checkNumber(`${where} 'validation'`, settings.validation, 0, 0.9)
  checkNumber(`${where} 'spreadWeight'`, settings.spreadWeight, 0, 1)
  const choices = {
    network: networks,
    scale: scalings,
    normalize: normalizations,
    loss: losses,
  } as const
  for (const [name, known] of Object.entries(choices)) {
    const value = settings[name as keyof typeof choices]
    if ((known as readonly string[]).includes(value)) continue
    const hint = typeof value === 'string' ? suggest(value, known) : `known: ${known.join(', ')}`
    throw new RefrainError('BAD_ARGUMENT', `${where} '${name}': got ${show(value)}`, hint)
  }
  const { quantiles } = settings
  const fits = (value: unknown) => typeof value === 'number' && value > 0 && value < 1
  if (!Array.isArray(quantiles) || !quantiles.every(fits)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where} 'quantiles': expected numbers between 0 and 1, got ${show(quantiles)}`,
      'such as [0.1, 0.5, 0.9]',
    )
  }
  const all = quantiles.length > 0 ? [...new Set([...quantiles, 0.5])].sort((a, b) => a - b) : []
  return { ...settings, quantiles: all }
}

/** The step of the series' times; null if they have none. Fails where they differ. */
function commonStep(series: readonly Series[]): Pick<TimeAxis, 'step' | 'unit'> | null {
  const words = series.map(({ axis }) => (axis ? describeStep(axis) : 'rows without times'))
  const other = words.findIndex((one) => one !== words[0])
  if (other > 0 && series[other].axis?.unit !== 'numbers') {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: series '${series[0].id}' has steps of ${words[0]}, series '${series[other].id}' of ` +
        `${words[other]}`,
      'Train a model for each, or resample them',
    )
  }
  const [{ axis }] = series
  return axis && { step: axis.step, unit: axis.unit }
}

/** Where training ends in each series, and what the data decide that the settings leave open. */
function plan(series: readonly Series[], settings: Settings) {
  const columns = {
    values: Object.keys(series[0].values),
    past: Object.keys(series[0].past),
    known: Object.keys(series[0].known),
  }
  const { validation, network, normalize } = settings
  const shortest = series.reduce((least, { length }) => Math.min(least, length), Infinity)
  const cutAt = (length: number) => Math.floor(length * (1 - validation))
  const season =
    settings.season ??
    detectSeason(
      series.flatMap(({ values, length }) =>
        columns.values.map((name) => values[name]?.subarray(0, cutAt(length)) ?? []),
      ),
    )
  const horizon = settings.horizon ?? (season * 10 <= shortest ? season : 1)
  const ends = series.map(({ length }) =>
    validation === 0 ? length : Math.min(cutAt(length), length - horizon),
  )
  const wanted = 2 * Math.max(horizon, season > longSeason ? 1 : season)
  const room = Math.floor(Math.min(...ends) / 3)
  const window = settings.window ?? Math.max(1, Math.min(Math.max(wanted, shortestWindow), room))
  if (normalize === 'season' && season > window) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where} 'normalize': a window of ${window} does not hold a season of ${season}`,
      'Choose a longer window, or another normalization',
    )
  }
  const short = series.findIndex((_, s) => ends[s] < window + horizon)
  if (short >= 0) {
    const { id, length } = series[short]
    const more = ends.filter((end) => end < window + horizon).length
    throw new RefrainError(
      'BAD_DATA',
      `${where}: series '${id}' has ${length} values, of which ${ends[short]} are to train on, but a ` +
        `window of ${window} and a horizon of ${horizon} need ${window + horizon}` +
        (more > 1 ? `; so it is with ${more} of ${series.length} series` : ''),
      'Choose a smaller window, horizon or validation, or leave short series out',
    )
  }
  const longest = ends.reduce((most, end) => Math.max(most, end), 0)
  const calendar = settings.calendar
    ? cyclesOf(series[0].axis, longest).filter(() => series.every(({ axis }) => axis !== null))
    : []
  const layout: Layout = {
    window,
    horizon,
    columns,
    calendar,
    season,
    normalize,
    calendarAhead: network === 'decoder',
  }
  for (const one of series) {
    const name = `${where}: series '${one.id}'`
    checkColumns(name, layout, one)
    if (settings.scale !== 'log') continue
    for (const column of columns.values) checkLog(name, one.values[column])
  }
  return { layout, ends }
}

/** The training parts of one column, end to end. */
function joined(
  series: readonly Series[],
  ends: readonly number[],
  columnOf: (one: Series) => Float64Array,
): Float64Array {
  const all = new Float64Array(ends.reduce((sum, end) => sum + end, 0))
  let at = 0
  series.forEach((one, s) => {
    all.set(columnOf(one).subarray(0, ends[s]), at)
    at += ends[s]
  })
  return all
}

/** At most `most` of them, in their order. */
function draw(origins: Origin[], most: number, random: Random): Origin[] {
  if (origins.length <= most) return origins
  const order = origins.map((_, i) => i)
  random.shuffle(order)
  return order
    .slice(0, most)
    .sort((a, b) => a - b)
    .map((i) => origins[i])
}

/** Reads a forecaster that `save` wrote. Throws `BAD_FILE` if the file holds another kind of model. */
export async function load(path: string): Promise<Forecaster> {
  return fromFile(await loadFile(path), path)
}

/** The forecaster in a file that is already read; `path` is for error messages. */
export function fromFile(file: LoadedFile, path: string): Forecaster {
  const json = encodersOfTask(file, path, task, 'a forecaster')
  try {
    return new Forecaster(partsFrom(json, file.model))
  } catch (cause) {
    throw new RefrainError('BAD_FILE', `${path}: ${(cause as Error).message}`, '', { cause })
  }
}
