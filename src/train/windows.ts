/** Long sequences cut into windows, for backpropagation through time that is truncated. */
import { type Column, rowLength } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import { sizeOf } from '../util/check.ts'
import type { TrainingData } from './plan.ts'

/** What one step trains on: rows of the data and, of their sequences, the steps `from` to `to` - 1. */
export interface Piece {
  readonly data: TrainingData
  readonly rows: Int32Array
  readonly from: number
  readonly to: number
  /** Whether these rows have no further steps. */
  readonly last: boolean
  /** How many rows there are, or of a window how many steps its rows have. */
  readonly weight: number
}

/** The batches, or each batch's windows of `steps` one after the other. */
export function piecesOf(
  data: TrainingData,
  batches: readonly Int32Array[],
  steps: number | null,
): Piece[] {
  if (steps === null) {
    return batches.map((rows) => ({ data, rows, from: 0, to: 1, last: true, weight: rows.length }))
  }
  const lengths = lengthsOf(data)
  return batches.flatMap((rows) => {
    let longest = 1
    for (const row of rows) longest = Math.max(longest, rowLength(lengths, row))
    const pieces: Piece[] = []
    for (let from = 0; from < longest; from += steps) {
      const to = Math.min(from + steps, longest)
      let weight = 0
      for (const row of rows) {
        weight += Math.max(0, Math.min(rowLength(lengths, row), to) - from)
      }
      pieces.push({ data, rows, from, to, last: to === longest, weight })
    }
    return pieces
  })
}

/** The input whose rows say how long sequences are. */
export const lengthsOf = ({ inputs }: TrainingData): Column =>
  inputs.find((column) => column.offsets) ?? inputs[0]

/** Fails unless inputs and targets are sequences of the same lengths; weights may be one a row. */
export function checkWindows(
  where: string,
  { inputs: [x, ...more], targets, weights }: TrainingData,
): void {
  const steps = x.offsets ? null : (x.shape[0] ?? 0)
  const fits = ({ offsets, shape }: Column) =>
    offsets ? steps === null : steps !== null && steps > 0 && shape[0] === steps
  const stepwise = weights.filter((column) => column && column.shape.length > 0)
  for (const column of [x, ...more, ...targets, ...stepwise]) {
    if (!column || fits(column)) continue
    throw new RefrainError(
      'BAD_SHAPE',
      `${where} 'bpttSteps': expected sequences with a target for each step, ` +
        `got rows of shape ${show([...x.shape])} and ${show([...column.shape])}`,
    )
  }
}

/** The window of all columns, its rows numbered from 0. */
export function windowData({ data, rows, from, to }: Piece): TrainingData {
  const cut = (column: Column) => windowOf(column, rows, from, to)
  return {
    inputs: data.inputs.map(cut),
    targets: data.targets.map((column) => column && cut(column)),
    weights: data.weights.map((column) => column && cut(column)),
  }
}

/** Steps `from` to `to` - 1 of some rows; those of a ragged column may have none of them. */
function windowOf(column: Column, rows: Int32Array, from: number, to: number): Column {
  const { data, offsets, shape } = column
  const whole = shape.length === 0
  const width = sizeOf(shape.slice(1) as number[])
  const parts = Array.from(rows, (row) => {
    const begin = offsets ? offsets[row] : row * (whole ? 1 : shape[0]!)
    const end = begin + (whole ? 1 : rowLength(column, row))
    const [first, last] = whole ? [begin, end] : [begin + from, Math.min(begin + to, end)]
    return data.subarray(Math.min(first, last) * width, last * width)
  })
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const out = new (data.constructor as Float32ArrayConstructor)(size)
  const starts = new Int32Array(rows.length + 1)
  let at = 0
  parts.forEach((part, i) => {
    out.set(part as Float32Array, at)
    at += part.length
    starts[i + 1] = at / width
  })
  return {
    ...column,
    rows: rows.length,
    shape: whole || offsets ? shape : [to - from, ...shape.slice(1)],
    data: out,
    offsets: offsets && starts,
  }
}
