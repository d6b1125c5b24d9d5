/**
 * Recurrent layers as ONNX's LSTM, GRU and RNN operators: layout 0 (time in front), which ONNX Runtime and WebNN
 * take. Y is [T,D,B,U] for D directions, the final states [D,B,U].
 */
import type { ActivationName } from '../../layers/activation.ts'
import type { Bidirectional } from '../../layers/bidirectional.ts'
import type { Layer } from '../../layers/layer.ts'
import type { Lstm } from '../../layers/lstm.ts'
import type { RecurrentLayer } from '../../layers/recurrent.ts'
import { recurrentActivations, recurrentAttributes } from './activations.ts'
import { gateOrders, joined, peepholeOrders, toOnnx } from './gates.ts'
import { type Value, valuesOf, type Writer } from './writer.ts'

/** A recurrent layer of a kind that ONNX has, read by its options' names. */
type Cell = RecurrentLayer & {
  readonly units: number
  readonly activation: ActivationName
  readonly recurrentActivation?: ActivationName
  readonly resetAfter?: boolean
} & Partial<Pick<Lstm, 'coupledGates' | 'gateClip' | 'peephole'>>

const operators: Readonly<Record<string, string>> = { lstm: 'LSTM', gru: 'GRU', simpleRnn: 'RNN' }

/** What an operator gives: all steps [T,B,U], and the final states [B,U], for each direction. */
interface Direction {
  readonly steps: string
  readonly states: readonly string[]
  /** Of all directions: Y and the final h, as the operator gives them. */
  readonly whole: readonly [steps: string, last: string]
}

/** A layer lstm, gru or simpleRnn. */
export function writeRecurrent(writer: Writer, layer: Layer, inputs: readonly Value[]): Value[] {
  const cell = layer as Cell
  const [x, ...initial] = inputs
  const shapes = layer.outputShapes(inputs.map(({ shape }) => shape))
  if (!allowed(writer, layer, [cell], x)) return shapes.map((shape) => ({ ...x, shape }))
  const reverse = cell.goBackwards
  const result = operator(writer, layer, [cell], [reverse], x, initial)
  const [{ steps, states }] = result
  const { returnSequences, zeroOutputForMask } = cell
  const hasInitial = initial.length > 0 || cell.learnInitialState
  const last = hasInitial ? zeroEmpty(writer, x, states[0]) : states[0]
  let output = last
  let { mask } = x
  if (returnSequences) {
    const ordered = reverse ? writer.reverse(steps, 0) : steps
    output = writer.fromTimeMajor(ordered)
    if (mask && reverse) {
      mask = { valid: writer.reverse(mask.valid, 1), padsRight: false }
    } else if (mask && !zeroOutputForMask) {
      // Masked steps show the output before them; the operator gives zeros.
      output = writer.choose(mask, 3, output, writer.unsqueeze(last, 1))
    }
  }
  const values = [output, ...(cell.returnState ? states : [])]
  return values.map((name, i) => ({
    name,
    shape: shapes[i],
    mask: i === 0 && returnSequences ? mask : null,
  }))
}

/** A bidirectional layer: one operator where both sides are alike. */
export function writeBidirectional(
  writer: Writer,
  layer: Layer,
  inputs: readonly Value[],
): Value[] {
  const { forward, backward, mergeMode } = layer as Bidirectional
  const cells = [forward, backward] as Cell[]
  const [x, ...initial] = inputs
  const shapes = layer.outputShapes(inputs.map(({ shape }) => shape))
  if (!allowed(writer, layer, cells, x)) return shapes.map((shape) => ({ ...x, shape }))
  const half = initial.length / 2
  const together = alike(cells[0], cells[1])
  const [one, other] = together
    ? operator(writer, layer, cells, [false, true], x, initial)
    : cells.map((cell, d) => {
        const given = initial.slice(d * half, (d + 1) * half)
        return operator(writer, layer, [cell], [d === 1], x, given)[0]
      })
  const { returnSequences, learnInitialState } = forward
  const hasInitial = initial.length > 0 || learnInitialState
  const parts =
    together && mergeMode === 'concat'
      ? [sideBySide(writer, one.whole, returnSequences, shapes[0].at(-1)!)]
      : merge(
          writer,
          mergeMode,
          [one, other].map(({ steps, states: [h] }) => (returnSequences ? steps : h)),
        )
  const outputs = parts.map((name) => {
    if (returnSequences) return writer.fromTimeMajor(name)
    return hasInitial ? zeroEmpty(writer, x, name) : name
  })
  const states = forward.returnState ? [...one.states, ...other.states] : []
  return [...outputs, ...states].map((name, i) => ({
    name,
    shape: shapes[i],
    mask: i < outputs.length && returnSequences ? x.mask : null,
  }))
}

