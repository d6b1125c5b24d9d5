/** Reads labelled texts and checks them. Node only. */
import { RefrainError, show } from '../errors.ts'
import { checkOptions } from '../util/check.ts'
import { parseRow } from './json.ts'
import { checkColumn, isOfFolder, locate, type Place, type TableRow } from './row.ts'
import { lines, openText, type Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'

/** Texts and their labels, in the order of the sources; where a text may have several, lists of them. */
export interface Examples<Label extends string | string[] = string> {
  texts: string[]
  labels: Label[]
  /** Rows left out by `skipMissing`. */
  skipped: number
  /** Where example `i` comes from, for error messages: "reviews.csv, row 3 (line 4)". */
  where(i: number): string
}

/** Options of {@link readExamples}. */
export interface ReadExamplesOptions {
  /** The column with the texts; a folder's is always 'text'. Default: 'text'. */
  text?: string
  /**
   * The column with the labels: strings, whole numbers or booleans; a folder's is always 'label'.
   * Default: 'label'.
   */
  label?: string
  /**
   * A row may have several labels, with semicolons between them (`fast;cheap`) or, in JSON, as an array,
   * or none. Default: false.
   */
  several?: boolean
  /** How many different labels there must be at least. Default: 2, of several 1; 1 suits an evaluation. */
  minLabels?: number
  /** Leave out rows without a text or label instead of failing. Default: false. */
  skipMissing?: boolean
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/** Options of {@link readTexts}. */
export interface ReadTextsOptions {
  /** The column with the texts; a folder's is always 'text'. Default: 'text'. */
  text?: string
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/**
 * The texts and labels of tables and folders; see {@link readTable} for the formats.
 *
 * Throws `BAD_DATA`, with the file and row, for an unknown column, a missing text or label, and for
 * fewer than `minLabels` different labels.
 */
export function readExamples(
  sources: Source | readonly Source[],
  options: ReadExamplesOptions & { several: true },
): Promise<Examples<string[]>>
export function readExamples(
  sources: Source | readonly Source[],
  options?: ReadExamplesOptions & { several?: false },
): Promise<Examples>
export function readExamples(
  sources: Source | readonly Source[],
  options?: ReadExamplesOptions,
): Promise<Examples | Examples<string[]>>
export async function readExamples(
  sources: Source | readonly Source[],
  options: ReadExamplesOptions = {},
): Promise<Examples<string | string[]>> {
  const known = ['text', 'label', 'several', 'minLabels', 'skipMissing', 'format']
  checkOptions('readExamples', options, known)
  const { text = 'text', label = 'label', several, skipMissing, format } = options
  const { minLabels = several ? 1 : 2 } = options
  if (text === label) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--text and --label name the same column, '${text}'`,
      'Name two columns',
    )
  }
  const texts: string[] = []
  const labels: (string | string[])[] = []
  const places: Place[] = []
  let lacking = 0
  let firstLack = ''
  for await (const { values, ...place } of readTable(sources, { format })) {
    const own = isOfFolder(place) ? { text: 'text', label: 'label' } : { text, label }
    if (place.row === 1) {
      for (const what of ['text', 'label'] as const) {
        checkColumn(what, own[what], values, place.file, format)
      }
    }
    const lack = (['text', 'label'] as const).find((what) => {
      const kind = absence(values[own[what]])
      // A row with no label at all is one of those that may have several.
      return kind && !(what === 'label' && several && own.label in values)
    })
    if (lack) {
      firstLack ||= describeAbsence(lack, own[lack], values[own[lack]], place)
      lacking++
      continue
    }
    texts.push(textOf(values[own.text], own.text, place))
    const value = values[own.label]
    labels.push((several ? labelsOf : labelOf)(value, own.label, place))
    places.push(place)
  }
  if (lacking > 0 && (!skipMissing || texts.length === 0)) {
    const rows = lacking + texts.length
    throw new RefrainError(
      'BAD_DATA',
      lacking === 1 ? firstLack : `${firstLack}, as in ${lacking} of ${rows} rows`,
      skipMissing
        ? 'No rows are left'
        : `Fill ${lacking === 1 ? 'it in, remove the row' : 'them in, remove the rows'} or use ` +
            '--skip-missing (skipMissing)',
    )
  }
  const found = new Set(labels.flat())
  if (found.size < minLabels) {
    const [only] = found
    if (only === undefined) {
      throw new RefrainError('BAD_DATA', `column '${label}': expected labels, got none in any row`)
    }
    const rows = labels.length === 1 ? 'the only row' : `all ${labels.length} rows`
    throw new RefrainError(
      'BAD_DATA',
      `column '${label}': expected at least ${minLabels} different labels, got only ` +
        `${show(only)} in ${rows}`,
      'Add rows with another label',
    )
  }
  return { texts, labels, skipped: lacking, where: (i) => locate(places[i]) }
}

/**
 * The texts of a column of tables and folders, for prediction: labels are not looked at. A text may
 * be empty; of a row without the column, it is an error.
 */
export async function* readTexts(
  sources: Source | readonly Source[],
  options: ReadTextsOptions = {},
): AsyncGenerator<{ text: string; row: TableRow }> {
  checkOptions('readTexts', options, ['text', 'format'])
  const { text = 'text', format } = options
  for await (const row of readTable(sources, { format })) {
    const column = isOfFolder(row) ? 'text' : text
    if (row.row === 1) checkColumn('text', column, row.values, row.file, format)
    yield { text: emptyOrText(row.values[column], column, row), row }
  }
}

/**
 * Texts from a stream of lines, each of which is a JSON object with the column `text`, a JSON string,
 * or else a text as it stands, which gets the column 'text'. Blank lines are skipped.
 */
export async function* readTextLines(
  source: Source,
  { text = 'text' }: { text?: string } = {},
): AsyncGenerator<{ text: string; row: TableRow }> {
  const file = typeof source === 'string' ? source : source.name
  let line = 0
  let row = 0
  for await (const content of lines(openText(source))) {
    line++
    const trimmed = content.trim()
    if (trimmed === '') continue
    row++
    const place = { file, row, line }
    if (row === 1 && /^\[\s*(\{|$)/.test(trimmed)) {
      throw new RefrainError('BAD_DATA', `${file}: it is a JSON array`, 'Add --format json')
    }
    if (trimmed.startsWith('{')) {
      const values = parseRow(trimmed, locate(place))
      if (row === 1) checkColumn('text', text, values, file, 'jsonl')
      yield { text: emptyOrText(values[text], text, place), row: { ...place, values } }
    } else {
      const own = jsonString(trimmed) ?? content
      yield { text: own, row: { ...place, values: { text: own } } }
    }
  }
}

/** The string that this JSON says; undefined if it is none. */
function jsonString(content: string): string | undefined {
  if (!content.startsWith('"')) return undefined
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

/** In which way a cell holds nothing, if it does. */
function absence(value: unknown): 'missing' | 'empty' | undefined {
  if (value === undefined || value === null) return 'missing'
  return typeof value === 'string' && value.trim() === '' ? 'empty' : undefined
}

const describeAbsence = (what: string, column: string, value: unknown, place: Place) =>
  `${locate(place)}: the ${what} (column '${column}') is ${absence(value)}`

/** A text to classify. Nothing is a text, too, as it is on the command line. */
function emptyOrText(value: unknown, column: string, place: Place): string {
  if (value === null) return ''
  if (value === undefined) {
    throw new RefrainError('BAD_DATA', describeAbsence('text', column, value, place))
  }
  return textOf(value, column, place)
}

function textOf(value: unknown, column: string, place: Place): string {
  if (typeof value === 'string') return value
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected a text in the column '${column}', got ${show(value)}`,
  )
}

function labelOf(value: unknown, column: string, place: Place): string {
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value)
  throw new RefrainError(
    'BAD_DATA',
    `${locate(place)}: expected a label (a string, a whole number or a boolean) in the column ` +
      `'${column}', got ${show(value)}`,
    Array.isArray(value) ? 'Use --several (several) where rows may have several labels' : '',
  )
}

/** The labels of a row that may have several: a list, or a text of them with semicolons between. */
function labelsOf(value: unknown, column: string, place: Place): string[] {
  const all = Array.isArray(value)
    ? value.map((one) => labelOf(one, column, place))
    : (absence(value) ? '' : labelOf(value, column, place)).split(';')
  return [...new Set(all.map((one) => one.trim()).filter((one) => one !== ''))]
}
