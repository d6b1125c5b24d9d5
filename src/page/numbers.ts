/** Numbers that people paste into a page: JSON, or lines of a table. */
import { RefrainError, show } from '../errors.ts'

/** A table of texts: the names of its columns, null without a line of them, and its lines. */
export interface Lines {
  readonly names: readonly string[] | null
  readonly rows: readonly (readonly string[])[]
}

const isNumber = (cell: string) => cell !== '' && Number.isFinite(Number(cell))

/** Lines of cells between tabs, semicolons, commas or blanks, whichever of them, in this order, there is. */
export function readLines(text: string): Lines {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  const mark = ['\t', ';', ','].find((one) => lines[0]?.includes(one)) ?? /\s+/
  const rows = lines.map((line) =>
    (typeof mark === 'string' ? line : line.trim()).split(mark).map((cell) => cell.trim()),
  )
  if (rows.length === 0) throw new RefrainError('BAD_DATA', 'expected numbers, got nothing')
  const named = !rows[0].some(isNumber)
  const [names, ...rest] = rows
  const body = named ? rest : rows
  const odd = body.findIndex((row) => row.length !== rows[0].length)
  if (odd >= 0) {
    throw new RefrainError(
      'BAD_DATA',
      `line ${odd + 1 + Number(named)}: expected ${rows[0].length} numbers, got ${body[odd].length}`,
    )
  }
  return { names: named ? names : null, rows: body }
}

/** The number in a cell; `line` counts from 1. Throws `BAD_DATA`. */
export function numberIn(cell: string, line: number): number {
  if (isNumber(cell)) return Number(cell)
  throw new RefrainError('BAD_DATA', `line ${line}: expected a number, got ${show(cell)}`)
}

/** Rows of numbers; of named columns those of these names, in this order, null for all but those left out. */
export function readRows(
  text: string,
  columns: readonly string[] | null,
  leftOut: readonly string[] = [],
): number[][] {
  const { names, rows } = readLines(text)
  const wanted = columns ?? names?.filter((name) => !leftOut.includes(name))
  const at = names && wanted ? wanted.map((name) => columnOf(names, name)) : null
  const first = names ? 2 : 1
  return rows.map((row, i) =>
    (at ? at.map((c) => row[c]) : row).map((cell) => numberIn(cell, i + first)),
  )
}

/** Where a column is. Throws `BAD_DATA`. */
export function columnOf(names: readonly string[], name: string): number {
  const found = names.indexOf(name)
  if (found >= 0) return found
  throw new RefrainError('BAD_DATA', `expected a column '${name}', got ${names.join(', ')}`)
}

/** JSON. Throws `BAD_DATA`. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RefrainError('BAD_DATA', `expected JSON: ${(error as Error).message}`, '', {
      cause: error,
    })
  }
}
