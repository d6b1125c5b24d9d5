import { RefrainError, show } from '../errors.ts'
import { type Layer, SymbolicTensor } from '../layers/layer.ts'
import { checkOptions } from '../util/check.ts'
import { type Graph, graphConfig, makeGraph } from './graph.ts'
import { Model, type ModelOptions } from './model.ts'

export interface FunctionalOptions extends ModelOptions {
  inputs: SymbolicTensor | readonly SymbolicTensor[]
  outputs: SymbolicTensor | readonly SymbolicTensor[]
}

/** A graph of layers. */
export class Functional extends Model {
  protected graph: Graph | null

  constructor(graph: Graph, options: ModelOptions) {
    super('model', options)
    this.graph = graph
  }

  get layers(): readonly Layer[] {
    return this.graph!.layers
  }

  protected makeGraph(): void {
    throw new Error('a functional model has its graph from the start')
  }

  get architecture() {
    this.build()
    return { type: 'model', name: this.name, seed: this.seed, ...graphConfig(this.graph!) }
  }
}

const listOf = <Item>(items: Item | readonly Item[]) =>
  (Array.isArray(items) ? items : [items]) as readonly Item[]

/**
 * A model from its inputs to its outputs.
 *
 *     const x = input({ shape: [null, 16] })
 *     const y = lstm({ units: 32 }).apply(x)
 *     const m = model({ inputs: x, outputs: y })
 */
export function model(options: FunctionalOptions): Functional {
  checkOptions('model', options, ['inputs', 'outputs', 'name', 'seed', 'backend'])
  const { inputs, outputs, ...rest } = options
  for (const value of listOf(inputs)) {
    if (!(value instanceof SymbolicTensor) || value.node !== null) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `model 'inputs': expected results of input(), got ${show(value)}`,
      )
    }
  }
  return new Functional(makeGraph(listOf(inputs), listOf(outputs)), rest)
}
