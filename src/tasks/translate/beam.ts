/**
 * Which hypotheses a beam search keeps. It knows numbers alone: every step it is given the logarithms
 * of the next pieces' probabilities and says which piece follows which hypothesis.
 */
import { Subwords } from '../../data/subwords.ts'

/** How hypotheses are chosen. */
export interface BeamOptions {
  /** Hypotheses that are followed at a time, K; 1 takes the likeliest piece at each step. */
  readonly beam: number
  /** A hypothesis of n pieces counts as its log probability / n^this; 0 prefers short ones. */
  readonly lengthPenalty: number
  /** Most hypotheses that a sentence ends with, the best ones; at most K. */
  readonly nBest: number
}

/** A hypothesis that has ended: its pieces and where each one's step came from. */
export interface Hypothesis {
  readonly ids: number[]
  /** For each piece, and the end if it came, the row of its step. */
  readonly rows: number[]
  /** Its log probability by its length, the end counted. */
  readonly score: number
}

interface Finished {
  readonly score: number
  readonly logProbability: number
  readonly step: number
  readonly row: number
  readonly ended: boolean
}

/** The hypotheses of B sentences, K rows each, one after the other. */
export class Beam {
  readonly #sentences: number
  readonly #options: BeamOptions
  /** Most pieces of each sentence. */
  readonly #limits: Int32Array
  /** The piece that each step put on each row, and the row that it was put behind. */
  readonly #pieces: Int32Array
  readonly #parents: Int32Array
  #scores: Float64Array
  #next: Float64Array
  readonly #finished: Finished[][]
  readonly #open: Uint8Array
  #step = 0
  /** The best candidates of a sentence: scores, rows, pieces. */
  readonly #best: { scores: Float64Array; rows: Int32Array; pieces: Int32Array }

  constructor(limits: ArrayLike<number>, options: BeamOptions) {
    const sentences = limits.length
    const { beam } = options
    this.#sentences = sentences
    this.#options = options
    this.#limits = Int32Array.from(limits)
    const rows = sentences * beam
    this.#pieces = new Int32Array(rows * this.longest)
    this.#parents = new Int32Array(rows * this.longest)
    this.#scores = new Float64Array(rows).fill(-Infinity)
    // All rows of a sentence begin alike, so at first only one counts.
    for (let s = 0; s < sentences; s++) this.#scores[s * beam] = 0
    this.#next = new Float64Array(rows)
    this.#finished = Array.from({ length: sentences }, () => [])
    this.#open = new Uint8Array(sentences).fill(1)
    this.#best = {
      scores: new Float64Array(2 * beam),
      rows: new Int32Array(2 * beam),
      pieces: new Int32Array(2 * beam),
    }
  }

  /** Most steps that there can be. */
  get longest(): number {
    return this.#limits.reduce((most, limit) => Math.max(most, limit), 1)
  }

  /** Whether any sentence goes on. */
  get open(): boolean {
    return this.#open.includes(1)
  }

  /**
   * Takes the next pieces' log probabilities [B·K,V] and writes the pieces that follow, and for each row
   * the row that it goes on from.
   */
  advance(logs: ArrayLike<number>, pieces: Int32Array, parents: Int32Array): void {
    const { beam } = this.#options
    const rows = this.#sentences * beam
    const size = logs.length / rows
    for (let s = 0; s < this.#sentences; s++) {
      const first = s * beam
      if (this.#open[s]) this.#follow(s, logs, size, pieces, parents)
      else {
        for (let row = first; row < first + beam; row++) {
          pieces[row] = Subwords.end
          parents[row] = row
        }
      }
    }
    this.#pieces.set(pieces, this.#step * rows)
    this.#parents.set(parents, this.#step * rows)
    ;[this.#scores, this.#next] = [this.#next, this.#scores]
    this.#step++
  }

  #follow(
    s: number,
    logs: ArrayLike<number>,
    size: number,
    pieces: Int32Array,
    parents: Int32Array,
  ): void {
    const { beam, lengthPenalty } = this.#options
    const first = s * beam
    const count = this.#candidates(first, logs, size)
    const best = this.#best
    const length = this.#step + 1
    const last = length >= this.#limits[s]
    const norm = length ** lengthPenalty
    const finished = this.#finished[s]
    let kept = 0
    for (let i = 0; i < count && kept < beam; i++) {
      const ended = best.pieces[i] === Subwords.end
      const logProbability = best.scores[i]
      if (ended || last) {
        // An end that is not among the best K is no end yet.
        if (i >= beam) continue
        const score = logProbability / norm
        finished.push({
          score,
          logProbability,
          step: ended ? this.#step : this.#step + 1,
          row: ended ? best.rows[i] : first + kept,
          ended,
        })
        if (ended) continue
      }
      pieces[first + kept] = best.pieces[i]
      parents[first + kept] = best.rows[i]
      this.#next[first + kept] = logProbability
      kept++
    }
    for (; kept < beam; kept++) {
      pieces[first + kept] = Subwords.end
      parents[first + kept] = first
      this.#next[first + kept] = -Infinity
    }
    if (last || finished.length >= beam) this.#open[s] = 0
  }

  /** The best 2K ways to go on, best first; of equal ones the first row's and the smallest piece. */
  #candidates(first: number, logs: ArrayLike<number>, size: number): number {
    const { beam } = this.#options
    const { scores, rows, pieces } = this.#best
    let count = 0
    let least = -Infinity
    for (let row = first; row < first + beam; row++) {
      const own = this.#scores[row]
      if (own === -Infinity) continue
      const at = row * size
      // Padding, the unknown and the start follow nothing.
      for (let piece = Subwords.end; piece < size; piece++) {
        const score = own + logs[at + piece]
        if (score <= least) continue
        let place = count < 2 * beam ? count++ : count - 1
        for (; place > 0 && scores[place - 1] < score; place--) {
          scores[place] = scores[place - 1]
          rows[place] = rows[place - 1]
          pieces[place] = pieces[place - 1]
        }
        scores[place] = score
        rows[place] = row
        pieces[place] = piece
        if (count === 2 * beam) least = scores[count - 1]
      }
    }
    return count
  }

  /** The hypotheses of sentence s, best first. */
  result(s: number): Hypothesis[] {
    const { nBest } = this.#options
    return this.#finished[s]
      .sort((a, b) => b.score - a.score)
      .slice(0, nBest)
      .map((one) => this.#trace(one))
  }

  #trace({ score, step, row, ended }: Finished): Hypothesis {
    const rows = this.#sentences * this.#options.beam
    const ids: number[] = []
    const from: number[] = ended ? [row] : []
    for (let t = step - 1, at = row; t >= 0; t--) {
      ids.push(this.#pieces[t * rows + at])
      at = this.#parents[t * rows + at]
      from.push(at)
    }
    return { ids: ids.reverse(), rows: from.reverse(), score }
  }
}
