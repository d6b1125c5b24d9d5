/**
 * The adding problem (Hochreiter & Schmidhuber 1997): T steps of a random number and a mark, and two of the
 * steps are marked, one in either half. Wanted is the sum of the two marked numbers, at the end.
 */

/** Sequences and their sums. */
export interface Sums {
  /** [B,T,2]: a number from 0 to 1, and 1 where it counts. */
  readonly x: number[][][]
  /** [B] */
  readonly y: number[]
}

/** As many sequences as `rows`, each of `steps` steps; the same seed gives the same. */
export function addingProblem(rows: number, steps: number, seed: number): Sums {
  const random = mulberry32(seed)
  const half = steps / 2
  const x: number[][][] = []
  const y: number[] = []
  for (let row = 0; row < rows; row++) {
    const first = Math.floor(random() * half)
    const second = Math.floor(half + random() * half)
    const sequence = Array.from({ length: steps }, (_, t) => [
      random(),
      Number(t === first || t === second),
    ])
    x.push(sequence)
    y.push(sequence[first][0] + sequence[second][0])
  }
  return { x, y }
}

/** Tommy Ettinger's generator of 32 bits: numbers from 0 to 1. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