/** Both directions of Y [T,2,B,U] as [T,B,2U], or of the final state [2,B,U] as [B,2U]. */
function sideBySide(
  writer: Writer,
  [steps, last]: Direction['whole'],
  returnSequences: boolean,
  width: number,
): string {
  return returnSequences
    ? writer.reshape(writer.transpose(steps, [0, 2, 1, 3]), [{ axis: 0 }, { axis: 1 }, width])
    : writer.reshape(writer.transpose(last, [1, 0, 2]), [{ axis: 0 }, width])
}

function merge({ graph }: Writer, mode: Bidirectional['mergeMode'], both: string[]): string[] {
  switch (mode) {
    case 'concat':
      return [graph.node('Concat', both, { axis: -1 })]
    case 'sum':
      return [graph.node('Add', both)]
    case 'ave':
      return [graph.node('Mul', [graph.node('Add', both), graph.number(0.5)])]
    case 'mul':
      return [graph.node('Mul', both)]
    case 'none':
      return both
  }
}

/** Whether the layers can be written; what is against it goes to the problems. */
function allowed(writer: Writer, layer: Layer, cells: readonly Cell[], x: Value): boolean {
  const before = writer.problems.found.length
  for (const cell of cells) {
    if (!Object.hasOwn(operators, cell.kind)) {
      writer.refuse(layer, `a ${cell.kind} inside`)
      continue
    }
    if (cell.stateful) {
      writer.refuse(
        layer,
        'stateful: make the model with stateful: false, and with initial states as inputs and ' +
          'returnState: true where they are to go on',
      )
    }
    for (const name of [cell.activation, cell.recurrentActivation ?? 'tanh'] as const) {
      if (!recurrentActivations[name]) writer.refuse(layer, `the activation '${name}' in it`)
    }
    const options = cell.options() as Record<string, unknown>
    for (const name of ['projection', 'cellClip', 'layerNormalization', 'zoneout']) {
      if (options[name] !== undefined) writer.refuse(layer, `its option '${name}'`)
    }
  }
  if (x.mask && !x.mask.padsRight) {
    writer.refuse(layer, 'a mask whose padding comes first, behind a layer with goBackwards')
  }
  return writer.problems.found.length === before
}

const shared = [
  'kind',
  'units',
  'useBias',
  'resetAfter',
  'coupledGates',
  'gateClip',
  'peephole',
  'learnInitialState',
] as const

const alike = (a: Cell, b: Cell) =>
  shared.every((name) => (a as never)[name] === (b as never)[name])

/** The operator for one layer, or for two that are alike in both directions. */
function operator(
  writer: Writer,
  layer: Layer,
  cells: readonly Cell[],
  reverse: readonly boolean[],
  x: Value,
  initial: readonly Value[],
): Direction[] {
  const { graph } = writer
  const [cell] = cells
  const { units, kind } = cell
  const stateCount = cell.stateSizes.length
  const weights = weightsOf(writer, layer, cells)
  if (x.mask) {
    writer.notes.add(
      `'${layer.name}' takes rows whose steps that count come first: padding before them or gaps, ` +
        'which masks can have here, are not in ONNX',
    )
  }
  const states = Array.from({ length: stateCount }, (_, s) => {
    if (initial.length > 0) {
      const sides = cells.map((_, d) => writer.unsqueeze(initial[d * stateCount + s].name, 0))
      return sides.length === 1 ? sides[0] : graph.node('Concat', sides, { axis: 0 })
    }
    return cell.learnInitialState ? learned(writer, cells, s, x) : ''
  })
  const inputs = [
    writer.toTimeMajor(x),
    weights.W,
    weights.R,
    weights.B,
    x.mask ? writer.lengths(x.mask) : '',
    ...states,
    weights.P,
  ]
  while (inputs.at(-1) === '') inputs.pop()
  const activations = cells.flatMap((one) => {
    if (kind === 'lstm') return [one.recurrentActivation!, one.activation, one.activation]
    return kind === 'gru' ? [one.recurrentActivation!, one.activation] : [one.activation]
  })
  const direction = cells.length === 2 ? 'bidirectional' : reverse[0] ? 'reverse' : 'forward'
  const [all, ...final] = graph.nodes(
    operators[kind],
    inputs,
    1 + stateCount,
    {
      hidden_size: units,
      direction,
      ...recurrentAttributes(activations),
      ...(cell.resetAfter && { linear_before_reset: 1 }),
      ...(cell.coupledGates && { input_forget: 1 }),
      ...(typeof cell.gateClip === 'number' && { clip: { float: cell.gateClip } }),
    },
    layer.name,
  )
  const part = (value: string, axis: number, d: number) => {
    if (cells.length === 1) return writer.squeeze(value, axis)
    const one = graph.node('Slice', [value, ...[[d], [d + 1], [axis]].map((v) => graph.ints(v))])
    return writer.squeeze(one, axis)
  }
  return cells.map((_, d) => ({
    steps: part(all, 1, d),
    states: final.map((state) => part(state, 0, d)),
    whole: [all, final[0]],
  }))
}

