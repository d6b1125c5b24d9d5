/** Reads series of numbers from tables and checks them. Node only. */
import { RefrainError, show } from '../errors.ts'
import { checkOptions, nearest } from '../util/check.ts'
import { numberOf } from './number.ts'
import { locate, type Place } from './row.ts'
import type { Series } from './series.ts'
import type { Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'
import { axisOf, describeStep, type ParsedTime, parseTime, writeTime } from './time.ts'

/** What stands where a number is missing: the one before, a straight line between its neighbours, or a number. */
export type Fill = 'previous' | 'linear' | number

/** Options of {@link readSeries}. */
export interface ReadSeriesOptions {
  /**
   * The column with the times; null: rows are equally spaced, in their order. Default: the column
   * called time, date, datetime, timestamp, ds, month, day or year, in any case, if there is one.
   */
  time?: string | null
  /** The columns to forecast. Default: every column with no other part. */
  values?: readonly string[]
  /** The column that tells several series apart; their rows may be mixed. Default: one series. */
  id?: string
  /** Columns that are measured beside the values and are not forecast. Default: none. */
  past?: readonly string[]
  /**
   * Columns that are known in advance. The last rows of a series may hold them and no values: they
   * are its future. Default: none.
   */
  known?: readonly string[]
  /**
   * What to do about missing numbers (nothing, NaN, NA, null or ? in a cell) and missing rows (gaps
   * in the times). 'previous': the value before; 'linear': a straight line between the values before
   * and after, at the ends the nearest value; or a number, such as 0. Default: fail.
   */
  fill?: Fill
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/** Series and where they come from. */
export interface SeriesTable {
  readonly series: Series[]
  /** How many numbers and rows `fill` made. */
  readonly filled: { readonly numbers: number; readonly rows: number }
}

const optionNames = ['time', 'values', 'id', 'past', 'known', 'fill', 'format'] as const
const timeNames = ['time', 'date', 'datetime', 'timestamp', 'ds', 'month', 'day', 'year']
const numbersHint = 'Name the columns with numbers to forecast with --values (values)'

/** The columns of a table by their part. */
interface Parts {
  readonly time: string | null
  readonly id: string | undefined
  readonly values: readonly string[]
  readonly past: readonly string[]
  readonly known: readonly string[]
}

/** The rows of one series; NaN where a number is missing. */
interface Rows {
  readonly places: Place[]
  readonly times: ParsedTime[]
  readonly columns: Map<string, number[]>
}

/**
 * Reads one or several series from CSV, TSV, JSON and JSON lines files; see {@link readTable} for the
 * formats. Each row is a time of a series, oldest first.
 *
 * Throws `BAD_DATA`, with the file and row, for an unknown column, a value that is no number, times
 * that are unreadable, unsorted, twice there or unequally spaced, and, without `fill`, for missing
 * numbers and rows.
 */
export async function readSeries(
  sources: Source | readonly Source[],
  options: ReadSeriesOptions = {},
): Promise<SeriesTable> {
  checkOptions('readSeries', options, optionNames)
  const fill = checkFill(options.fill)
  const bySeries = new Map<string, Rows>()
  let parts: Parts | undefined
  for await (const { values: row, ...place } of readTable(sources, { format: options.format })) {
    if (place.row === 1) {
      parts ??= partsOf(row, place.file, options)
      checkColumns(parts, row, place.file)
    }
    const { id, time, values, past, known } = parts!
    const key = id === undefined ? '' : idOf(row[id], id, place)
    let rows = bySeries.get(key)
    if (!rows) {
      const columns = new Map([...values, ...past, ...known].map((name) => [name, [] as number[]]))
      rows = { places: [], times: [], columns }
      bySeries.set(key, rows)
    }
    rows.places.push(place)
    if (time !== null) rows.times.push(timeOf(row[time], time, place))
    for (const [name, list] of rows.columns) {
      list.push(numberOf(row[name], name, place, numbersHint))
    }
  }
  const filled = { numbers: 0, rows: 0 }
  const series = [...bySeries].map(([id, rows], i) =>
    finish(id || String(i + 1), rows, parts!, fill, filled),
  )
  return { series, filled }
}

function checkFill(fill: unknown): Fill | undefined {
  if (fill === undefined || fill === 'previous' || fill === 'linear') return fill
  if (typeof fill === 'number' && Number.isFinite(fill)) return fill
  throw new RefrainError(
    'BAD_ARGUMENT',
    `readSeries 'fill': expected 'previous', 'linear' or a number, got ${show(fill)}`,
  )
}

/** Which column is what, by the options and the first row. */
function partsOf(row: Record<string, unknown>, file: string, options: ReadSeriesOptions): Parts {
  const columns = Object.keys(row)
  const { id, past = [], known = [] } = options
  const own = new Set([id, ...past, ...known, ...(options.values ?? [])])
  const found = () =>
    columns.find((name) => !own.has(name) && timeNames.includes(name.toLowerCase()))
  const time = options.time === undefined ? (found() ?? null) : options.time
  const values = options.values ?? columns.filter((name) => name !== time && !own.has(name))
  const all = [time, id, ...values, ...past, ...known].filter((name) => name != null)
  const twice = all.find((name, i) => all.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `the column '${twice}' is named for two parts`,
      'A column is the time, the id, a value, or known in the past or the future',
    )
  }
  if (values.length === 0) {
    throw new RefrainError(
      'BAD_DATA',
      `${file}: there is no column to forecast beside ${all.map((name) => `'${name}'`).join(', ')}`,
    )
  }
  return { time, id, values, past, known }
}

function checkColumns(parts: Parts, row: Record<string, unknown>, file: string): void {
  const columns = Object.keys(row)
  const named = Object.entries(parts).flatMap(([part, names]) =>
    [names ?? []].flat().map((name: string) => [part, name]),
  )
  for (const [part, name] of named) {
    if (Object.hasOwn(row, name)) continue
    const close = nearest(name, columns)
    throw new RefrainError(
      'BAD_DATA',
      `${file}: there is no column '${name}'`,
      close ? `did you mean '${close}'?` : `Name it with --${part}; known: ${columns.join(', ')}`,
    )
  }
}

function idOf(value: unknown, column: string, place: Place): string {
  const id = typeof value === 'number' ? String(value) : value
  if (typeof id === 'string' && id.trim() !== '') return id.trim()
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected the name of a series in the column '${column}', got ${show(value)}`,
  )
}

function timeOf(value: unknown, column: string, place: Place): ParsedTime {
  const time = parseTime(value)
  if (time) return time
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected a date or a number in the column '${column}', got ${show(value)}`,
    "Write dates as '2016-07-01' or '2016-07-01 13:00', or leave the times out with --time none " +
      '(time: null)',
  )
}

