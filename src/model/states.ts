/** What a model's stateful layers keep from batch to batch. */
import { RefrainError, show } from '../errors.ts'
import type { CarriedState, Layer } from '../layers/layer.ts'
import type { CarriedStates } from '../train/plan.ts'

/** A layer and those inside it, by their paths: 'bidirectional/forward'. */
function* walk(layers: readonly Layer[], prefix = ''): Generator<[path: string, layer: Layer]> {
  for (const layer of layers) {
    const path = prefix + layer.name
    yield [path, layer]
    for (const { role, layer: inner } of layer.children) {
      yield* walk([inner], `${path}/${role}/`)
    }
  }
}

/** The states of a model's layers. */
export class LayerStates implements CarriedStates {
  readonly #layers: () => readonly Layer[]

  constructor(layers: () => readonly Layer[]) {
    this.#layers = layers
  }

  /** Whether batches must come in their order. */
  get stateful(): boolean {
    return [...walk(this.#layers())].some(([, layer]) => layer.stateful)
  }

  /** Fails, naming the layer, if sequences cannot be cut into windows. */
  checkWindows(where: string): void {
    for (const { name, wholeSequence } of this.#layers()) {
      if (!wholeSequence) continue
      throw new RefrainError(
        'UNSUPPORTED',
        `${where} 'bpttSteps': the layer '${name}' cannot run in windows: ${wholeSequence}`,
      )
    }
  }

  reset(onlyWindows = false): void {
    for (const [, layer] of walk(this.#layers())) {
      if (!onlyWindows || !layer.stateful) layer.carried = null
    }
  }

  read(): Record<string, CarriedState> {
    const found: Record<string, CarriedState> = {}
    for (const [path, { carried }] of walk(this.#layers())) {
      carried?.forEach((state, i) => {
        found[`${path}/${i}`] = state
      })
    }
    return found
  }

  write(states: Readonly<Record<string, CarriedState>>): void {
    for (const [path, layer] of walk(this.#layers())) {
      const carried: CarriedState[] = []
      for (let i = 0; states[`${path}/${i}`]; i++) carried.push(states[`${path}/${i}`])
      for (const { shape, values } of carried) {
        if (shape.reduce((size, length) => size * length, 1) === values.length) continue
        throw new RefrainError('BAD_FILE', `a state of '${path}' has no shape ${show([...shape])}`)
      }
      layer.carried = carried.length > 0 ? carried : null
    }
  }
}