/** The weights of learned initial states for all rows: [D,B,U]. */
function learned(writer: Writer, cells: readonly Cell[], state: number, x: Value): string {
  const { graph } = writer
  const { stateNames, units } = cells[0]
  const name = stateNames[state]
  const wanted = `initial${name[0].toUpperCase()}${name.slice(1)}`
  const arrays = cells.map((cell) => valuesOf(writer.parameter(cell, wanted)!))
  const first = writer.parameter(cells[0], wanted)!
  const dims = [cells.length, 1, units]
  const start = writer.constant(first, dims, () => joined(arrays))
  const shape = [graph.ints([cells.length]), writer.lengthOf(x.name, 0), graph.ints([units])]
  return graph.node('Expand', [start, graph.node('Concat', shape, { axis: 0 })])
}

/** h [B,U], but zeros in rows without a step that counts: there it is no output, but an initial state. */
function zeroEmpty(writer: Writer, { mask }: Value, h: string): string {
  return mask ? writer.graph.node('Where', [writer.any(mask), h, writer.graph.number(0)]) : h
}

/** The inputs W [D,GU,I], R [D,GU,U], B [D,2GU] and P [D,3U]; '' for those that there are none of. */
function weightsOf(writer: Writer, layer: Layer, cells: readonly Cell[]) {
  const [cell] = cells
  const { kind, units, coupledGates } = cell
  const order = coupledGates ? gateOrders.coupled : gateOrders[kind as keyof typeof gateOrders]
  const width = order.length * units
  const get = (one: Cell, name: string) => writer.parameter(one, name)
  const kernel = get(cell, 'kernel')!
  const [inputs] = kernel.shape
  const constant = (name: string, dims: number[], make: (one: Cell) => Float32Array) => {
    const parameter = get(cell, name)
    if (!parameter) return ''
    const form = `/${cells.length === 2 ? `${layer.name}/` : ''}${name}`
    return writer.constant(parameter, [cells.length, ...dims], () => joined(cells.map(make)), form)
  }
  const kernelOf = (name: string, rows: number) => (one: Cell) =>
    toOnnx(valuesOf(get(one, name)!), rows, units, order)
  const bias = (one: Cell) => {
    const parameter = get(one, 'bias')!
    const values = valuesOf(parameter)
    const own = parameter.shape.length === 2 ? values.length / 2 : values.length
    const second = values.subarray(own)
    return joined([
      toOnnx(values.subarray(0, own), 1, units, order),
      second.length > 0 ? toOnnx(second, 1, units, order) : new Float32Array(width),
    ])
  }
  const peepholes = coupledGates ? peepholeOrders.coupled : peepholeOrders.lstm
  return {
    W: constant('kernel', [width, inputs], kernelOf('kernel', inputs)),
    R: constant('recurrentKernel', [width, units], kernelOf('recurrentKernel', units)),
    B: constant('bias', [2 * width], bias),
    P: constant('peepholeKernel', [3 * units], (one) =>
      toOnnx(valuesOf(get(one, 'peepholeKernel')!), 1, units, peepholes),
    ),
  }
}
