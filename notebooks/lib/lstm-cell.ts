/**
 * Matrices by rows, with which notebooks 02 and 05 write an LSTM's equations down as they stand in a lecture: each
 * function gives a new matrix. B, the rows of a batch; I, inputs; U, units.
 */
import { type Matrix, matrix } from './matrices.ts'

/** a·b: [n,k] and [k,m] → [n,m]. */
export const mul = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)))

/** [n,m] → [m,n]. */
export const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]))

/** The sum of matrices of one shape; one of a single row is added to all rows, as a bias is. */
export const add = (...of: readonly Matrix[]): Matrix =>
  of.reduce((a, b) => a.map((row, r) => row.map((value, j) => value + b[b.length > 1 ? r : 0][j])))

/** The product of matrices of one shape, element by element: ⊙. */
export const times = (...of: readonly Matrix[]): Matrix =>
  of.reduce((a, b) => a.map((row, r) => row.map((value, j) => value * b[r][j])))

/** 1 - a. */
export const oneMinus = (a: Matrix): Matrix => map(a, (value) => 1 - value)

/** a², element by element. */
export const square = (a: Matrix): Matrix => times(a, a)

/** factor · a. */
export const scaled = (a: Matrix, factor: number): Matrix => map(a, (value) => value * factor)

/** σ(a). */
export const sigmoid = (a: Matrix): Matrix => map(a, (value) => 1 / (1 + Math.exp(-value)))

/** tanh(a). */
export const tanh = (a: Matrix): Matrix => map(a, Math.tanh)

/** [n,m], [n,k], … → [n,m+k+…]: side by side. */
export const beside = (...of: readonly Matrix[]): Matrix =>
  of[0].map((_, r) => of.flatMap((a) => a[r]))

/** [n,4U] → four of [n,U]. */
export function quarters(a: Matrix): Matrix[] {
  const units = a[0].length / 4
  return [0, 1, 2, 3].map((k) => a.map((row) => row.slice(k * units, (k + 1) * units)))
}

/** [n,m] → [1,m]: what a bias's gradient is made of. */
export const sumRows = (a: Matrix): Matrix => [
  a[0].map((_, j) => a.reduce((s, row) => s + row[j], 0)),
]

/** [n,m] of zeros. */
export const zeros = (rows: number, columns: number): Matrix => matrix(rows, columns)

/** ‖a‖ over all elements of all matrices together. */
export const globalNorm = (...of: readonly Matrix[]): number =>
  Math.sqrt(of.flat(2).reduce((sum, value) => sum + value * value, 0))

/**
 * The derivatives of `loss` by each weight, [n,m] each, by central differences: two evaluations a weight, so
 * for small ones only. The weights are changed and put back.
 */
export function numericalGradients(
  weights: Readonly<Record<string, Matrix>>,
  loss: () => number,
  step = 1e-5,
): Record<string, Matrix> {
  const derivative = (row: number[], j: number) => {
    const value = row[j]
    const at = (moved: number) => {
      row[j] = moved
      return loss()
    }
    const slope = (at(value + step) - at(value - step)) / (2 * step)
    row[j] = value
    return slope
  }
  const entries = Object.entries(weights)
  return Object.fromEntries(
    entries.map(([name, rows]) => [name, rows.map((row) => row.map((_, j) => derivative(row, j)))]),
  )
}

/** A row of a table of comparisons: what, how many numbers, and whether none differs by more than `within`. */
export function compare(
  what: string,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  within = 1e-5,
): [string, number, string] {
  const all = Array.from(a, (value, i) => Math.abs(value - b[i]))
  const same = a.length === b.length && all.every((difference) => difference <= within)
  return [what, a.length, same ? `to ${within.toExponential()}` : `no: ${Math.max(...all)}`]
}

const map = (a: Matrix, of: (value: number) => number): Matrix => a.map((row) => row.map(of))
