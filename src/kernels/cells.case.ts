/** Problems for the kernels of the cells with one state, GRU and simple RNN, and a way to run them. */
import {
  aligned,
  blank,
  floats,
  floatsOut,
  ints,
  type LstmOptions,
  type LstmProblem,
  lstmProblem,
  orderOf,
  Random,
  run,
} from './kernels.case.ts'
import type { Backend } from './kernels.ts'

/** What tells the cells apart. */
export interface Cell {
  readonly name: 'gru' | 'rnn'
  readonly gates: number
  readonly biases: number
  /** Columns that the forward pass keeps for the backward pass, as multiples of U. */
  readonly kept: number
  /** What follows the sizes in the arguments. */
  readonly flags: readonly number[]
}

export const cells: Record<string, Cell> = {
  gru: { name: 'gru', gates: 3, biases: 2, kept: 4, flags: [] },
  'rnn tanh': { name: 'rnn', gates: 1, biases: 1, kept: 0, flags: [0] },
  'rnn relu': { name: 'rnn', gates: 1, biases: 1, kept: 0, flags: [1] },
}

/** As for the LSTM, without c. */
export type CellProblem = Omit<LstmProblem, 'c0' | 'dcLast'>
export type CellShape = readonly [b: number, t: number, inputs: number, units: number]

export function cellProblem(
  { gates, biases }: Cell,
  seed: number,
  shape: CellShape,
  options: LstmOptions = {},
): CellProblem {
  const { c0, dcLast, ...problem } = lstmProblem(seed, shape, options)
  const random = new Random(seed + 1)
  const [, , inputs, units] = shape
  const size = 2 / Math.sqrt(inputs + units)
  const width = gates * units
  return {
    ...problem,
    kernel: random.uniform(inputs * width, -size, size),
    recurrentKernel: random.uniform(units * width, -size, size),
    bias: problem.bias && random.uniform(biases * width),
    dKernel: random.uniform(inputs * width),
    dRecurrentKernel: random.uniform(units * width),
    dBias: random.uniform(biases * width),
  }
}

type Results = Record<string, Float64Array>

/** Results by name, of those arguments that are there. */
function named(names: readonly string[], written: readonly unknown[], found: Float64Array[]) {
  const results: Results = {}
  let next = 0
  written.forEach((argument, i) => {
    if (argument) results[names[i]] = found[next++]
  })
  return results
}

/** Packs the weights; runs the forward pass. `keep` 0: as for inference. */
export function cellForward(
  backend: Backend,
  { name, kept, flags }: Cell,
  p: CellProblem,
  keep = 1,
) {
  const { kernels } = backend
  const { b, t, inputs, units } = p
  const optional = (values: ArrayLike<number> | null) => values && floats(values)
  const kinds = keep && p.dx ? 2 : keep
  const room = aligned(blank(kernels[`${name}PackSize`](inputs, units, kinds)))
  const weights = [floats(p.kernel), floats(p.recurrentKernel), optional(p.bias)]
  const [packed] = run(backend, `${name}Pack`, [...weights, room, inputs, units, kinds])
  const inputArguments = [
    floats(p.x),
    aligned(floats(packed)),
    optional(p.h0),
    p.steps && ints(p.steps),
    p.lengths && ints(p.lengths),
    p.lengths && ints(orderOf(p.lengths)),
  ]
  const sizes = [b, t, inputs, units, p.reverse, ...flags]
  const gates = kept > 0 ? [keep ? blank(b * t * kept * units) : null] : []
  const written = [blank(b * t * units), ...gates, blank(b * units)]
  const found = run(backend, `${name}Forward`, [...inputArguments, ...written, ...sizes])
  const names = kept > 0 ? ['h', 'gates', 'hLast'] : ['h', 'hLast']
  return { inputArguments, sizes, results: named(names, written, found) }
}

/** The forward and the backward pass; every result and gradient by name. `adds` as the kernel's. */
export function cellBoth(backend: Backend, cell: Cell, p: CellProblem, adds = 15): Results {
  const { inputArguments, sizes, results } = cellForward(backend, cell, p)
  const { b, t, inputs, units } = p
  const gradients = [p.dx, p.dKernel, p.dRecurrentKernel, p.dBias].map((values, i) => {
    if (!values) return null
    return adds & (1 << i) ? floatsOut(values) : blank(values.length)
  })
  const dz = cell.kept > 0 ? floatsOut(results.gates) : blank(b * t * units)
  const written = [dz, floatsOut(p.dhLast), ...gradients]
  const scratch = backend.kernels[`${cell.name}ScratchSize`](b, t, inputs, units)
  const found = run(backend, `${cell.name}Backward`, [
    ...inputArguments,
    floats(results.h),
    dz,
    p.dh && floats(p.dh),
    ...written.slice(1),
    aligned(blank(scratch)),
    ...sizes,
    adds,
  ])
  const names = ['dz', 'dh0', 'dx', 'dKernel', 'dRecurrentKernel', 'dBias']
  const all = { ...results, ...named(names, written, found) }
  if (!p.h0) delete all.dh0
  return all
}
