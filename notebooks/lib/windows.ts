/** Series of numbers for the forecasting notebooks: read, scaled, cut into windows, and scored. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Numbers at equally spaced times. */
export interface Series {
  readonly name: string
  readonly unit: string
  /** Of each number, for the axis of a chart: years, or seconds. */
  readonly times: readonly number[]
  readonly values: readonly number[]
}

/** Windows x [N,T,1] and for each the number after it, y [N]. */
export interface Windows {
  readonly x: number[][][]
  readonly y: number[]
}

/** Carbon dioxide in the air on Mauna Loa, monthly from 1958; of vega-datasets. */
export function readCo2(): Series {
  const rows = readVega('co2-concentration.csv')
  return {
    name: 'carbon dioxide',
    unit: 'ppm',
    times: rows.map(([date]) => yearOf(date)),
    values: rows.map(([, value]) => Number(value)),
  }
}

/** The highest temperature of each day in Seattle, 2012 to 2015; of vega-datasets. */
export function readSeattle(): Series {
  const rows = readVega('seattle-weather.csv')
  return {
    name: 'highest temperature',
    unit: '°C',
    times: rows.map(([date]) => yearOf(date)),
    values: rows.map(([, , highest]) => Number(highest)),
  }
}

/** A file without a header, of rows time, angle [rad], as the lecture's ankleAngles.csv; in degrees. */
export function readAnkle(path: string): Series {
  const rows = readRows(path)
  return {
    name: 'ankle angle',
    unit: '°',
    times: rows.map(([time]) => Number(time)),
    values: rows.map(([, angle]) => (Number(angle) * 180) / Math.PI),
  }
}

/** Maps numbers such that the least of `known` becomes 0 and the largest 1, and back. */
export function minMax(known: readonly number[]): {
  scale(values: readonly number[]): number[]
  unscale(values: readonly number[]): number[]
} {
  const least = Math.min(...known)
  const range = Math.max(...known) - least
  return {
    scale: (values) => values.map((value) => (value - least) / range),
    unscale: (values) => values.map((value) => value * range + least),
  }
}

/** All windows of `length` numbers [N,length,1], each with the number that follows it [N]. */
export function windowsOf(values: readonly number[], length: number): Windows {
  const starts = Array.from({ length: values.length - length }, (_, start) => start)
  return {
    x: starts.map((start) => values.slice(start, start + length).map((value) => [value])),
    y: starts.map((start) => values[start + length]),
  }
}

/** Each number less the one before it: one number fewer. */
export const differences = (values: readonly number[]): number[] =>
  values.slice(1).map((value, i) => value - values[i])

/** The root of the mean squared difference. */
export function rmse(said: readonly number[], wanted: readonly number[]): number {
  const squares = said.map((value, i) => (value - wanted[i]) ** 2)
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length)
}

const readVega = (file: string): string[][] => {
  const root = dirname(createRequire(import.meta.url).resolve('vega-datasets'))
  return readRows(join(root, '../data', file)).slice(1)
}

const readRows = (path: string): string[][] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','))

/** '1958-03-01' as 1958.16…: years and their parts. */
function yearOf(date: string): number {
  const [year] = date.split('-').map(Number)
  const [start, end] = [Date.UTC(year), Date.UTC(year + 1)]
  return year + (Date.parse(date) - start) / (end - start)
}
