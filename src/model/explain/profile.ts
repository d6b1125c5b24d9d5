/** Where the time of a step goes: to layers, forward and backward, and to named parts. */
import type { Layer } from '../../layers/layer.ts'
import { Context } from '../../tensor/context.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** A layer, or a part of a step: 'batching', 'loss', 'optimizer'; 'rest' is what no one claims. */
export type Owner = Layer | string

/** Milliseconds. */
export interface Times {
  forward: number
  backward: number
}

/** One step: at any moment exactly one owner runs, so the times add up to the total. */
export interface Lap {
  readonly total: number
  readonly times: ReadonlyMap<Owner, Times>
}

type Direction = keyof Times

/** A stopwatch that is handed from owner to owner. */
export class Profile {
  #times = new Map<Owner, Times>()
  #owner: Owner = 'rest'
  #direction: Direction = 'forward'
  #since = performance.now()

  get owner(): Owner {
    return this.#owner
  }

  /** Runs `work` and charges its time to `owner`, but for what it runs for others. */
  run<T>(owner: Owner, direction: Direction, work: () => T): T {
    const before: [Owner, Direction] = [this.#owner, this.#direction]
    this.#hand(owner, direction)
    try {
      return work()
    } finally {
      this.#hand(...before)
    }
  }

  /** The times since the last lap. */
  lap(): Lap {
    this.#hand(this.#owner, this.#direction)
    const times = this.#times
    this.#times = new Map()
    let total = 0
    for (const { forward, backward } of times.values()) total += forward + backward
    return { total, times }
  }

  #hand(owner: Owner, direction: Direction): void {
    const now = performance.now()
    const times = this.#times.get(this.#owner) ?? { forward: 0, backward: 0 }
    times[this.#direction] += now - this.#since
    this.#times.set(this.#owner, times)
    this.#since = now
    this.#owner = owner
    this.#direction = direction
  }
}

/** Contexts that charge every layer's call, and the way back through its operations, to the layer. */
export function profilingContext(profile: Profile): typeof Context {
  return class extends Context {
    override within<T>(owner: Owner, work: () => T): T {
      return profile.run(owner, 'forward', work)
    }

    override record(
      output: Tensor,
      inputs: readonly (Tensor | null)[],
      backward: () => void,
    ): Tensor {
      return super.record(output, inputs, charged(backward))
    }

    /** Measuring leaves moving statistics as they are. */
    override finishStep(): void {}

    override recordAll(
      outputs: readonly Tensor[],
      inputs: readonly (Tensor | null)[],
      backward: () => void,
    ): void {
      super.recordAll(outputs, inputs, charged(backward))
    }
  }

  function charged(backward: () => void): () => void {
    const { owner } = profile
    return () => profile.run(owner, 'backward', backward)
  }
}

/**
 * The mean of the middle half of the laps by total, which outliers do not reach; still, its times
 * add up to its total.
 */
export function typicalLap(laps: readonly Lap[]): Lap {
  const sorted = [...laps].sort((a, b) => a.total - b.total)
  const cut = Math.floor(sorted.length / 4)
  const middle = sorted.slice(cut, sorted.length - cut)
  const times = new Map<Owner, Times>()
  for (const lap of middle) {
    for (const [owner, { forward, backward }] of lap.times) {
      const sum = times.get(owner) ?? { forward: 0, backward: 0 }
      sum.forward += forward / middle.length
      sum.backward += backward / middle.length
      times.set(owner, sum)
    }
  }
  return { total: middle.reduce((sum, lap) => sum + lap.total / middle.length, 0), times }
}
