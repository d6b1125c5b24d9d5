/** Translates batches of sources: reads them once, then goes on piece by piece, all hypotheses at a time. */
import { Subwords } from '../../data/subwords.ts'
import { Arena } from '../../tensor/arena.ts'
import { Context } from '../../tensor/context.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { Beam, type BeamOptions, type Hypothesis } from './beam.ts'
import type { Network } from './network.ts'

/** How batches are decoded. */
export interface DecodeOptions extends BeamOptions {
  /** Most pieces of a translation of n source pieces: this · n + 10. */
  readonly maxRatio: number
  /** Whether to note where each step looked. */
  readonly attention: boolean
}

/** A translation's pieces and, if wanted, where each piece and the end looked: [pieces, S]. */
export interface Decoded extends Hypothesis {
  readonly attention: Float32Array[] | null
}

/** Decodes in its own memory, which grows to what the largest batch needs. */
export class Decoder {
  readonly #network: Network
  /** Of a batch; and of two steps in turn, as each reads the states that the one before made. */
  readonly #batch: Arena
  readonly #steps: readonly [Arena, Arena]

  constructor(network: Network) {
    this.#network = network
    const arena = () => new Arena(network.model.backend.heap)
    this.#batch = arena()
    this.#steps = [arena(), arena()]
  }

  /** The best translations of each source, which is at least one piece. */
  decode(sources: readonly Int32Array[], options: DecodeOptions): Decoded[][] {
    const { model } = this.#network
    const { backend } = model
    model.parameters.bringHome()
    const { beam, attention } = options
    const [sentences, rows] = [sources.length, sources.length * beam]
    const beams = new Beam(
      sources.map((ids) => Math.ceil(options.maxRatio * ids.length) + 10),
      options,
    )
    this.#batch.reset()
    const ctx = new Context(backend, this.#batch)
    const { memory, h, c } = this.#network.encode(ctx, this.#padded(sources))
    const keys = memory.values.shape[1]
    const ids = this.#batch.tensor([rows, 1], 'int32')
    const parents = this.#batch.tensor([rows], 'int32')
    ids.ints.fill(Subwords.start)
    // All hypotheses of a sentence begin with its states.
    parents.ints.set(Int32Array.from({ length: rows }, (_, row) => Math.floor(row / beam)))
    const spread = (from: Tensor, own: Context) => {
      const to = own.empty([rows, from.shape[1]])
      own.kernels.gather(from.values, parents.ints, to.values, rows, from.shape[1])
      return to
    }
    let [h0, c0, fed]: (Tensor | null)[] = [spread(h, ctx), spread(c, ctx), null]
    const looked: Float32Array[] = []
    for (let step = 0; beams.open; step++) {
      const arena = this.#steps[step % 2]
      arena.reset()
      const own = new Context(backend, arena)
      const state = { h: h0!, c: c0!, fed }
      const { logs, state: after, scores } = this.#network.step(own, ids, memory, state)
      if (attention) looked.push(Float32Array.from(scores.values))
      beams.advance(logs.values, ids.ints, parents.ints)
      ;[h0, c0, fed] = [after.h, after.c, after.fed].map((tensor) => tensor && spread(tensor, own))
    }
    return Array.from({ length: sentences }, (_, s) =>
      beams.result(s).map((found) => ({
        ...found,
        attention: attention
          ? found.rows.map((row, t) => looked[t].slice(row * keys, row * keys + sources[s].length))
          : null,
      })),
    )
  }

  #padded(sources: readonly Int32Array[]): Tensor {
    const longest = sources.reduce((most, { length }) => Math.max(most, length), 1)
    const ids = this.#batch.tensor([sources.length, longest], 'int32')
    ids.ints.fill(Subwords.padding)
    sources.forEach((source, s) => {
      ids.ints.set(source, s * longest)
    })
    return ids
  }
}
