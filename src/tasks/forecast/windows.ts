/** Series cut into windows and what follows them, as arrays that a model takes. */
import type { Series } from '../../data/series.ts'
import { RefrainError, show } from '../../errors.ts'
import { type Cycle, writeCalendar } from './calendar.ts'
import {
  type Level,
  levelOf,
  type Normalization,
  type Scale,
  scaleValue,
  shiftAt,
} from './scale.ts'

/** What a window looks like: steps, columns by their part, and how it is normalised. */
export interface Layout {
  /** Steps that are read. */
  readonly window: number
  /** Steps that are forecast. */
  readonly horizon: number
  readonly columns: {
    readonly values: readonly string[]
    readonly past: readonly string[]
    readonly known: readonly string[]
  }
  readonly calendar: readonly Cycle[]
  /** Steps after which the series repeat themselves; 1: they do not. */
  readonly season: number
  readonly normalize: Normalization
  /** Whether the calendar of the steps to forecast is an input, too. */
  readonly calendarAhead: boolean
}

/** Numbers of each kind that a step has: values, other features, and what is known ahead. */
export function widths({ columns, calendar, calendarAhead }: Layout) {
  const cycles = 2 * calendar.length
  return {
    values: columns.values.length,
    features: columns.past.length + columns.known.length + cycles,
    ahead: columns.known.length + (calendarAhead ? cycles : 0),
  }
}

/** A series in the units of its scale. */
export interface ScaledSeries {
  readonly length: number
  /** [T,V] */
  readonly values: Float32Array
  /** [T,F] */
  readonly features: Float32Array
  /** [T or more, A] */
  readonly ahead: Float32Array
  /** Of each column to forecast. */
  readonly scales: readonly Scale[]
}

/** A window: its series, and the first step that it forecasts. */
export interface Origin {
  readonly series: number
  readonly at: number
}

/**
 * A series as windows read it.
 *
 * @param rows of `ahead`: at least the series' own
 */
export function scaleSeries(
  layout: Layout,
  series: Series,
  scales: readonly Scale[],
  covariates: readonly Scale[],
  rows = series.length,
): ScaledSeries {
  const { columns, calendar, calendarAhead } = layout
  const width = widths(layout)
  const { length, axis } = series
  const put = (
    out: Float32Array,
    numbers: Float64Array,
    scale: Scale,
    at: number,
    step: number,
  ) => {
    const count = Math.min(numbers.length, out.length / step)
    for (let t = 0; t < count; t++) out[t * step + at] = scaleValue(scale, numbers[t])
  }
  const values = new Float32Array(length * width.values)
  columns.values.forEach((name, v) => {
    put(values, series.values[name], scales[v], v, width.values)
  })
  const features = new Float32Array(length * width.features)
  const ahead = new Float32Array(rows * width.ahead)
  const { past, known } = columns
  past.forEach((name, i) => {
    put(features, series.past[name], covariates[i], i, width.features)
  })
  known.forEach((name, i) => {
    const scale = covariates[past.length + i]
    put(features, series.known[name], scale, past.length + i, width.features)
    put(ahead, series.known[name], scale, i, width.ahead)
  })
  if (calendar.length > 0) {
    const at = past.length + known.length
    for (let t = 0; t < length; t++) {
      writeCalendar(calendar, axis!, t, features, t * width.features + at)
    }
    for (let t = 0; calendarAhead && t < rows; t++) {
      writeCalendar(calendar, axis!, t, ahead, t * width.ahead + known.length)
    }
  }
  return { length, values, features, ahead, scales }
}

/** Windows as a model takes them. */
export interface Windows {
  /** Inputs in the model's order: values [N,L,V], features [N,L,F], ahead [N,H,A]; empty ones left out. */
  readonly x: { shape: number[]; data: Float32Array }[]
  /** Levels of the windows, [N,V]. */
  readonly levels: Level[]
}

/** Cuts windows that end before each origin. */
export function cut(
  layout: Layout,
  series: readonly ScaledSeries[],
  origins: readonly Origin[],
): Windows {
  const { window, horizon, normalize, season } = layout
  const width = widths(layout)
  const n = origins.length
  const values = new Float32Array(n * window * width.values)
  const features = new Float32Array(n * window * width.features)
  const ahead = new Float32Array(n * horizon * width.ahead)
  const levels: Level[] = []
  origins.forEach(({ series: s, at }, i) => {
    const one = series[s]
    const from = at - window
    const out = values.subarray(i * window * width.values, (i + 1) * window * width.values)
    for (let column = 0; column < width.values; column++) {
      const place = { from, to: at, column, width: width.values, season }
      const level = levelOf(normalize, one.values, place)
      levels.push(level)
      for (let t = 0; t < window; t++) {
        const at = t * width.values + column
        const value = one.values[from * width.values + at]
        out[at] = (value - shiftAt(level, t - window)) / level.factor
      }
    }
    features.set(
      one.features.subarray(from * width.features, at * width.features),
      i * window * width.features,
    )
    ahead.set(
      one.ahead.subarray(at * width.ahead, (at + horizon) * width.ahead),
      i * horizon * width.ahead,
    )
  })
  const x = [
    { shape: [n, window, width.values], data: values },
    { shape: [n, window, width.features], data: features },
    { shape: [n, horizon, width.ahead], data: ahead },
  ]
  return { x: x.filter(({ shape }) => shape[2] > 0), levels }
}

/** What follows each window, normalised as the window is: [N, H·V, 1], by step, then by column. */
export function targetsOf(
  { horizon, columns }: Layout,
  series: readonly ScaledSeries[],
  origins: readonly Origin[],
  levels: readonly Level[],
): { shape: number[]; data: Float32Array } {
  const width = columns.values.length
  const data = new Float32Array(origins.length * horizon * width)
  origins.forEach(({ series: s, at }, i) => {
    const { values } = series[s]
    for (let k = 0; k < horizon * width; k++) {
      const level = levels[i * width + (k % width)]
      const shift = shiftAt(level, Math.floor(k / width))
      data[i * horizon * width + k] = (values[at * width + k] - shift) / level.factor
    }
  })
  return { shape: [origins.length, horizon * width, 1], data }
}

/** Every origin from `from` to `to`, both included, in steps of `stride`. */
export function originsOf(series: number, from: number, to: number, stride = 1): Origin[] {
  const origins: Origin[] = []
  for (let at = from; at <= to; at += stride) origins.push({ series, at })
  return origins
}

/** Fails unless a series has the columns that the layout names, and what it needs of a calendar. */
export function checkColumns(where: string, layout: Layout, series: Series): void {
  for (const part of ['values', 'past', 'known'] as const) {
    const wanted = layout.columns[part]
    const given = Object.keys(series[part])
    const lost = wanted.find((name) => !Object.hasOwn(series[part], name))
    if (lost === undefined && given.length === wanted.length) continue
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected the columns ${show([...wanted])} in '${part}', got ${show(given)}`,
    )
  }
  if (layout.calendar.length > 0 && (!series.axis || series.axis.unit === 'numbers')) {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected dates, since the model reads the time of the ${layout.calendar.join(', ')}`,
      'Give times with the values',
    )
  }
}
