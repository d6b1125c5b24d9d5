import { RefrainError, show } from '../errors.ts'
import { checkInputShape } from '../layers/input.ts'
import { connect, Layer, type LayerLike, type Shape, SymbolicTensor } from '../layers/layer.ts'
import { type Graph, graphConfig, makeGraph } from './graph.ts'
import { Model, type ModelOptions } from './model.ts'
import { nameLayers } from './names.ts'
import { Nested } from './nested.ts'

/** Layers one after the other. */
export class Sequential extends Model {
  graph: Graph | null = null
  readonly #layers: readonly Layer[]

  constructor(given: readonly LayerLike[], options: ModelOptions) {
    super('sequential', options)
    if (!Array.isArray(given) || given.length === 0) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `sequential: expected an array of at least one layer, got ${show(given)}`,
      )
    }
    const layers: Layer[] = given.map((layer) => layer?.asLayer?.() ?? layer)
    layers.forEach((layer, i) => {
      if (!(layer instanceof Layer)) {
        throw new RefrainError('BAD_ARGUMENT', `sequential: layer ${i} is ${show(layer)}`)
      }
      if (layers.indexOf(layer) !== i) {
        throw new RefrainError('BAD_ARGUMENT', `sequential: layer ${i} stands there twice`)
      }
    })
    this.#layers = layers
    const [first] = layers
    const inner = first instanceof Nested && first.inner.graph
    const inputShape = inner ? inner.inputs[0].shape.slice(1) : first.inputShape
    if (inputShape) {
      checkInputShape(`${layers[0].kind} 'inputShape'`, inputShape)
      this.makeGraph([null, ...inputShape])
    }
  }

  get layers(): readonly Layer[] {
    return this.#layers
  }

  makeGraph(inputShape: Shape): void {
    nameLayers(this.#layers)
    const input = new SymbolicTensor(inputShape, this.#layers[0].inputType, null, 'input')
    // All shapes first: a layer that does not fit must leave no layer before it with weights.
    let shape = inputShape
    for (const layer of this.#layers) shape = layer.outputShapes([shape])[0]
    let value = input
    for (const layer of this.#layers) value = connect(layer, [value])[0]
    this.graph = makeGraph([input], [value])
  }

  get architecture() {
    this.build().rename()
    return { type: 'sequential', name: this.name, seed: this.seed, ...graphConfig(this.graph!) }
  }
}

/**
 * A model of layers, or models, one after the other. It is built by the first layer's `inputShape`, by
 * `model.build([null, …])`, or by its first batch.
 *
 *     const model = sequential([lstm({ units: 32 }), dense({ units: 1 })], { seed: 1 })
 */
export function sequential(layers: readonly LayerLike[], options: ModelOptions = {}): Sequential {
  const model = new Sequential(layers, options)
  return model.graph ? model.build() : model
}
