/** Times of series: dates as they are written in files, equally spaced, and continued after the last. */
import { RefrainError } from '../errors.ts'

/**
 * Equally spaced times: time i is `start` + i · `step`. Plain JSON; the times of a series need no list.
 */
export interface TimeAxis {
  /** Of dates: milliseconds since 1970 in UTC. Of numbers: the first one. */
  readonly start: number
  /** More than 0: milliseconds, months or what the numbers count. */
  readonly step: number
  readonly unit: 'milliseconds' | 'months' | 'numbers'
  /** How dates are written, such as 'YYYY-MM-DD HH:mm'; empty for numbers. */
  readonly format: string
  /** Of months: the day of the month, 31 meaning its last. */
  readonly day?: number
}

/** A time as it stood in the data: a date in milliseconds with its format, or a number. */
export interface ParsedTime {
  readonly value: number
  readonly format: string
}

const pattern =
  /^(\d{4})([-/])(\d{1,2})(?:\2(\d{1,2})(?:([T ])(\d{1,2}):(\d{2})(?::(\d{2})(?:[.](\d{1,3})\d*)?)?)?)?(Z|[+-]\d{2}:?\d{2})?$/
const dayMs = 86_400_000

/**
 * A date such as '2016-07-01 13:00', '2016/07/01', '2016-07' or '2016-07-01T13:00:00Z', or a number;
 * undefined for anything else. Dates without a zone count as UTC, so that no hour is missing or twice.
 */
export function parseTime(value: unknown): ParsedTime | undefined {
  if (value instanceof Date) {
    const format = 'YYYY-MM-DDTHH:mm:ssZ'
    return Number.isFinite(value.getTime()) ? { value: value.getTime(), format } : undefined
  }
  if (typeof value === 'number') return Number.isFinite(value) ? { value, format: '' } : undefined
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  const found = pattern.exec(text)
  if (!found) {
    const number = text === '' ? Number.NaN : Number(text)
    return Number.isFinite(number) ? { value: number, format: '' } : undefined
  }
  const [, year, separator, month, day, between, hour, minute, second, thousandths, zone] = found
  const [y, m, d] = [Number(year), Number(month), Number(day ?? 1)]
  const [h, min, s] = [hour ?? 0, minute ?? 0, second ?? 0].map(Number)
  const ms = Number((thousandths ?? '').padEnd(3, '0'))
  const exists = m >= 1 && m <= 12 && d >= 1 && d <= daysOf(y, m - 1)
  if (!exists || h > 24 || min > 59 || s > 60) return undefined
  const format =
    `YYYY${separator}MM` +
    (day ? `${separator}DD` : '') +
    (between ? `${between}HH:mm${second ? ':ss' : ''}${thousandths ? '.SSS' : ''}` : '') +
    (zone ? 'Z' : '')
  return { value: utc(y, m - 1, d) + ((h * 60 + min) * 60 + s) * 1000 + ms - offset(zone), format }
}

/** Milliseconds of a zone such as 'Z' or '+05:30'. */
function offset(zone = 'Z'): number {
  if (zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}

/** `Date.UTC` without its special treatment of the years 0 to 99. */
function utc(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day)
}

const daysOf = (year: number, month: number) => new Date(utc(year, month + 1, 0)).getUTCDate()

/** Months since the year 0, the day of the month, and the time of the day. */
function monthOf(value: number) {
  const date = new Date(value)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  const day = date.getUTCDate()
  return {
    month: year * 12 + month,
    day,
    isLast: day === daysOf(year, month),
    time: value - Math.floor(value / dayMs) * dayMs,
  }
}

/** Time i of an axis, which may lie after the series: milliseconds since 1970, or a number. */
export function timeAt({ start, step, unit, day }: TimeAxis, i: number): number {
  if (unit !== 'months') return start + i * step
  const first = monthOf(start)
  const months = first.month + i * step
  const [year, month] = [Math.floor(months / 12), ((months % 12) + 12) % 12]
  return utc(year, month, Math.min(day ?? first.day, daysOf(year, month))) + first.time
}

/** Time i as the data write it. */
export function writeTime(axis: TimeAxis, i: number): string | number {
  const value = timeAt(axis, i)
  if (axis.unit === 'numbers') return Number(value.toPrecision(12))
  const date = new Date(value)
  const parts: Record<string, [number, number]> = {
    YYYY: [date.getUTCFullYear(), 4],
    MM: [date.getUTCMonth() + 1, 2],
    DD: [date.getUTCDate(), 2],
    HH: [date.getUTCHours(), 2],
    mm: [date.getUTCMinutes(), 2],
    ss: [date.getUTCSeconds(), 2],
    SSS: [date.getUTCMilliseconds(), 3],
  }
  return axis.format.replace(/YYYY|MM|DD|HH|mm|SSS|ss/g, (name) =>
    String(parts[name][0]).padStart(parts[name][1], '0'),
  )
}