/** The rows on an axis, without gaps, and without the future where only `known` goes on. */
function finish(
  id: string,
  { places, times, columns }: Rows,
  parts: Parts,
  fill: Fill | undefined,
  filled: { numbers: number; rows: number },
): Series {
  const where = (i: number) => locate(places[i])
  const measured = [...parts.values, ...parts.past]
  let length = places.length
  if (parts.known.length > 0) {
    while (length > 0 && measured.every((name) => Number.isNaN(columns.get(name)![length - 1]))) {
      length--
    }
  }
  const found = parts.time === null ? null : axisOf(times, where)
  const positions = found?.positions ?? places.map((_, i) => i)
  const gap = positions.findIndex((position, i) => i > 0 && position !== positions[i - 1] + 1)
  const rows = positions[positions.length - 1] + 1
  if (gap > 0 && fill === undefined) {
    const { axis } = found!
    const from = writeTime(axis, positions[gap - 1])
    const to = writeTime(axis, positions[gap])
    const lost = rows - positions.length
    throw new RefrainError(
      'BAD_DATA',
      `${where(gap)}: there is a gap before it: the time goes from ${show(from)} to ${show(to)} in ` +
        `steps of ${describeStep(axis)}; ${lost} row${lost === 1 ? ' is' : 's are'} missing in all`,
      'Fill it with --fill linear, previous or a number (fill)',
    )
  }
  filled.rows += rows - positions.length
  const last = length === 0 ? 0 : positions[length - 1] + 1
  const columnOf = (name: string, size: number): Float64Array => {
    const list = columns.get(name)!
    const numbers = new Float64Array(size).fill(Number.NaN)
    positions.forEach((position, i) => {
      if (position < size) numbers[position] = list[i]
    })
    const lacking = list.filter((number, i) => positions[i] < size && Number.isNaN(number)).length
    if (lacking > 0 && fill === undefined) {
      const at = list.findIndex((number) => Number.isNaN(number))
      throw new RefrainError(
        'BAD_DATA',
        `${where(at)}: there is no number in the column '${name}'` +
          `${lacking > 1 ? `, as in ${lacking} of ${list.length} rows` : ''}`,
        `Fill ${lacking > 1 ? 'them' : 'it'} with --fill linear, previous or a number (fill)`,
      )
    }
    filled.numbers += lacking
    if (fill !== undefined) fillGaps(numbers, fill, `series '${id}', column '${name}'`)
    return numbers
  }
  const pick = (names: readonly string[], size: number) =>
    Object.fromEntries(names.map((name) => [name, columnOf(name, size)]))
  return {
    id,
    axis: found?.axis ?? null,
    length: last,
    values: pick(parts.values, last),
    past: pick(parts.past, last),
    known: pick(parts.known, rows),
  }
}

/** Replaces NaN in place. */
function fillGaps(numbers: Float64Array, fill: Fill, where: string): void {
  if (typeof fill === 'number') {
    numbers.forEach((number, i) => {
      if (Number.isNaN(number)) numbers[i] = fill
    })
    return
  }
  let before = -1
  for (let i = 0; i < numbers.length; i++) {
    if (!Number.isNaN(numbers[i])) {
      before = i
      continue
    }
    let after = i
    while (after < numbers.length && Number.isNaN(numbers[after])) after++
    const [first, last] = [numbers[before], numbers[after]]
    if ((before < 0 && fill === 'previous') || (before < 0 && after === numbers.length)) {
      throw new RefrainError(
        'BAD_DATA',
        `${where}: there is no number ${after === numbers.length ? 'at all' : 'before the first rows'}`,
        'Remove those rows, or fill with a number',
      )
    }
    for (; i < after; i++) {
      const part = (i - before) / (after - before)
      if (fill === 'previous' || after === numbers.length) numbers[i] = first
      else numbers[i] = before < 0 ? last : first + part * (last - first)
    }
    before = after
  }
}
