/** The time of the day, of the week and of the year, as numbers that a network reads. */
import { type TimeAxis, timeAt } from '../../data/time.ts'

/** Cycles of the calendar. */
export const cycles = ['day', 'week', 'year'] as const

/** A cycle of the calendar. */
export type Cycle = (typeof cycles)[number]

const dayMs = 86_400_000
/** Milliseconds; a year's is the mean. */
const lengths: Record<Cycle, number> = { day: dayMs, week: 7 * dayMs, year: 365.2425 * dayMs }
/** A Monday, 00:00. */
const monday = Date.UTC(1970, 0, 5)

/** The cycles that have at least two steps and that `rows` rows see at least twice. */
export function cyclesOf(axis: TimeAxis | null, rows: number): Cycle[] {
  if (!axis || axis.unit === 'numbers') return []
  const step = axis.unit === 'months' ? (axis.step * lengths.year) / 12 : axis.step
  return cycles.filter((name) => lengths[name] >= 2 * step && rows * step >= 2 * lengths[name])
}

/** How far the cycle has gone at a time, from 0 to 1. */
function phase(name: Cycle, time: number): number {
  if (name !== 'year') {
    const turns = (time - (name === 'week' ? monday : 0)) / lengths[name]
    return turns - Math.floor(turns)
  }
  const year = new Date(time).getUTCFullYear()
  const start = new Date(0).setUTCFullYear(year, 0, 1)
  return (time - start) / (new Date(0).setUTCFullYear(year + 1, 0, 1) - start)
}

/** Writes sine and cosine of each cycle at step i of an axis to `out` from `at` on. */
export function writeCalendar(
  names: readonly Cycle[],
  axis: TimeAxis,
  i: number,
  out: Float32Array,
  at: number,
): void {
  const time = timeAt(axis, i)
  names.forEach((name, k) => {
    const angle = 2 * Math.PI * phase(name, time)
    out[at + 2 * k] = Math.sin(angle)
    out[at + 2 * k + 1] = Math.cos(angle)
  })
}
