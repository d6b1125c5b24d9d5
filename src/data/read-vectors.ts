/** Reads rows of numbers: what is known, and what is to be told from it. Node only. */
import { RefrainError } from '../errors.ts'
import { checkOptions, nearest } from '../util/check.ts'
import { numberOf } from './number.ts'
import { locate } from './row.ts'
import type { Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'

/** Options of {@link readVectors}. */
export interface ReadVectorsOptions {
  /** The columns with what is to be told. Default: the last one; none with an empty list. */
  targets?: readonly string[]
  /** The columns to tell it from. Default: every other column. */
  inputs?: readonly string[]
  /** Leave out rows without a number instead of failing. Default: false. */
  skipMissing?: boolean
  /** The format of sources whose name does not tell it. */
  format?: TableFormat
}

/** Rows of numbers, in the order of the sources. */
export interface VectorTable {
  inputs: number[][]
  targets: number[][]
  /** The columns' names. */
  columns: { inputs: string[]; targets: string[] }
  /** Rows left out by `skipMissing`. */
  skipped: number
}

/**
 * Reads CSV, TSV, JSON and JSON lines files of numbers; see {@link readTable} for the formats. Throws
 * `BAD_DATA`, with the file and row, for an unknown column, and for a cell that holds no number.
 */
export async function readVectors(
  sources: Source | readonly Source[],
  options: ReadVectorsOptions = {},
): Promise<VectorTable> {
  checkOptions('readVectors', options, ['targets', 'inputs', 'skipMissing', 'format'])
  const { skipMissing = false, format } = options
  const table: VectorTable = {
    inputs: [],
    targets: [],
    columns: { inputs: [], targets: [] },
    skipped: 0,
  }
  let known = false
  for await (const { values, ...place } of readTable(sources, { format })) {
    if (!known) {
      const all = Object.keys(values)
      const targets = [...(options.targets ?? all.slice(-1))]
      const inputs = [...(options.inputs ?? all.filter((name) => !targets.includes(name)))]
      table.columns = { inputs, targets }
      known = true
    }
    const { inputs, targets } = table.columns
    if (place.row === 1) {
      const lost = [...inputs, ...targets].find((name) => !Object.hasOwn(values, name))
      if (lost !== undefined) {
        const close = nearest(lost, Object.keys(values))
        throw new RefrainError(
          'BAD_DATA',
          `${place.file}: there is no column '${lost}'`,
          close ? `did you mean '${close}'?` : `Known: ${Object.keys(values).join(', ')}`,
        )
      }
    }
    const read = (names: readonly string[]) =>
      names.map((name) => numberOf(values[name], name, place, hint))
    const [x, y] = [read(inputs), read(targets)]
    const lack = [...x, ...y].findIndex((number) => Number.isNaN(number))
    if (lack >= 0) {
      if (!skipMissing) {
        throw new RefrainError(
          'BAD_DATA',
          `${locate(place)}: there is no number in the column '${[...inputs, ...targets][lack]}'`,
          'Fill it in, or leave such rows out with --skip-missing (skipMissing)',
        )
      }
      table.skipped++
      continue
    }
    table.inputs.push(x)
    table.targets.push(y)
  }
  if (table.inputs.length === 0) {
    throw new RefrainError('BAD_DATA', 'no rows are left', 'Every row lacks a number')
  }
  return table
}

const hint = 'Name the columns with numbers with --inputs and --target (inputs, targets)'
