/** ONNX's LSTM, GRU and RNN as layers; both directions as `bidirectional`. */
import type { ActivationName } from '../../layers/activation.ts'
import { readActivations } from './activations.ts'
import type { Known } from './arrays.ts'
import { fromOnnx, gateOrders, joined, peepholeOrders } from './gates.ts'
import { type Attributes, Unsupported } from './operation.ts'
import type { Out, PlannedLayer, Role } from './plan.ts'
import { giveMask, isLengthsInput, lengthsMask } from './read-masks.ts'
import type { Operation, Read, Reader, Value } from './reader.ts'
import { squeezed, transposed, unsqueezed, type View, viewOf } from './view.ts'

const kinds = { LSTM: 'lstm', GRU: 'gru', RNN: 'simpleRnn' } as const
type Operator = keyof typeof kinds

/** Gates of each operator, and its activations where none are given. */
const gateCounts = { LSTM: 4, GRU: 3, RNN: 1 }
const usual = { LSTM: ['Sigmoid', 'Tanh', 'Tanh'], GRU: ['Sigmoid', 'Tanh'], RNN: ['Tanh'] }

const recurrent =
  (operator: Operator): Read =>
  (reader, [x, w, r, b, lengths, h0, c0, p], node) => {
    const { attributes } = node
    const direction = attributes.text('direction', 'forward').toLowerCase()
    if (!['forward', 'reverse', 'bidirectional'].includes(direction)) {
      throw new Unsupported(`has the direction ${direction}`)
    }
    const sides = direction === 'bidirectional' ? 2 : 1
    const stepsFirst = attributes.int('layout', 0) === 0
    const given = reader.view(x)
    if (given.axes.length !== 3) throw new Unsupported('takes something else than sequences')
    const input = reader.settler.settle(stepsFirst ? transposed(given, [1, 0, 2]) : given)
    const [batch, steps, features] = input.shape
    const W = array(reader, w, 'W', 3)
    const R = array(reader, r, 'R', 3)
    const units = attributes.int('hidden_size', R.dims[2])
    const width = gateCounts[operator] * units
    const expected = [
      [W, [sides, width, features]],
      [R, [sides, width, units]],
    ] as const
    for (const [{ dims }, wanted] of expected) {
      if (`${dims}` !== `${wanted}`) throw new Unsupported(`has weights [${dims}], not [${wanted}]`)
    }
    const B = b ? array(reader, b, 'B', 2) : null
    const P = p ? array(reader, p, 'P', 2) : null
    if (B && `${B.dims}` !== `${[sides, 2 * width]}`)
      throw new Unsupported(`has biases [${B.dims}]`)
    if (P && `${P.dims}` !== `${[sides, 3 * units]}`)
      throw new Unsupported(`has peepholes [${P.dims}]`)
    const options = optionsOf(operator, attributes, sides, units)
    const states = initialStates(
      reader,
      operator === 'LSTM' ? [h0, c0] : [h0],
      sides,
      units,
      stepsFirst,
    )
    const weights = Array.from({ length: sides }, (_, d) =>
      weightsOf(operator, options[d], [W, R, B, P], d, units, features as number),
    )
    states.learned.forEach((arrays, d) => {
      Object.assign(weights[d], arrays)
      options[d].learnInitialState = true
    })
    const layer = layerOf(kinds[operator], options, weights, direction)
    const call = reader.plan.call(layer, [input, ...states.outs])
    call.masked = masked(reader, input, lengths)
    const out = (role: Role, shape: Out['shape']) => reader.plan.output(call, role, shape)
    const all = sides * units
    const role = direction === 'reverse' ? 'timed' : 'steps'
    // Y [T,D,B,U], in layout 1 [B,T,D,U]; the final states [D,B,U], in layout 1 [B,D,U].
    const sequence = out(role, [batch, steps, all])
    const [time, rows, side, each] = sides === 1 ? [[1], [0], [], [2]] : [[1], [0], [2], [3]]
    const Y: View = {
      ...viewOf(sequence, stepsFirst ? [time, side, rows, each] : [rows, time, side, each]),
      parts: sides === 1 ? sequence.shape : [batch, steps, 2, units],
    }
    const state = (name: 'last' | 'c'): Value => {
      if (sides === 1) return unsqueezed(viewOf(out(name, [batch, units])), [stepsFirst ? 0 : 1])
      if (name === 'c') {
        const views = (['forward c', 'backward c'] as const).map((side) =>
          unsqueezed(viewOf(out(side, [batch, units])), [stepsFirst ? 0 : 1]),
        )
        return { kind: 'stack', views, axis: stepsFirst ? 0 : 1 }
      }
      const both = out('last', [batch, all])
      const axes = stepsFirst ? [[1], [0], [2]] : [[0], [1], [2]]
      return { ...viewOf(both, axes), parts: [batch, 2, units] }
    }
    return [Y, state('last'), ...(operator === 'LSTM' ? [state('c')] : [])]
  }

