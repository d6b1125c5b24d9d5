/** Texts to predict from: arguments, columns of tables, or lines on standard input. */
import { stat } from 'node:fs/promises'
import { readTextLines, readTexts } from '../data/examples.ts'
import type { TableFormat } from '../data/table.ts'
import type { Io } from './io.ts'
import type { InputSource } from './task.ts'

/** A text, and the columns to print with it. */
export interface TextItem {
  text: string
  values: Record<string, unknown>
}

/** What standard input may hold, for help. */
export const textLinesHelp = `Standard input: each line is a JSON object with the column of the texts if it begins with {, a text in
JSON if it is a quoted string, else a text as it stands; blank lines are skipped. With --format, a
table of that format.`

/**
 * The texts of a source. `text` is the column of tables; `purpose` stands in the remark on texts that
 * are names of files: 'classify'.
 */
export async function* readTextItems(
  source: InputSource,
  { text, format, purpose, io }: { text?: string; format?: TableFormat; purpose: string; io: Io },
): AsyncGenerator<TextItem> {
  if (source.kind === 'arguments') {
    await remarkOnFiles(source.inputs, purpose, io)
    for (const given of source.inputs) yield { text: given, values: { text: given } }
    return
  }
  const rows =
    source.kind === 'stdin' && !format
      ? readTextLines(source.stdin, { text })
      : readTexts(source.kind === 'files' ? source.files : source.stdin, { text, format })
  for await (const { text, row } of rows) yield { text, values: row.values }
}

/** Says so where a text is the name of a file: `predict model.refrain a.csv`. */
async function remarkOnFiles(texts: readonly string[], purpose: string, io: Io): Promise<void> {
  for (const text of texts.slice(0, 10)) {
    const found = /^\S{1,255}$/.test(text) && (await stat(text).catch(() => undefined))
    if (!found) continue
    io.stderr.write(
      `refrain: '${text}' is a ${found.isDirectory() ? 'folder' : 'file'}, here taken as a text; ` +
        `to ${purpose} what is in it: --file ${text}\n`,
    )
  }
}

/** The input's columns and the result's. An input's column with a result's name gets another one. */
export function withResult(values: Record<string, unknown>, result: Record<string, unknown>) {
  const columns: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) {
    let own = name
    while (own in result || (own !== name && own in values)) own = `input_${own}`
    columns[own] = value
  }
  return { ...columns, ...result }
}
