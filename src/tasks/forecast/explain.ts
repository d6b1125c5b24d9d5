/** What of the past, and of what is known in advance, a forecast comes from. */
import type { Model } from '../../model/model.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { attribute } from '../attributions.ts'
import { shiftAt, unscaleValue } from './scale.ts'
import { cut, type Layout, type Origin, type ScaledSeries } from './windows.ts'

/** What each number that the model reads adds to the forecast of one step of one column. */
export interface ForecastExplanation {
  readonly id: string
  readonly column: string
  /** The step of the forecast, from 1, and its time; null for a series without times. */
  readonly ahead: number
  readonly time: string | number | null
  /** With quantiles: what the median's output says. */
  readonly forecast: number
  /**
   * What the model forecasts from a window that stays at its level (`normalize`: its last value, its last
   * season, …), with every other column at its mean and no calendar.
   */
  readonly baseline: number
  /**
   * By column, a number for each step of the window, oldest first; the calendar's cycles are 'time of the
   * day' and so on. With those of `known` they add up to `forecast - baseline`.
   */
  readonly past: Readonly<Record<string, readonly number[]>>
  /** The same of what is known in advance, a number for each step of the horizon. */
  readonly known: Readonly<Record<string, readonly number[]>>
}

/** The contributions to output `quantile` of step `ahead` (from 1) of column `column` (a number). */
export async function explainForecast(
  model: Model,
  layout: Layout,
  series: ScaledSeries,
  at: number,
  of: { readonly column: number; readonly ahead: number; readonly quantile: number },
): Promise<Pick<ForecastExplanation, 'forecast' | 'baseline' | 'past' | 'known'>> {
  const origin: Origin = { series: 0, at }
  const { x, levels } = cut(layout, [series], [origin])
  const { inputs, outputs } = model.graph!
  const [output] = outputs
  const level = levels[of.column]
  const scale = series.scales[of.column]
  const shift = shiftAt(level, of.ahead - 1)
  const place = (of.ahead - 1) * layout.columns.values.length + of.column
  const scoreOf = (tensor: Tensor) => {
    const [count, ...own] = tensor.shape
    const size = own.reduce((a, b) => a * b)
    const k = place * own[own.length - 1] + of.quantile
    const rows = Array.from({ length: count }, (_, row) => {
      const value = unscaleValue(scale, tensor.values[row * size + k] * level.factor + shift)
      const slopes = new Float64Array(size)
      slopes[k] = level.factor * scale.factor * (scale.log ? value : 1)
      return { value, slopes }
    })
    return { tensor, rows }
  }
  const paths = x.map(({ shape: [, ...shape], data: to }, i) => {
    return { at: inputs[i], shape, to, from: new Float32Array(to.length), together: 1 }
  })
  const { score, baseline, contributions } = await attribute(model, output, () => paths, scoreOf)
  const { values, past, known } = layout.columns
  const cycles = layout.calendar.flatMap((name) => [`time of the ${name}`, `time of the ${name}`])
  const features = [...past, ...known, ...cycles]
  const ahead = [...known, ...(layout.calendarAhead ? cycles : [])]
  const names = [values, features, ahead].filter((list) => list.length > 0)
  const read = names.map((list, i) => byColumn(list, contributions[i]))
  return {
    forecast: score,
    baseline,
    past: features.length > 0 ? { ...read[0], ...read[1] } : read[0],
    known: ahead.length > 0 ? read[read.length - 1] : {},
  }
}

/** Numbers [steps, columns] by the columns' names; those of one name are added up. */
function byColumn(names: readonly string[], numbers: Float64Array): Record<string, number[]> {
  const found: Record<string, number[]> = {}
  const steps = numbers.length / names.length
  names.forEach((name, c) => {
    found[name] ??= new Array<number>(steps).fill(0)
    for (let t = 0; t < steps; t++) found[name][t] += numbers[t * names.length + c]
  })
  return found
}
