/** The data of the classic problems, from seeded random numbers. */
import { Random } from '../../src/tensor/random.ts'

export interface Sequences {
  readonly x: { shape: number[]; data: Float32Array }
  readonly y: { shape: number[]; data: Float32Array | Int32Array }
}

/**
 * The adding problem (Hochreiter & Schmidhuber 1997, experiment 4): at each of T steps a number
 * within [0, 1] and a marker; two steps are marked, one in either half. The target is the sum of the
 * two marked numbers. To say 1 always has a mean squared error of 1/6.
 */
export function adding(rows: number, steps: number, seed: number): Sequences {
  const random = new Random(seed, 'adding')
  const x = new Float32Array(rows * steps * 2)
  const y = new Float32Array(rows)
  const half = steps >> 1
  for (let row = 0; row < rows; row++) {
    const at = row * steps
    const marked = [random.below(half), half + random.below(steps - half)]
    for (let t = 0; t < steps; t++) x[2 * (at + t)] = random.uniform()
    for (const t of marked) {
      x[2 * (at + t) + 1] = 1
      y[row] += x[2 * (at + t)]
    }
  }
  return { x: { shape: [rows, steps, 2], data: x }, y: { shape: [rows, 1], data: y } }
}

/**
 * A symbol to be copied over a long time lag (Hochreiter & Schmidhuber 1997, experiment 2): the
 * first step shows one of `symbols`, the `lag` steps after it show one of as many distractors each,
 * and then the first symbol is asked for. Chance is log(symbols).
 */
export function copying(rows: number, lag: number, symbols: number, seed: number): Sequences {
  const random = new Random(seed, 'copying')
  const [steps, width] = [lag + 1, 2 * symbols]
  const x = new Float32Array(rows * steps * width)
  const y = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    y[row] = random.below(symbols)
    x[row * steps * width + y[row]] = 1
    for (let t = 1; t < steps; t++)
      x[(row * steps + t) * width + symbols + random.below(symbols)] = 1
  }
  return { x: { shape: [rows, steps, width], data: x }, y: { shape: [rows], data: y } }
}
