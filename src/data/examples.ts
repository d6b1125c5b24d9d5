/** Reads labelled texts and checks them. Node only. */
import { RefrainError, show } from '../errors.ts'
import { checkOptions, suggest } from '../util/check.ts'
import { locate, type Place, type TableRow } from './row.ts'
import type { Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'

/** Texts and their labels, in the order of the sources. */
export interface Examples {
  texts: string[]
  labels: string[]
  /** Where example `i` comes from, for error messages: "reviews.csv, row 3 (line 4)". */
  where(i: number): string
}

/** Options of {@link readExamples}. */
export interface ReadExamplesOptions {
  /** The column with the texts. Default: 'text'. */
  text?: string
  /** The column with the labels: strings, whole numbers or booleans. Default: 'label'. */
  label?: string
  /** How many different labels there must be at least. Default: 2; 1 suits an evaluation. */
  minLabels?: number
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/**
 * The texts and labels of tables and folders; see {@link readTable} for the formats.
 *
 * Throws `BAD_DATA`, with the file and row, for an unknown column, a missing text or label, and for
 * fewer than `minLabels` different labels.
 */
export async function readExamples(
  sources: Source | readonly Source[],
  options: ReadExamplesOptions = {},
): Promise<Examples> {
  checkOptions('readExamples', options, ['text', 'label', 'minLabels', 'format'])
  const { text = 'text', label = 'label', minLabels = 2, format } = options
  if (text === label) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `readExamples: expected two columns, got '${text}' for text and label`,
    )
  }
  const texts: string[] = []
  const labels: string[] = []
  const places: Place[] = []
  for await (const { values, ...place } of readTable(sources, { format })) {
    if (place.row === 1) {
      for (const column of [text, label]) checkColumn(column, values, place.file)
    }
    texts.push(textOf(values[text], text, place))
    labels.push(labelOf(values[label], label, place))
    places.push(place)
  }
  const found = new Set(labels)
  if (found.size < minLabels) {
    const [only] = found
    throw new RefrainError(
      'BAD_DATA',
      `column '${label}': expected at least ${minLabels} different labels, got only ` +
        `${show(only)} in all ${labels.length} rows`,
      'Add rows with another label',
    )
  }
  return { texts, labels, where: (i) => locate(places[i]) }
}

/** The texts of a column of tables and folders, for prediction: labels are not looked at. */
export async function* readTexts(
  sources: Source | readonly Source[],
  options: { text?: string; format?: TableFormat } = {},
): AsyncGenerator<{ text: string; row: TableRow }> {
  checkOptions('readTexts', options, ['text', 'format'])
  const { text = 'text', format } = options
  for await (const row of readTable(sources, { format })) {
    if (row.row === 1) checkColumn(text, row.values, row.file)
    yield { text: textOf(row.values[text], text, row), row }
  }
}

function checkColumn(column: string, values: Record<string, unknown>, file: string): void {
  if (Object.hasOwn(values, column)) return
  const columns = Object.keys(values)
  const hint = suggest(column, columns)
  throw new RefrainError('BAD_DATA', `${file}: there is no column '${column}'`, hint)
}

const isMissing = (value: unknown) =>
  value === undefined || value === null || (typeof value === 'string' && value.trim() === '')

function missing(what: string, column: string, place: Place): RefrainError {
  return new RefrainError(
    'BAD_DATA',
    `${locate(place)}: the ${what} (column '${column}') is missing`,
    'Fill it in or remove the row',
  )
}

function textOf(value: unknown, column: string, place: Place): string {
  if (isMissing(value)) throw missing('text', column, place)
  if (typeof value === 'string') return value
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected a text in the column '${column}', got ${show(value)}`,
  )
}

function labelOf(value: unknown, column: string, place: Place): string {
  if (isMissing(value)) throw missing('label', column, place)
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value)
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected a label (a string, a whole number or a boolean) in the column ` +
      `'${column}', got ${show(value)}`,
  )
}
