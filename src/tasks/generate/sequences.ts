/** Texts as rows of training data: each a sequence of its own, or all as one stream cut into rows. */
import { Symbols } from './symbols.ts'

/** Rows of ids, and what comes next after each. */
export interface Sequences {
  readonly x: Int32Array[]
  readonly y: Int32Array[]
  /** Symbols that are predicted. */
  readonly count: number
}

const { boundary } = Symbols

/** Every text from the boundary before it to the one after it. */
export function documentRows(texts: readonly ArrayLike<number>[]): Sequences {
  const x: Int32Array[] = []
  const y: Int32Array[] = []
  let count = 0
  for (const ids of texts) {
    const whole = new Int32Array(ids.length + 2).fill(boundary)
    whole.set(ids, 1)
    x.push(whole.subarray(0, -1))
    y.push(whole.subarray(1))
    count += ids.length + 1
  }
  return { x, y, count }
}

/** All texts with boundaries between them, the first one before, and the last one after if `closed`. */
export function joined(texts: readonly ArrayLike<number>[], closed: boolean): Int32Array {
  const length = texts.reduce((sum, ids) => sum + ids.length + 1, closed ? 1 : 0)
  const stream = new Int32Array(length).fill(boundary)
  let at = 1
  for (const ids of texts) {
    stream.set(ids, at)
    at += ids.length + 1
  }
  return stream
}

/**
 * A stream cut into `rows` sequences of equal length, side by side; fewer than `rows` symbols at its end
 * are left out.
 */
export function streamRows(stream: Int32Array, rows: number): Sequences {
  const steps = Math.floor((stream.length - 1) / rows)
  const cut = (from: number) =>
    Array.from({ length: rows }, (_, row) =>
      stream.subarray(from + row * steps, from + (row + 1) * steps),
    )
  return { x: cut(0), y: cut(1), count: rows * steps }
}

/** How many rows: as many as a batch has, but such that each has several windows. */
export const rowsFor = (length: number, windows: number, steps: number, most: number) =>
  Math.max(1, Math.min(most, Math.floor((length - 1) / (windows * steps))))
