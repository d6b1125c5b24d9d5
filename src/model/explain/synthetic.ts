/** Data that looks like a model's: random numbers, ids and class numbers of the right shapes. */
import { type Column, toColumn } from '../../data/column.ts'
import type { Layer, SymbolicTensor } from '../../layers/layer.ts'
import { Random } from '../../tensor/random.ts'
import type { DType } from '../../tensor/tensor.ts'
import { takesLabels } from '../../train/losses.ts'
import type { OutputPlan, TrainingData } from '../../train/plan.ts'
import { sizeOf } from '../../util/check.ts'
import type { Graph } from '../graph.ts'
import { fillIn } from './calls.ts'
import type { Size } from './cost.ts'

/** One batch of inputs: floats within ±1; ids from 1 up, as 0 may stand for padding. */
export function syntheticInputs(graph: Graph, batch: number, steps: number): Column[] {
  const random = new Random(0, 'explain')
  return graph.inputs.map((input) => {
    const size = fillIn(input.shape, batch, steps)
    if (input.dtype === 'float') return column(size, 'float', () => 2 * random.uniform() - 1)
    const ids = Math.min(...graph.calls.filter(({ inputs }) => inputs.includes(input)).map(idsOf))
    const known = Number.isFinite(ids) ? ids : 2
    return column(size, 'int32', () => Math.min(1 + random.below(known - 1), known - 1))
  })
}

/** Inputs with targets for the outputs' losses. */
export function syntheticData(
  graph: Graph,
  outputs: readonly OutputPlan[],
  batch: number,
  steps: number,
): TrainingData {
  const random = new Random(0, 'explain targets')
  const targets = outputs.map(({ loss }, i) => {
    if (!loss) return null
    const size = fillIn(graph.outputs[i].shape, batch, steps)
    const classes = size[size.length - 1]
    return takesLabels(loss)
      ? column(size.slice(0, -1), 'int32', () => random.below(classes))
      : column(size, 'float', () => random.uniform())
  })
  const inputs = syntheticInputs(graph, batch, steps)
  return { inputs, targets, weights: targets.map(() => null) }
}

/** The number of ids that a call's layer, or one inside it, takes; infinite where none reads ids. */
function idsOf({ layer }: { layer: Layer; inputs: readonly SymbolicTensor[] }): number {
  const own = 'inputDim' in layer ? (layer.inputDim as number) : Number.POSITIVE_INFINITY
  return Math.min(own, ...layer.children.map((inner) => idsOf({ ...inner, inputs: [] })))
}

function column(shape: Size, dtype: DType, draw: () => number): Column {
  return toColumn('explain', { shape, data: Array.from({ length: sizeOf(shape) }, draw) }, dtype)
}
