/** Matrices as lists of rows, and a model's weights as matrices with names: plumbing of what is written by hand. */
import { Random } from '../../src/tensor/random.ts'

/** Rows of numbers. */
export type Matrix = number[][]

/** A model's weights, or their gradients, by name. */
export type Matrices = Record<string, Matrix>

/** Numbers of a normal distribution around 0, the same for the same seed. */
export function normals(seed: number, deviation: number): () => number {
  const random = new Random(seed, 'weights by hand')
  return () => deviation * random.normal()
}

/** A matrix [rows, columns] of what `value` gives. */
export const matrix = (rows: number, columns: number, value: () => number = () => 0): Matrix =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, value))

/** Each number of each matrix, changed. */
export function mapAll(of: Matrices, change: (value: number) => number): Matrices {
  const entries = Object.entries(of)
  return Object.fromEntries(
    entries.map(([name, rows]) => [name, rows.map((row) => row.map(change))]),
  )
}

/** to += factor · of, for each matrix. */
export function addAll(to: Matrices, of: Matrices, factor = 1): void {
  for (const [name, rows] of Object.entries(of)) {
    rows.forEach((row, i) => {
      addTo(to[name][i], row, factor)
    })
  }
}

/** to += factor · of. */
export function addTo(to: number[], of: readonly number[], factor = 1): void {
  for (let i = 0; i < to.length; i++) to[i] += factor * of[i]
}

/** Σ a_i·b_i. */
export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

/** The root of the sum of squares. */
export const norm = (of: ArrayLike<number>): number =>
  Math.sqrt(Array.from(of).reduce((sum, value) => sum + value * value, 0))

/** The largest |a_i − b_i|. */
export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

/** Numbers of one row after the other → matrix, [n,m]; a vector, [m], → [1,m]. */
export const rowsOf = (data: ArrayLike<number>, columns: number): Matrix =>
  Array.from({ length: data.length / columns }, (_, row) =>
    Array.from({ length: columns }, (_, j) => data[row * columns + j]),
  )
