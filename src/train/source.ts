/** Where an epoch's steps take their rows: from data in memory, or from batches made on the way. */
import { epochBatches } from '../data/batches.ts'
import { RefrainError } from '../errors.ts'
import type { TrainingData } from './plan.ts'
import { lengthsOf, type Piece, piecesOf } from './windows.ts'

/** Gives the pieces of one epoch after the other. */
export interface Source {
  /** Rows of an epoch; null: it ends when the batches do. */
  readonly rows: number | null
  /** Pieces of an epoch; null: not known yet. */
  readonly steps: number | null
  /** Goes to a step of an epoch; the rows of the steps before it are the result. */
  begin(epoch: number, step: number): number | Promise<number>
  /** The epoch's next piece, or null at its end. */
  next(): Piece | null | Promise<Piece | null>
  /** Gives back what it holds open. */
  close?(): Promise<void>
}

/** Rows that a piece is the last to see. */
export const seenBy = ({ rows, last }: Piece): number => (last ? rows.length : 0)

/** Data in memory, in its order or shuffled anew for each epoch. */
export class Rows implements Source {
  readonly rows: number
  steps: number
  readonly #piecesOf: (epoch: number) => Piece[]
  #pieces: Piece[] = []
  #step = 0

  /** @param seed of the order; null: as it lies there */
  constructor(
    data: TrainingData,
    batchSize: number,
    seed: number | null = null,
    bpttSteps: number | null = null,
  ) {
    const lengths = lengthsOf(data)
    this.rows = lengths.rows
    this.steps = Math.ceil(lengths.rows / batchSize)
    this.#piecesOf = (epoch) =>
      piecesOf(data, epochBatches(lengths, batchSize, seed, epoch), bpttSteps)
  }

  begin(epoch: number, step: number): number {
    this.#pieces = this.#piecesOf(epoch)
    this.steps = this.#pieces.length
    this.#step = step
    return this.#pieces.slice(0, step).reduce((sum, piece) => sum + seenBy(piece), 0)
  }

  next(): Piece | null {
    return this.#pieces[this.#step++] ?? null
  }
}

/** Makes batches; `round`: how often they were used up before. */
export type MakeBatches<T> = (
  round: number,
) => Iterable<T> | AsyncIterable<T> | Promise<Iterable<T> | AsyncIterable<T>>

const atItsEnd = () =>
  new RefrainError(
    'BAD_DATA',
    'fit: expected a batch, the generator is at its end',
    'give a function that makes a new one for each epoch',
  )

/** Batches that are made on the way, each a step. */
export class Stream<T> implements Source {
  readonly rows = null
  steps: number | null
  readonly #make: MakeBatches<T>
  readonly #stepsPerEpoch: number | null
  readonly #dataOf: (batch: T, place: string) => TrainingData
  #pieces = this.#read(0)
  #first: Piece | null = null
  /** Epochs that have begun. */
  #epochs = 0

  /**
   * @param stepsPerEpoch an epoch has so many batches, and the next goes on from there; null: all
   * @param dataOf checks a batch; `place` stands in errors
   */
  constructor(
    make: MakeBatches<T>,
    stepsPerEpoch: number | null,
    dataOf: (batch: T, place: string) => TrainingData,
  ) {
    this.#make = make
    this.#stepsPerEpoch = stepsPerEpoch
    this.#dataOf = dataOf
    this.steps = stepsPerEpoch
  }

  async *#read(round: number): AsyncGenerator<Piece | null, void> {
    let steps = 0
    const end = () => {
      this.steps = steps
      steps = 0
      return null
    }
    for (; ; round++) {
      let batches = 0
      for await (const batch of await this.#make(round)) {
        const data = this.#dataOf(batch, `fit batch ${++batches}`)
        const order = Int32Array.from({ length: lengthsOf(data).rows }, (_, row) => row)
        steps++
        yield piecesOf(data, [order], null)[0]
        if (steps === this.#stepsPerEpoch) yield end()
      }
      if (batches === 0) throw atItsEnd()
      if (!this.#stepsPerEpoch) yield end()
    }
  }

  /** Reads the first batch before its turn. */
  async open(): Promise<void> {
    this.#first = await this.next()
  }

  async begin(epoch: number, step: number): Promise<number> {
    // A resumed run reads again what came before, as far as it must.
    if (!this.#stepsPerEpoch && this.#epochs < epoch) {
      await this.close()
      this.#pieces = this.#read(epoch)
      this.#epochs = epoch
    }
    for (; this.#epochs < epoch; this.#epochs++) while (await this.next());
    this.#epochs++
    let rows = 0
    for (let i = 0; i < step; i++) {
      const piece = await this.next()
      if (!piece) throw atItsEnd()
      rows += piece.rows.length
    }
    return rows
  }

  async next(): Promise<Piece | null> {
    const first = this.#first
    this.#first = null
    return first ?? (await this.#pieces.next()).value ?? null
  }

  async close(): Promise<void> {
    this.#first = null
    await this.#pieces.return()
  }
}
