/** What brings numbers to the size that a network likes, and back. */
import { RefrainError } from '../../errors.ts'

/** Ways to scale a series. */
export const scalings = ['standard', 'minMax', 'log', 'none'] as const

/**
 * 'standard': mean 0 and standard deviation 1; 'minMax': from 0 to 1; 'log': the same of the
 * logarithm, so that errors count by their share of the value.
 */
export type Scaling = (typeof scalings)[number]

/** x becomes (x - shift) / factor. */
export interface Scale {
  readonly shift: number
  readonly factor: number
  /** log x stands for x. */
  readonly log?: boolean
}

/** A number in the units of the scale. */
export const scaleValue = ({ shift, factor, log }: Scale, value: number) =>
  ((log ? Math.log(value) : value) - shift) / factor

/** A number of the scale in its own units. */
export function unscaleValue({ shift, factor, log }: Scale, value: number): number {
  const own = value * factor + shift
  return log ? Math.exp(own) : own
}

/** The scale of numbers; a constant series becomes 0. */
export function fitScale(kind: Scaling, values: ArrayLike<number>): Scale {
  if (kind === 'none' || values.length === 0) return { shift: 0, factor: 1 }
  if (kind === 'log') {
    return { ...fitScale('standard', Array.from(values, Math.log)), log: true }
  }
  let [low, high, mean] = [Infinity, -Infinity, 0]
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i])
    high = Math.max(high, values[i])
    mean += values[i] / values.length
  }
  if (!(high > low)) return { shift: low, factor: 1 }
  if (kind === 'minMax') return { shift: low, factor: high - low }
  let variance = 0
  for (let i = 0; i < values.length; i++) variance += (values[i] - mean) ** 2 / values.length
  return { shift: mean, factor: Math.sqrt(variance) || 1 }
}

/** Fails on a column that has no logarithm; `where` names it. */
export function checkLog(where: string, values: ArrayLike<number>): void {
  const bad = Array.prototype.findIndex.call(values, (value) => !(value > 0))
  if (bad < 0) return
  throw new RefrainError(
    'BAD_DATA',
    `${where}: the scale 'log' needs numbers above 0, got ${values[bad]} at ${bad}`,
    "Choose the scale 'standard'",
  )
}

/** Ways to take each window's own level out of it. */
export const normalizations = ['none', 'last', 'season', 'mean', 'standard'] as const

/**
 * What is taken from each window, and given back to its forecast: nothing, its last value, its last
 * season (each step the value of that season at the same place), its mean, or mean and standard
 * deviation.
 */
export type Normalization = (typeof normalizations)[number]

/** A window whose standard deviation is smaller than this is divided by this; in units of the scale. */
const flat = 0.05

/** What is taken from a window: step h after its end loses shifts[h mod their number], over `factor`. */
export interface Level {
  readonly shifts: ArrayLike<number>
  readonly factor: number
}

/** What a window loses at step h after its end; steps of the window itself are negative. */
export const shiftAt = ({ shifts }: Level, h: number) => {
  const period = shifts.length
  return shifts[((h % period) + period) % period]
}

/** The level of a window: of column `column` of `width`, steps `from` to `to` - 1. */
export function levelOf(
  kind: Normalization,
  values: Float32Array,
  place: { from: number; to: number; column: number; width: number; season: number },
): Level {
  const { from, to, column, width } = place
  const at = (t: number) => values[t * width + column]
  if (kind === 'none') return { shifts: [0], factor: 1 }
  if (kind === 'last' || kind === 'season') {
    const period = kind === 'last' ? 1 : place.season
    return { shifts: Array.from({ length: period }, (_, h) => at(to - period + h)), factor: 1 }
  }
  let mean = 0
  for (let t = from; t < to; t++) mean += at(t) / (to - from)
  if (kind === 'mean') return { shifts: [mean], factor: 1 }
  let variance = 0
  for (let t = from; t < to; t++) variance += (at(t) - mean) ** 2 / (to - from)
  return { shifts: [mean], factor: Math.max(flat, Math.sqrt(variance)) }
}