function array(reader: Reader, value: Value | null | undefined, name: string, rank: number): Known {
  const known = reader.known(value, name)
  if (known.dims.length === rank) return known
  throw new Unsupported(`has ${name} of ${known.dims.length} dimensions`)
}

/** Each direction's options. */
function optionsOf(
  operator: Operator,
  attributes: Attributes,
  sides: number,
  units: number,
): Record<string, unknown>[] {
  const each = usual[operator].length
  const given = attributes.texts('activations')
  const names = given ?? Array.from({ length: sides }, () => usual[operator]).flat()
  if (names.length !== each * sides) throw new Unsupported(`has ${names.length} activations`)
  const read = readActivations(
    names,
    attributes.floats('activation_alpha'),
    attributes.floats('activation_beta'),
  )
  const missing = names.find((_, i) => read[i] === null)
  if (missing !== undefined) throw new Unsupported(`has the activation ${missing} with its numbers`)
  const clip = attributes.has('clip') ? attributes.float('clip', 0) : null
  if (clip !== null && operator !== 'LSTM') throw new Unsupported(`has the limit clip ${clip}`)
  return Array.from({ length: sides }, (_, d) => {
    const own = read.slice(d * each, (d + 1) * each) as ActivationName[]
    if (operator === 'RNN') return { units, activation: own[0] }
    const [recurrentActivation, activation, last] = own
    if (operator === 'GRU') {
      const resetAfter = attributes.int('linear_before_reset', 0) !== 0
      return { units, activation, recurrentActivation, resetAfter }
    }
    if (last !== activation) {
      throw new Unsupported(`has other activations for the candidate and the cell: ${names}`)
    }
    return {
      units,
      activation,
      recurrentActivation,
      ...(attributes.int('input_forget', 0) !== 0 && { coupledGates: true }),
      ...(clip !== null && clip > 0 && { gateClip: clip }),
    }
  })
}

/** A direction's weights in Refrain's layout; sets the options that say which there are. */
function weightsOf(
  operator: Operator,
  options: Record<string, unknown>,
  [W, R, B, P]: readonly (Known | null)[],
  side: number,
  units: number,
  features: number,
): Record<string, ArrayLike<number>> {
  const kind = kinds[operator]
  const coupled = options.coupledGates === true
  const order = coupled ? gateOrders.coupled : gateOrders[kind]
  const part = ({ data }: Known, count: number) =>
    Float32Array.from({ length: count }, (_, i) => data[side * count + i])
  const width = gateCounts[operator] * units
  const weights: Record<string, ArrayLike<number>> = {
    kernel: fromOnnx(part(W!, width * features), features, units, order),
    recurrentKernel: fromOnnx(part(R!, width * units), units, units, order),
  }
  options.useBias = B !== null
  if (B) {
    const both = part(B, 2 * width)
    const [input, state] = [both.slice(0, width), both.slice(width)].map((values) =>
      fromOnnx(values, 1, units, order),
    )
    // Where the state's bias is nothing the input's stays as it is, to the last bit.
    const sum = () => input.map((value, i) => (state[i] === 0 ? value : value + state[i]))
    weights.bias = options.resetAfter === true ? joined([input, state]) : sum()
  }
  if (P) {
    options.peephole = true
    const peepholes = coupled ? peepholeOrders.coupled : peepholeOrders.lstm
    weights.peepholeKernel = fromOnnx(part(P, 3 * units), 1, units, peepholes)
  }
  return weights
}

function layerOf(
  kind: string,
  options: Record<string, unknown>[],
  weights: Record<string, ArrayLike<number>>[],
  direction: string,
): PlannedLayer {
  if (options.length === 1) {
    const reverse = direction === 'reverse' && { goBackwards: true }
    const all = new Map(Object.entries(weights[0]))
    return { kind, name: '', options: { ...options[0], ...reverse }, weights: all }
  }
  const all = new Map<string, ArrayLike<number>>()
  weights.forEach((arrays, d) => {
    const side = d === 0 ? 'forward' : 'backward'
    for (const [name, values] of Object.entries(arrays)) all.set(`${side}/${name}`, values)
  })
  const layer = { kind, name: 'layer', options: options[0] }
  const differs = JSON.stringify(options[0]) !== JSON.stringify(options[1])
  const backward = { kind, name: 'backward', options: { ...options[1], goBackwards: true } }
  return {
    kind: 'bidirectional',
    name: '',
    options: { layer, ...(differs && { backwardLayer: backward }) },
    weights: all,
  }
}

