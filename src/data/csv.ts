/** Rows of CSV and TSV text. Quoting is left to the package csv-parse. */
import { pipeline, Readable } from 'node:stream'
import { RefrainError } from '../errors.ts'
import type { TableRow } from './row.ts'

type Rows = AsyncGenerator<Omit<TableRow, 'file'>>

/** Rows of CSV text with a header; see `readTable` for what is accepted. */
export async function* readCsv(text: AsyncIterable<string>, name: string): Rows {
  const { header, all } = await peekLine(text)
  const delimiter = header.includes(',') ? ',' : header.includes(';') ? ';' : '\t'
  const hint =
    delimiter === '\t'
      ? 'Quote a field that holds a tab or a line break'
      : `Quote a field that holds a '${delimiter}': "like${delimiter} this"`
  yield* readSeparated(all, name, { delimiter, relax_quotes: true }, hint)
}

/** Rows of TSV text with a header; see `readTable` for what is accepted. */
export async function* readTsv(text: AsyncIterable<string>, name: string): Rows {
  const rows = readSeparated(
    text,
    name,
    { delimiter: '\t', quote: false },
    'Remove tabs and line breaks from the fields, or save it as CSV',
  )
  for await (const { values, ...row } of rows) {
    const plain = Object.entries(values).map(([column, value]) => [column, unquote(String(value))])
    yield { ...row, values: Object.fromEntries(plain) }
  }
}

/** "a ""b""" → a "b"; a field with a lone quote is left as it is. */
function unquote(field: string): string {
  if (field.length < 2 || !field.startsWith('"') || !field.endsWith('"')) return field
  const inside = field.slice(1, -1)
  return inside.replaceAll('""', '').includes('"') ? field : inside.replaceAll('""', '"')
}

async function* readSeparated(
  text: AsyncIterable<string>,
  name: string,
  options: object,
  raggedHint: string,
): Rows {
  const { parse } = await import('csv-parse')
  const parser = parse({
    ...options,
    record_delimiter: '\n',
    skip_empty_lines: true,
    relax_column_count: true,
    info: true,
  })
  let header: string[] | undefined
  let row = 0
  let line = 1
  let blankLines = 0
  try {
    // `pipeline` passes errors on; the loop raises them.
    for await (const { record, info } of pipeline(Readable.from(text), parser, () => {})) {
      line += info.empty_lines - blankLines
      blankLines = info.empty_lines
      if (!header) header = checkHeader(record, name)
      else {
        row++
        if (record.length !== header.length) {
          throw new RefrainError(
            'BAD_DATA',
            `${name}, row ${row} (line ${line}): ${record.length} fields, but the header has ` +
              `${header.length}`,
            raggedHint,
          )
        }
        const values = Object.fromEntries(header.map((column, i) => [column, record[i]]))
        yield { row, line, values }
      }
      line = info.lines + 1
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'CSV_QUOTE_NOT_CLOSED') throw error
    throw new RefrainError(
      'BAD_DATA',
      `${name}, ${header ? `row ${row + 1}` : 'header'} (line ${line}): a quote opens a field and ` +
        'nothing closes it',
      'Close it, or double a quote that belongs to the text: ""',
      { cause: error },
    )
  }
  if (!header) throw new RefrainError('BAD_DATA', `${name}: the file is empty`)
}

function checkHeader(columns: string[], name: string): string[] {
  const trimmed = columns.map((column) => column.trim())
  const twice = trimmed.find((column, i) => trimmed.indexOf(column) !== i)
  if (twice !== undefined) {
    throw new RefrainError('BAD_DATA', `${name}: its header has the column '${twice}' twice`)
  }
  return trimmed
}

/** The first line that is not blank, and the whole text with that line still in it. */
async function peekLine(text: AsyncIterable<string>) {
  const pieces = text[Symbol.asyncIterator]()
  let start = ''
  let done = false
  while (!done && !/\S.*\n/.test(start)) {
    const next = await pieces.next()
    done = next.done === true
    if (!done) start += next.value
  }
  async function* all() {
    yield start
    while (!done) {
      const next = await pieces.next()
      if (next.done) return
      yield next.value
    }
  }
  return { header: /\S.*/.exec(start)?.[0] ?? '', all: all() }
}
