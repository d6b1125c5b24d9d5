import { RefrainError, show } from '../errors.ts'
import { type Layer, SymbolicTensor } from '../layers/layer.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkOptions } from '../util/check.ts'
import { type Graph, graphConfig, makeGraph } from './graph.ts'
import { Model, type ModelOptions } from './model.ts'

type Symbols = SymbolicTensor | readonly SymbolicTensor[]

/** Options of `model`. */
export interface FunctionalOptions<Outputs extends Symbols = Symbols> extends ModelOptions {
  inputs: Symbols
  outputs: Outputs
}

/** What `predict` gives: one tensor, or an array for two outputs and more. */
type Predicted<Outputs> = Outputs extends SymbolicTensor | readonly [SymbolicTensor]
  ? Tensor
  : Outputs extends readonly [SymbolicTensor, SymbolicTensor, ...SymbolicTensor[]]
    ? Tensor[]
    : Tensor | Tensor[]

/** A graph of layers. */
export class Functional<
  Output extends Tensor | Tensor[] = Tensor | Tensor[],
> extends Model<Output> {
  graph: Graph | null

  /** @param kind 'sequential' for a sequential model read from a file */
  constructor(graph: Graph, options: ModelOptions, kind: 'model' | 'sequential' = 'model') {
    super(kind, options)
    this.graph = graph
  }

  get layers(): readonly Layer[] {
    return this.graph!.layers
  }

  makeGraph(): void {
    throw new Error('a functional model has its graph from the start')
  }

  get architecture() {
    this.build().rename()
    return { type: this.kind, name: this.name, seed: this.seed, ...graphConfig(this.graph!) }
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
export function model<const Outputs extends Symbols>(
  options: FunctionalOptions<Outputs>,
): Functional<Predicted<Outputs>> {
  checkOptions('model', options, ['inputs', 'outputs', 'name', 'seed', 'backend'])
  const { inputs, outputs, ...rest } = options
  for (const value of listOf<SymbolicTensor>(inputs)) {
    if (!(value instanceof SymbolicTensor) || value.node !== null) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `model 'inputs': expected results of input(), got ${show(value)}`,
      )
    }
  }
  return new Functional(
    makeGraph(listOf<SymbolicTensor>(inputs), listOf<SymbolicTensor>(outputs)),
    rest,
  )
}
