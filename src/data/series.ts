/** Series of numbers at equally spaced times, as the forecast task takes them. */
import { RefrainError, show } from '../errors.ts'
import { axisOf, type ParsedTime, parseTime, type TimeAxis } from './time.ts'

/** Columns of numbers by their names. */
export type SeriesColumns = Readonly<Record<string, ArrayLike<number>>>

/** A series as a program writes it; the name of a single column is 'value'. */
export interface SeriesInput {
  /** Tells series apart. Default: their numbers, from '1'. */
  readonly id?: string
  /** The numbers to forecast, oldest first: one column, or several by name, of one length. */
  readonly values: ArrayLike<number> | SeriesColumns
  /** What is measured beside them and is not forecast, by name, of the same length. */
  readonly past?: SeriesColumns
  /**
   * What is known in advance (holidays, prices, a plan), by name: of the same length, or longer by
   * the steps of the future that are known.
   */
  readonly known?: SeriesColumns
  /** Of each row: dates (`Date`, '2016-07-01 13:00'), or numbers; equally spaced. Default: none. */
  readonly times?: readonly (string | number | Date)[] | null
  /** Instead of `times`. */
  readonly axis?: TimeAxis | null
}

/** A checked series. */
export interface Series {
  readonly id: string
  readonly axis: TimeAxis | null
  /** Rows of `values` and `past`. */
  readonly length: number
  readonly values: Readonly<Record<string, Float64Array>>
  readonly past: Readonly<Record<string, Float64Array>>
  /** Of at least `length` rows. */
  readonly known: Readonly<Record<string, Float64Array>>
}

const isNumbers = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

/**
 * Checks series: columns of one length, finite numbers, times that are equally spaced.
 *
 * @param where is for errors: "forecast.train"
 *
 * Throws `BAD_DATA`, `BAD_SHAPE` or `NOT_FINITE` with the series, the column and the position.
 */
export function checkSeries(where: string, input: SeriesInput | readonly SeriesInput[]): Series[] {
  const list = Array.isArray(input) ? (input as SeriesInput[]) : [input as SeriesInput]
  if (list.length === 0) {
    throw new RefrainError('BAD_DATA', `${where}: expected at least one series, got none`)
  }
  const ids = new Set<string>()
  return list.map((one, i) => {
    if (typeof one !== 'object' || one === null || !('values' in one)) {
      throw new RefrainError(
        'BAD_DATA',
        `${where}: expected a series, got ${show(one)}`,
        'such as { values: [3, 5, 4, …] }',
      )
    }
    const id = one.id ?? String(i + 1)
    if (ids.has(id)) {
      throw new RefrainError('BAD_DATA', `${where}: the series '${id}' is there twice`)
    }
    ids.add(id)
    const name = list.length > 1 || one.id ? `${where}: series '${id}'` : where
    const values = columnsOf(name, isNumbers(one.values) ? { value: one.values } : one.values)
    const past = columnsOf(name, one.past ?? {})
    const known = columnsOf(name, one.known ?? {})
    const [first] = Object.keys(values)
    if (first === undefined || values[first].length === 0) {
      throw new RefrainError('BAD_DATA', `${name}: expected at least one value, got none`)
    }
    const { length } = values[first]
    for (const [column, { length: own }] of Object.entries({ ...values, ...past })) {
      if (own === length) continue
      throw new RefrainError(
        'BAD_SHAPE',
        `${name}: expected ${length} numbers in '${column}', as in '${first}', got ${own}`,
      )
    }
    const ahead = Object.values(known)[0]?.length ?? 0
    for (const [column, { length: own }] of Object.entries(known)) {
      if (own === ahead && own >= length) continue
      throw new RefrainError(
        'BAD_SHAPE',
        `${name}: expected ${own < length ? `at least ${length}` : ahead} numbers in '${column}', ` +
          `got ${own}`,
      )
    }
    return { id, axis: axisFrom(name, one, length), length, values, past, known }
  })
}

function columnsOf(where: string, columns: SeriesColumns): Record<string, Float64Array> {
  const made: Record<string, Float64Array> = {}
  for (const [column, numbers] of Object.entries(columns)) {
    if (!isNumbers(numbers)) {
      throw new RefrainError(
        'BAD_DATA',
        `${where}: expected numbers in '${column}', got ${show(numbers)}`,
      )
    }
    const floats = Float64Array.from(numbers)
    const bad = floats.findIndex((number) => !Number.isFinite(Math.fround(number)))
    if (bad >= 0) {
      throw new RefrainError(
        'NOT_FINITE',
        `${where}: expected finite numbers in '${column}', got ${show(numbers[bad])} at ${bad}`,
        'Fill missing values first; readSeries does it with its option fill',
      )
    }
    made[column] = floats
  }
  return made
}

function axisFrom(where: string, { axis, times }: SeriesInput, length: number): TimeAxis | null {
  if (axis) return axis
  if (!times) return null
  if (times.length !== length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected ${length} times, one for each value, got ${times.length}`,
    )
  }
  const parsed = times.map((time, i): ParsedTime => {
    const one = parseTime(time)
    if (one) return one
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected a date or a number as time ${i}, got ${show(time)}`,
      "Write dates as '2016-07-01' or '2016-07-01 13:00'",
    )
  })
  const at = (i: number) => `${where}, time ${i} (${show(times[i])})`
  const { axis: found, positions } = axisOf(parsed, at)
  const gap = positions.findIndex((position, i) => position !== i)
  if (gap >= 0) {
    throw new RefrainError(
      'BAD_DATA',
      `${at(gap)}: there is a gap before it`,
      'Fill missing values first; readSeries does it with its option fill',
    )
  }
  return found
}
