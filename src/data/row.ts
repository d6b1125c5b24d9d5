/** A row of a table, and how an error message says where it is. */
import { RefrainError, show } from '../errors.ts'
import { nearest } from '../util/check.ts'

/** Where a row comes from. */
export interface Place {
  /** The file, as it was named. */
  file: string
  /**
   * The row's number in its file (in a folder: in the folder), counted from 1, without the header
   * and blank lines. In a spreadsheet, which counts the header, the row is one further down.
   */
  row: number
  /** The line on which the row begins, counted from 1; of a folder's rows, each a file, undefined. */
  line?: number
}

/** A row and where it comes from. */
export interface TableRow extends Place {
  values: Record<string, unknown>
}

/** Whether a row is a file in a folder. */
export const isOfFolder = ({ line }: Place) => line === undefined

/** "reviews.csv, row 3 (line 4)"; the line only where it helps: a JSON array often has just one. */
export function locate(place: Place): string {
  const { file, row, line } = place
  if (isOfFolder(place)) return file
  return line === row || line === 1 ? `${file}, row ${row}` : `${file}, row ${row} (line ${line})`
}

/** Fails on a value that is no row. */
export function checkRow(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected an object of columns, got ${show(value)}`,
      'Write each row as {"column": value, …}',
    )
  }
  return value as Record<string, unknown>
}

/** Fails if the first row lacks a column; `what` is the option that names it. */
export function checkColumn(
  what: string,
  column: string,
  values: Record<string, unknown>,
  file: string,
  format: string | undefined,
): void {
  if (Object.hasOwn(values, column)) return
  const columns = Object.keys(values)
  const close = nearest(column, columns)
  const known = columns.slice(0, 20).join(', ') + (columns.length > 20 ? ', …' : '')
  const hasHeader = /^[ct]sv$/.test(format ?? '') || /\.[ct]sv(\.gz)?$/i.test(file)
  throw new RefrainError(
    'BAD_DATA',
    `${file}: there is no column '${column}'`,
    close
      ? `did you mean '${close}'?`
      : `Name the column with --${what}; known: ${known}` +
          `${hasHeader ? '. Or is the first line no header?' : ''}`,
  )
}
