/** A series with what was forecast of it. */
import type { Chart } from './show.ts'
import { colors } from './show.ts'

/** A line of the chart: numbers at times. */
export interface Line {
  readonly times: readonly number[]
  readonly values: readonly number[]
}

/** What a chart of forecasts may be told. */
export interface ForecastChartOptions {
  /** Of the vertical axis. */
  readonly unit: string
  /** Of the horizontal axis; default 'year'. */
  readonly x?: string
  /** Where training ended, a dashed line. */
  readonly split?: number
  /** Only times from here on, and up to there. */
  readonly from?: number
  readonly until?: number
  readonly height?: number
}

/** Lines by name: the first is the series itself, grey and thick, over which the others are drawn. */
export function forecastLines(
  title: string,
  lines: Readonly<Record<string, Line>>,
  options: ForecastChartOptions,
): Chart {
  const { unit, x = 'year', split, height = 240 } = options
  const { from = -Infinity, until = Infinity } = options
  const names = Object.keys(lines)
  const range = ['#8c8c8c', ...colors].slice(0, names.length)
  const color = {
    field: 'of',
    type: 'nominal' as const,
    title: null,
    scale: { domain: names, range },
    legend: { orient: 'bottom' as const, labelLimit: 300 },
  }
  const axis = { format: x === 'year' ? 'd' : '~f', tickCount: 8 }
  const layerOf = (some: readonly string[], strokeWidth: number) => ({
    data: { values: some.flatMap((of) => points(of, lines[of], from, until)) },
    mark: { type: 'line' as const, strokeWidth },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative' as const,
        title: x,
        scale: { zero: false, nice: false },
        axis,
      },
      y: { field: 'y', type: 'quantitative' as const, title: unit, scale: { zero: false } },
      color,
    },
  })
  const rule = {
    data: { values: [{ x: split }] },
    mark: { type: 'rule' as const, strokeDash: [4, 4], color: '#808080' },
    encoding: { x: { field: 'x', type: 'quantitative' as const } },
  }
  const layer = [layerOf(names.slice(0, 1), 2.5), layerOf(names.slice(1), 1.4)]
  return { title, width: 480, height, layer: split === undefined ? layer : [...layer, rule] }
}

const most = 800

function points(of: string, { times, values }: Line, from: number, until: number) {
  const all = times
    .map((x, i) => ({ x, y: values[i], of }))
    .filter(({ x }) => x >= from && x <= until)
  const every = Math.ceil(all.length / most)
  return all
    .filter((_, i) => i % every === 0 || i === all.length - 1)
    .map(({ x, y }) => ({ x: Number(x.toFixed(4)), y: Number(y.toPrecision(5)), of }))
}