/** Initial states: outputs, forward's before backward's; or weights, of which all rows have the same. */
function initialStates(
  reader: Reader,
  values: readonly (Value | null | undefined)[],
  sides: number,
  units: number,
  stepsFirst: boolean,
): { outs: Out[]; learned: Record<string, Float32Array>[] } {
  const isZero = (value: Value | null | undefined) =>
    !value || (value.kind === 'array' && Array.prototype.every.call(value.data, (v) => v === 0))
  if (values.every(isZero)) return { outs: [], learned: [] }
  const names = ['initialH', 'initialC']
  if (values.every((value) => !value || value.kind === 'array')) {
    const learned = Array.from({ length: sides }, (_, d) =>
      Object.fromEntries(
        values.map((value, i) => [
          names[i],
          rowOf(value as Known | null, d, sides, units, stepsFirst),
        ]),
      ),
    )
    return { outs: [], learned }
  }
  const axis = stepsFirst ? 0 : 1
  const outs = Array.from({ length: sides }, (_, d) =>
    values.map((value) => {
      if (!value || value.kind === 'array') {
        throw new Unsupported('has one initial state that is a constant and one that is not')
      }
      return reader.settler.settle(sideOf(reader, value, axis, d, sides))
    }),
  )
  for (const { shape } of outs.flat()) {
    if (shape.length !== 2 || shape[1] !== units) throw new Unsupported('has other initial states')
  }
  return { outs: outs.flat(), learned: [] }
}

/** The state of a direction, [B,U]. */
function sideOf(reader: Reader, value: Value, axis: number, side: number, sides: number): View {
  if (value.kind === 'stack' && value.axis === axis && value.views.length === sides) {
    return squeezed(value.views[side], [axis])
  }
  const view = reader.view(value)
  const parts = view.axes[axis]
  if (parts?.length === 0) return squeezed(view, [axis])
  if (parts?.length !== 1) throw new Unsupported('has initial states of another shape')
  return {
    ...view,
    axes: view.axes.filter((_, i) => i !== axis),
    picks: new Map([...view.picks, [parts[0], side]]),
  }
}

/** A constant's state of a direction, if all rows have the same. */
function rowOf(
  value: Known | null,
  side: number,
  sides: number,
  units: number,
  stepsFirst: boolean,
): Float32Array {
  if (!value) return new Float32Array(units)
  const { dims, data } = value
  const [first, second, last] = dims
  const rows = stepsFirst ? second : first
  if (dims.length !== 3 || last !== units || (stepsFirst ? first : second) !== sides || rows < 1) {
    throw new Unsupported(`has initial states [${dims}]`)
  }
  const at = (row: number, u: number) =>
    data[(stepsFirst ? side * rows + row : row * sides + side) * units + u]
  for (let i = 0; i < rows * units; i++) {
    if (at(Math.floor(i / units), i % units) !== at(0, i % units)) {
      throw new Unsupported('has constant initial states that differ from row to row')
    }
  }
  return Float32Array.from({ length: units }, (_, u) => at(0, u))
}

/** Whether some steps do not count, by `sequence_lens`; the input then has the mask. */
function masked(reader: Reader, input: Out, lengths: Value | null | undefined): boolean {
  if (!lengths) return false
  const [, steps] = input.shape
  if (lengths.kind === 'array' && !lengths.spread) {
    const all = Array.prototype.every.call(lengths.data, (length) => length === steps)
    if (all) return false
    throw new Unsupported('has constant lengths of the sequences')
  }
  if (isLengthsInput(reader, lengths)) {
    reader.ragged = true
    return true
  }
  const flags = lengthsMask(lengths)
  if (flags && giveMask(input, flags)) return true
  throw new Unsupported('computes lengths of sequences in another way than masks do')
}

/** The operators by their names. */
export const recurrentReaders: Readonly<Record<string, Read>> = {
  GRU: recurrent('GRU'),
  LSTM: recurrent('LSTM'),
  RNN: recurrent('RNN'),
}

/** The place of the batch among an operator's inputs X, initial_h and initial_c. */
export const batchPlace = ({ attributes }: Pick<Operation, 'attributes'>): number =>
  attributes.int('layout', 0) === 0 ? 1 : 0
