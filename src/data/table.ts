/**
 * Reads rows from CSV, TSV, JSON and JSON lines files and from folders of text files, one row at a
 * time, whatever the size of the file. Node only.
 */
import { RefrainError, show } from '../errors.ts'
import { checkOptions } from '../util/check.ts'
import { readCsv, readTsv } from './csv.ts'
import { readFolder } from './folder.ts'
import { readJson, readJsonLines } from './json.ts'
import type { TableRow } from './row.ts'
import { isFolder, openText, type Source } from './source.ts'

/** What {@link readTable} reads. `jsonl`, also called ndjson, has one JSON object a line. */
export type TableFormat = 'csv' | 'tsv' | 'json' | 'jsonl'

const readers = { csv: readCsv, tsv: readTsv, json: readJson, jsonl: readJsonLines }

/**
 * The rows of one or more sources, one after the other.
 *
 * - `.csv`: a header, then rows, quoted as RFC 4180 says; separated by commas, or by semicolons or
 *   tabs if the header has no comma. Values are strings.
 * - `.tsv`: a header, then rows; tabs separate, a quote is an ordinary character unless quotes
 *   enclose the whole field.
 * - `.json`: an array of objects. `.jsonl`, `.ndjson`: one object a line.
 * - each of them with `.gz` behind it.
 * - a folder with a sub-folder for each label, which hold `.txt` files: the columns `text` and
 *   `label`. This is the layout of the public IMDb archive; its `unsup` folder is left out.
 *
 * Text is UTF-8. `format` is needed for streams and for files whose name does not tell.
 * Throws `FILE_NOT_FOUND`, `BAD_FILE` or `BAD_DATA` with the file and the row.
 */
export async function* readTable(
  sources: Source | readonly Source[],
  options: { format?: TableFormat } = {},
): AsyncGenerator<TableRow> {
  checkOptions('readTable', options, ['format'])
  for (const source of Array.isArray(sources) ? (sources as Source[]) : [sources as Source]) {
    const name = typeof source === 'string' ? source : source.name
    if (typeof source === 'string' && (await isFolder(source))) {
      yield* readFolder(source)
      continue
    }
    const read = readers[options.format ?? formatOf(name)]
    if (!read) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `readTable: unknown format ${show(options.format)}`,
        `known: ${Object.keys(readers).join(', ')}`,
      )
    }
    let any = false
    for await (const row of read(openText(source), name)) {
      any = true
      yield { file: name, ...row }
    }
    if (!any) throw new RefrainError('BAD_DATA', `${name}: there are no rows in it`)
  }
}

function formatOf(name: string): TableFormat {
  const ending = /\.(csv|tsv|json|jsonl|ndjson)(\.gz)?$/i.exec(name)?.[1].toLowerCase()
  if (!ending) {
    throw new RefrainError(
      'BAD_FILE',
      `${name}: the name does not tell the format`,
      'Expected .csv, .tsv, .json, .jsonl or .ndjson, each also with .gz, or a folder with a ' +
        'sub-folder for each label',
    )
  }
  return ending === 'ndjson' ? 'jsonl' : (ending as TableFormat)
}
