/** Reads texts with what each becomes: sentences and translations, spellings and pronunciations. Node only. */
import { RefrainError, show } from '../errors.ts'
import { checkOptions } from '../util/check.ts'
import { checkColumn, locate, type Place } from './row.ts'
import { lines, openText, type Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'

/** Source texts and the target of each, in the order of the files. */
export interface Pairs {
  sources: string[]
  targets: string[]
  /** Rows left out by `skipMissing`. */
  skipped: number
  /** Where pair `i` comes from, for error messages: "pairs.tsv, row 3 (line 4)". */
  where(i: number): string
}

/** Options of {@link readParallel}. */
export interface ReadParallelOptions {
  /** Leave out lines that are blank in either file instead of failing. Default: false. */
  skipMissing?: boolean
}

/** Options of {@link readPairs}. */
export interface ReadPairsOptions extends ReadParallelOptions {
  /** The column with the source texts. Default: 'source'. */
  source?: string
  /** The column with the target texts. Default: 'target'. */
  target?: string
  /**
   * Whether a table's first line names the columns. If false, each line is two or more texts with tabs
   * between them, and columns have the names '1', '2', …; `source` then is '1' and `target` '2' by
   * default. Default: true.
   */
  header?: boolean
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/**
 * The lines of one file with the lines of another: line 7 is what line 7 becomes. Each file may end in
 * `.gz`.
 *
 * Throws `BAD_DATA` with both numbers if one has more lines than the other, and with file and line if
 * one is blank where the other is not. Lines that are blank in both are skipped.
 */
export async function readParallel(
  source: Source,
  target: Source,
  options: ReadParallelOptions = {},
): Promise<Pairs> {
  checkOptions('readParallel', options, ['skipMissing'])
  const found = new Collector(options.skipMissing)
  const files = [nameOf(source), nameOf(target)]
  const readers = [lines(openText(source)), lines(openText(target))]
  const counts = [0, 0]
  for (;;) {
    const [left, right] = await Promise.all(readers.map((reader) => reader.next()))
    if (!left.done) counts[0]++
    if (!right.done) counts[1]++
    if (left.done || right.done) break
    const line = counts[0]
    const places = files.map((file) => ({ file, row: line, line }))
    if (left.value.trim() !== '' || right.value.trim() !== '') {
      found.add([left.value, right.value], places)
    }
  }
  for (const [i, reader] of readers.entries()) for await (const _ of reader) counts[i]++
  if (counts[0] !== counts[1]) {
    throw new RefrainError(
      'BAD_DATA',
      `expected a line in ${files[1]} for each line in ${files[0]}, ` +
        `got ${counts[1]} and ${counts[0]}`,
      'Line 7 of one file is what line 7 of the other becomes',
    )
  }
  return found.pairs(files.join(' and '))
}

/**
 * The pairs of tables; see {@link readTable} for the formats. Throws `BAD_DATA` with the file and the
 * row for an unknown column and for a text that is missing, blank or no text.
 */
export async function readPairs(
  sources: Source | readonly Source[],
  options: ReadPairsOptions = {},
): Promise<Pairs> {
  checkOptions('readPairs', options, ['source', 'target', 'header', 'skipMissing', 'format'])
  const { header = true, skipMissing, format } = options
  const { source = header ? 'source' : '1', target = header ? 'target' : '2' } = options
  if (source === target) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `--source and --target name the same column, '${source}'`,
      'Name two columns',
    )
  }
  const all = Array.isArray(sources) ? (sources as Source[]) : [sources as Source]
  const found = new Collector(skipMissing)
  for await (const { values, ...place } of header ? readTable(all, { format }) : readLines(all)) {
    if (place.row === 1 || !header) {
      checkColumn('source', source, values, place.file, format)
      checkColumn('target', target, values, place.file, format)
    }
    found.add([values[source], values[target]], [place, place], [source, target])
  }
  return found.pairs(all.map(nameOf).join(', '))
}

/** Lines of texts with tabs between them; blank ones are skipped. */
async function* readLines(sources: readonly Source[]) {
  for (const source of sources) {
    const file = nameOf(source)
    let row = 0
    let line = 0
    for await (const content of lines(openText(source))) {
      line++
      if (content.trim() === '') continue
      row++
      const fields = content.split('\t')
      if (fields.length < 2) {
        throw new RefrainError(
          'BAD_DATA',
          `${locate({ file, row, line })}: expected texts with a tab between them, got ${show(content)}`,
        )
      }
      const values = Object.fromEntries(fields.map((field, i) => [String(i + 1), field]))
      yield { file, row, line, values: values as Record<string, unknown> }
    }
  }
}

const nameOf = (source: Source) => (typeof source === 'string' ? source : source.name)

/** Takes pairs in and looks that both texts are there. */
class Collector {
  readonly #sources: string[] = []
  readonly #targets: string[] = []
  readonly #places: Place[] = []
  readonly #skipMissing: boolean
  #lacking = 0
  #firstLack = ''

  constructor(skipMissing = false) {
    this.#skipMissing = skipMissing
  }

  add(texts: readonly unknown[], places: readonly Place[], columns?: readonly string[]): void {
    const what = (i: number) => {
      const column = columns ? ` (column '${columns[i]}')` : ''
      return `${locate(places[i])}: the ${i === 0 ? 'source' : 'target'}${column}`
    }
    const lack = texts.findIndex(
      (text) => text === undefined || text === null || (typeof text === 'string' && !text.trim()),
    )
    if (lack >= 0) {
      this.#firstLack ||= `${what(lack)} is ${typeof texts[lack] === 'string' ? 'empty' : 'missing'}`
      this.#lacking++
      return
    }
    const other = texts.findIndex((text) => typeof text !== 'string')
    if (other >= 0) {
      throw new RefrainError(
        'BAD_DATA',
        `${what(other)}: expected a text, got ${show(texts[other])}`,
      )
    }
    this.#sources.push((texts[0] as string).trim())
    this.#targets.push((texts[1] as string).trim())
    this.#places.push(places[0])
  }

  pairs(files: string): Pairs {
    const rows = this.#lacking + this.#sources.length
    if (rows === 0) throw new RefrainError('BAD_DATA', `${files}: there are no texts in it`)
    if (this.#lacking > 0 && (!this.#skipMissing || this.#sources.length === 0)) {
      throw new RefrainError(
        'BAD_DATA',
        this.#lacking === 1
          ? this.#firstLack
          : `${this.#firstLack}, as in ${this.#lacking} of ${rows} rows`,
        this.#skipMissing
          ? 'No rows are left'
          : 'Fill in what lacks, remove such rows or use --skip-missing (skipMissing)',
      )
    }
    const places = this.#places
    return {
      sources: this.#sources,
      targets: this.#targets,
      skipped: this.#lacking,
      where: (i) => locate(places[i]),
    }
  }
}
