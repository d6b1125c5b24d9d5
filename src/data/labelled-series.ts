/** Reads labelled series of measurements: many rows a series, one row a series, or one file a series. */
import { RefrainError, show } from '../errors.ts'
import { checkOptions, nearest } from '../util/check.ts'
import { labelledFiles } from './labelled-files.ts'
import { locate, type TableRow } from './row.ts'
import { isFolder, type Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'

/** Options of {@link readLabelledSeries}. */
export interface ReadLabelledSeriesOptions {
  /** The column that tells series apart, whose rows follow each other. Default: 'id'. */
  id?: string
  /** The column with the label of each row's series. Default: 'label'. */
  label?: string
  /** The columns with measurements. Default: all that have no other part. */
  values?: readonly string[]
  /** Columns that are left out, such as the time. Default: 'time' and 't'. */
  ignore?: readonly string[]
  /** In tables with a series a row (JSON, JSON lines): the column with its steps. Default: 'series'. */
  series?: string
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/** Series of measurements and their labels. */
export interface SeriesExamples {
  /** The measurements of each step: [T][features]. */
  readonly series: number[][][]
  readonly labels: string[]
  /** The features, if they have names. */
  readonly features: string[]
  /** Where series `i` begins. */
  where(i: number): string
}

/**
 * Series from
 *
 * - tables with a row a step: columns `id`, `label` and measurements; the rows of a series follow each
 *   other, oldest first;
 * - JSON and JSON lines with a row a series: `{"label": "walk", "series": [[0.1, 20], [0.3, 21]]}`, or
 *   of one measurement a step `[0.1, 0.3]`;
 * - a folder with a sub-folder for each label, which hold tables of one series each.
 *
 * Throws `BAD_DATA`, with the file and row, for an unknown column, a cell that is no number, a series
 * with two labels or rows in two places.
 */
export async function readLabelledSeries(
  sources: Source | readonly Source[],
  options: ReadLabelledSeriesOptions = {},
): Promise<SeriesExamples> {
  const known = ['id', 'label', 'values', 'ignore', 'series', 'format']
  checkOptions('readLabelledSeries', options, known)
  const all: SeriesExamples & { places: string[] } = {
    series: [],
    labels: [],
    features: [],
    places: [],
    where: (i) => all.places[i],
  }
  for (const source of Array.isArray(sources) ? (sources as Source[]) : [sources as Source]) {
    if (typeof source === 'string' && (await isFolder(source))) {
      const ending = /\.(csv|tsv|json|jsonl|ndjson)(\.gz)?$/i
      for (const { path, label } of await labelledFiles(source, ending, 'walking/1.csv')) {
        all.series.push([])
        all.labels.push(label)
        all.places.push(path)
        for await (const row of readTable(path)) addStep(all, row, options)
      }
    } else await readTableOfSeries(all, source, options)
  }
  return all
}

type Collected = SeriesExamples & { places: string[] }

async function readTableOfSeries(
  all: Collected,
  source: Source,
  options: ReadLabelledSeriesOptions,
): Promise<void> {
  const { id = 'id', label = 'label', series = 'series', format } = options
  const seen = new Set<unknown>()
  let current: unknown
  for await (const row of readTable(source, { format })) {
    const whole = Object.hasOwn(row.values, series)
    const columns = whole ? [label] : [id, label]
    for (const column of columns) checkColumn(column, row)
    const name = String(row.values[label]).trim()
    if (name === '' || row.values[label] === null) {
      throw new RefrainError(
        'BAD_DATA',
        `${locate(row)}: the label (column '${label}') is empty`,
        'Fill it in or remove the row',
      )
    }
    if (whole || row.values[id] !== current || row.row === 1) {
      if (!whole && seen.has(row.values[id])) {
        throw new RefrainError(
          'BAD_DATA',
          `${locate(row)}: the series ${show(row.values[id])} has rows further up, with others between`,
          'Sort the table by series',
        )
      }
      seen.add(row.values[id])
      current = row.values[id]
      all.series.push([])
      all.labels.push(name)
      all.places.push(locate(row))
    } else if (name !== all.labels.at(-1)) {
      throw new RefrainError(
        'BAD_DATA',
        `${locate(row)}: the series ${show(current)} was '${all.labels.at(-1)}' before and is '${name}' here`,
        'A series has one label',
      )
    }
    if (whole) addWhole(all, row, series)
    else addStep(all, row, options)
  }
}

function checkColumn(column: string, row: TableRow): void {
  if (Object.hasOwn(row.values, column)) return
  const columns = Object.keys(row.values)
  const close = nearest(column, columns)
  throw new RefrainError(
    'BAD_DATA',
    `${locate(row)}: there is no column '${column}'`,
    close ? `did you mean '${close}'?` : `Known: ${columns.join(', ')}`,
  )
}

/** Adds a row's measurements to the last series. */
function addStep(all: Collected, row: TableRow, options: ReadLabelledSeriesOptions): void {
  const { id = 'id', label = 'label', ignore = ['time', 't'] } = options
  if (all.features.length === 0) {
    const others = new Set([id, label, ...ignore])
    const columns = Object.keys(row.values).filter((column) => !others.has(column))
    all.features.push(...(options.values ?? columns))
  }
  const step = all.features.map((column) => {
    checkColumn(column, row)
    return numberOf(row.values[column], `${locate(row)}, column '${column}'`)
  })
  all.series.at(-1)!.push(step)
}

/** Makes the last series that of a cell. */
function addWhole(all: Collected, row: TableRow, column: string): void {
  const cell = row.values[column]
  const place = `${locate(row)}, column '${column}'`
  if (!Array.isArray(cell) || cell.length === 0) {
    throw new RefrainError(
      'BAD_DATA',
      `${place}: expected a list of steps, got ${show(cell)}`,
      'such as [[0.1, 20], [0.3, 21]]',
    )
  }
  const width = [cell[0]].flat().length
  cell.forEach((step: unknown, t) => {
    const values = [step].flat()
    if (values.length !== width) {
      throw new RefrainError(
        'BAD_DATA',
        `${place}, step ${t + 1}: expected ${width} numbers, as in step 1, got ${show(step)}`,
      )
    }
    all.series.at(-1)!.push(values.map((value) => numberOf(value, `${place}, step ${t + 1}`)))
  })
}

function numberOf(value: unknown, place: string): number {
  const text = typeof value === 'string' ? value.trim() : ''
  const number = typeof value === 'number' ? value : text === '' ? Number.NaN : Number(text)
  if (Number.isFinite(number)) return number
  throw new RefrainError(
    'BAD_DATA',
    `${place}: expected a number, got ${show(value)}`,
    'Fill gaps, or remove the row',
  )
}