/** "1 hour", "3 months", "0.5": a step in words. */
export function describeStep({ step, unit }: Pick<TimeAxis, 'step' | 'unit'>): string {
  if (unit === 'numbers') return String(Number(step.toPrecision(6)))
  const sizes: [string, number][] =
    unit === 'months'
      ? [
          ['year', 12],
          ['month', 1],
        ]
      : [
          ['week', 7 * dayMs],
          ['day', dayMs],
          ['hour', 3_600_000],
          ['minute', 60_000],
          ['second', 1000],
          ['millisecond', 1],
        ]
  const [name, size] = sizes.find(([, size]) => step % size === 0) ?? sizes.at(-1)!
  const count = step / size
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

/** Times on an axis: where each of them stands on it, ascending, the first at 0. */
export interface AxisOfTimes {
  readonly axis: TimeAxis
  readonly positions: readonly number[]
}

/**
 * The axis of times, whose step is the difference that occurs most often; of dates on one day of the
 * month, or on its last, it counts months. Positions that are left out are gaps.
 *
 * @param where names time i for errors: "co2.csv, row 3 (line 4)"
 *
 * Throws `BAD_DATA` for times that do not ascend or that fit no axis.
 */
export function axisOf(times: readonly ParsedTime[], where: (i: number) => string): AxisOfTimes {
  const bad = (i: number, what: string, hint: string) =>
    new RefrainError('BAD_DATA', `${where(i)}: ${what}`, hint)
  if (times.length < 2) {
    throw bad(0, 'expected at least two times, got one', 'The step between rows comes from them')
  }
  const [{ format }] = times
  const values = times.map(({ value }) => value)
  times.forEach((time, i) => {
    if ((time.format === '') !== (format === '')) {
      throw bad(i, 'dates and numbers are mixed in the time column', 'Write all in one way')
    }
    if (i === 0 || time.value > values[i - 1]) return
    throw time.value === values[i - 1]
      ? bad(
          i,
          `its time is that of ${where(i - 1)}`,
          'Remove one of them; of several series in one file, name the column that tells them ' +
            'apart with --id (id)',
        )
      : bad(i, `its time is before that of ${where(i - 1)}`, 'Sort the rows by time')
  })
  const steps = stepsOf(values, format)
  const step = mostFrequent(steps.differences)
  let position = 0
  const positions = [0]
  steps.differences.forEach((difference, i) => {
    const count = difference / step
    // Numbers are often rounded.
    const tolerance = format === '' ? 0.01 : 0
    if (Math.abs(count - Math.round(count)) > tolerance || Math.round(count) < 1) {
      const of = (step: number) => describeStep({ step, unit: steps.unit })
      throw bad(
        i + 1,
        `its time is ${of(difference)} after that of ${where(i)}, but most steps are ${of(step)}`,
        'Times must be equally spaced, as far as there are any: resample the series, or leave the ' +
          'time column out with --time none (time: null)',
      )
    }
    position += Math.round(count)
    positions.push(position)
  })
  // The whole span tells the step of rounded numbers best.
  const exact = format === '' ? (values[values.length - 1] - values[0]) / position : step
  return { axis: { start: values[0], step: exact, ...steps.kind, format }, positions }
}

/** The differences between times, in months if all fall on one day of the month. */
function stepsOf(values: readonly number[], format: string) {
  const difference = (list: readonly number[]) => list.slice(1).map((value, i) => value - list[i])
  const unit = format === '' ? ('numbers' as const) : ('milliseconds' as const)
  const plain = { unit, kind: { unit }, differences: difference(values) }
  if (format === '') return plain
  const months = values.map(monthOf)
  const sameTime = months.every(({ time }) => time === months[0].time)
  const sameDay = months.every(({ day }) => day === months[0].day)
  const allLast = months.every(({ isLast }) => isLast)
  if (!sameTime || !(sameDay || allLast)) return plain
  const kind = { unit: 'months' as const, day: allLast && !sameDay ? 31 : months[0].day }
  return { unit: kind.unit, kind, differences: difference(months.map(({ month }) => month)) }
}

/** Of equally frequent ones the smallest. Differences of numbers within 1 % of each other are one. */
function mostFrequent(differences: readonly number[]): number {
  const sorted = [...differences].sort((a, b) => a - b)
  let [best, most] = [sorted[0], 0]
  for (let from = 0, i = 1; i <= sorted.length; i++) {
    if (i < sorted.length && sorted[i] <= sorted[from] * 1.01) continue
    if (i - from > most) [best, most] = [sorted[(from + i - 1) >> 1], i - from]
    from = i
  }
  return best
}
