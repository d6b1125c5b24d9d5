/**
 * The model that an ONNX graph is read into: layers and their calls, made while the graph is walked. Which outputs
 * of a recurrent layer are used is known at the end; then its options follow.
 */
import type { LayerConfig } from '../../layers/layer.ts'
import type { GraphConfig } from '../../model/graph.ts'
import type { DType } from '../../tensor/tensor.ts'

/** A length: a number, or a name for one that is open; the batch's is 'batch'. */
export type Dim = number | string

/** A layer, with its weights by the paths that parameters have in it. */
export interface PlannedLayer {
  readonly kind: string
  name: string
  options: Record<string, unknown>
  readonly weights: Map<string, ArrayLike<number>>
}

/** A use of a layer. */
export interface Call {
  readonly layer: PlannedLayer
  readonly inputs: readonly Out[]
  /** Of recurrent layers: the outputs by their roles. */
  readonly outputs: Map<Role, Out>
  /** Of recurrent layers: whether steps are masked. */
  masked: boolean
}

/**
 * What an output of a recurrent layer is: all steps, in the order of processing ('steps') or, of a layer that reads
 * backwards, of time ('timed'); with masked steps showing those before them ('held'); the last output; states. Of
 * both directions together, and of each one.
 */
export type Role =
  | 'output'
  | 'steps'
  | 'timed'
  | 'held'
  | 'last'
  | 'c'
  | 'forward steps'
  | 'backward steps'
  | 'forward last'
  | 'backward last'
  | 'forward c'
  | 'backward c'

/** A value of the model, the batch in front. */
export interface Out {
  /** Null for an input. */
  readonly call: Call | null
  readonly role: Role
  readonly shape: readonly Dim[]
  /** Of an input: its number. */
  readonly input: number
}

/** Kinds of recurrent layers. */
export const recurrentKinds = ['lstm', 'gru', 'simpleRnn', 'bidirectional']

/** Collects layers and calls. */
export class Plan {
  readonly inputs: { name: string; shape: (number | null)[]; dtype: DType }[] = []
  readonly #calls: Call[] = []
  #open = 0

  /** Declares an input; `shape` has the batch in front. */
  input(name: string, shape: readonly Dim[], dtype: DType): Out {
    const open = shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : null))
    this.inputs.push({ name, shape: open, dtype })
    return { call: null, role: 'output', shape, input: this.inputs.length - 1 }
  }

  /** A name for a length that is open, and no other's. */
  open(): string {
    return `length ${this.#open++}`
  }

  /** A call of a new layer, or of one that is there. */
  call(layer: PlannedLayer, inputs: readonly Out[]): Call {
    const call: Call = { layer, inputs, outputs: new Map(), masked: false }
    this.#calls.push(call)
    return call
  }

  /** The output of a call of a layer of one output. */
  add(
    kind: string,
    inputs: readonly Out[],
    shape: readonly Dim[],
    options: Record<string, unknown> = {},
    weights: Readonly<Record<string, ArrayLike<number>>> = {},
  ): Out {
    const layer = { kind, name: '', options, weights: new Map(Object.entries(weights)) }
    return this.output(this.call(layer, inputs), 'output', shape)
  }

  /** An output of a call, the same each time. */
  output(call: Call, role: Role, shape: readonly Dim[]): Out {
    const out = call.outputs.get(role) ?? { call, role, shape, input: -1 }
    call.outputs.set(role, out)
    return out
  }

  #used(outputs: readonly Out[]): Set<Out> {
    const used = new Set<Out>()
    const pending = [...outputs]
    for (let out = pending.pop(); out; out = pending.pop()) {
      if (used.has(out)) continue
      used.add(out)
      if (out.call) pending.push(...out.call.inputs)
    }
    return used
  }

  /** The calls that lead to these outputs, in order. */
  live(outputs: readonly Out[]): Call[] {
    const used = this.#used(outputs)
    return this.#calls.filter((call) => [...call.outputs.values()].some((out) => used.has(out)))
  }

  /** What of that leads to these outputs is no layer. */
  unreadable(outputs: readonly Out[]): string[] {
    const found: string[] = []
    for (const { call, role } of this.#used(outputs)) {
      if (call?.layer.kind === 'erf') found.push('the operator Erf outside of a GELU has no layer')
      if (role === 'timed' && call!.outputs.has('steps')) {
        found.push('steps in both orders of a recurrent operator that reads backwards')
      }
    }
    return found
  }

  /** The graph that leads to these outputs, and the weights by their paths in the model. */
  finish(outputs: readonly Out[]): {
    config: GraphConfig
    weights: Map<string, ArrayLike<number>>
  } {
    const used = this.#used(outputs)
    const taken = new Set([...used].flatMap((out) => (out.call ? [] : [out.input])))
    const numbers = new Map([...taken].sort((a, b) => a - b).map((input, i) => [input, i]))
    const live = this.live(outputs)
    const layers: PlannedLayer[] = []
    const numberOf = new Map<PlannedLayer, number>()
    const calls: { layer: number; inputs: [number, number][] }[] = []
    const places = new Map<Out, [number, number]>()
    const place = (out: Out) =>
      out.call ? places.get(out)! : ([-1, numbers.get(out.input)!] as [number, number])
    const emit = (layer: PlannedLayer, inputs: [number, number][]): number => {
      const number = numberOf.get(layer) ?? layers.push(layer) - 1
      numberOf.set(layer, number)
      return calls.push({ layer: number, inputs }) - 1
    }
    for (const call of live) {
      const roles = [...call.outputs.values()]
        .filter((out) => used.has(out))
        .map(({ role }) => role)
      const inputs = call.inputs.map(place)
      const give = (role: Role, where: [number, number]) => {
        const out = call.outputs.get(role)
        if (out) places.set(out, where)
      }
      if (!recurrentKinds.includes(call.layer.kind)) {
        const at = emit(call.layer, inputs)
        give('output', [at, 0])
        continue
      }
      const concatenate = (parts: [number, number][]): [number, number] => {
        const layer = { kind: 'concatenate', name: '', options: {}, weights: new Map() }
        return [emit(layer, parts), 0]
      }
      placeOutputs(call, roles, (layer) => emit(layer, inputs), give, concatenate)
    }
    const count = new Map<string, number>()
    const weights = new Map<string, ArrayLike<number>>()
    for (const layer of layers) {
      const number = count.get(layer.kind) ?? 0
      count.set(layer.kind, number + 1)
      layer.name = number === 0 ? layer.kind : `${layer.kind}_${number}`
      for (const [path, array] of layer.weights) weights.set(`${layer.name}/${path}`, array)
    }
    const config: GraphConfig = {
      inputs: this.inputs.filter((_, i) => taken.has(i)),
      layers: layers.map(
        ({ kind, name, options }) => ({ kind, name, options }) as LayerConfig,
      ) as GraphConfig['layers'],
      calls,
      outputs: outputs.map(place),
    }
    return { config, weights }
  }
}

/** Decides what a recurrent layer returns, and where each role is found. */
function placeOutputs(
  call: Call,
  roles: readonly Role[],
  emit: (layer: PlannedLayer) => number,
  give: (role: Role, where: [number, number]) => void,
  concatenate: (parts: [number, number][]) => [number, number],
): void {
  const uses = (...wanted: Role[]) => wanted.some((role) => roles.includes(role))
  const { layer } = call
  if (layer.kind === 'bidirectional') {
    const inner = layer.options.layer as LayerConfig & { options: Record<string, unknown> }
    const states = inner.kind === 'lstm' ? 2 : 1
    const apart = uses('forward steps', 'backward steps')
    const returnSequences = apart || uses('steps')
    const separate = uses('forward last', 'backward last', 'forward c', 'backward c')
    const returnState = separate || (returnSequences && uses('last'))
    const options = { returnSequences, returnState }
    Object.assign(inner.options, options)
    const other = layer.options.backwardLayer as typeof inner | undefined
    if (other) Object.assign(other.options, options)
    if (apart) layer.options.mergeMode = 'none'
    const at = emit(layer)
    const first = apart ? 2 : 1
    give('forward steps', [at, 0])
    give('backward steps', [at, 1])
    give('forward last', [at, first])
    give('forward c', [at, first + 1])
    give('backward last', [at, first + states])
    give('backward c', [at, first + states + 1])
    if (uses('steps'))
      give(
        'steps',
        apart
          ? concatenate([
              [at, 0],
              [at, 1],
            ])
          : [at, 0],
      )
    if (uses('last')) {
      give(
        'last',
        returnSequences
          ? concatenate([
              [at, first],
              [at, first + states],
            ])
          : [at, 0],
      )
    }
    return
  }
  const returnSequences = uses('steps', 'timed', 'held')
  const returnState = uses('c') || (returnSequences && uses('last'))
  const { options } = layer
  Object.assign(options, { returnSequences, returnState })
  if (call.masked && returnSequences && !uses('held')) options.zeroOutputForMask = true
  if (uses('timed')) {
    // In the order of time a layer that reads backwards is found in bidirectional alone.
    const { goBackwards: _, ...own } = options
    const weights = new Map<string, ArrayLike<number>>()
    for (const [path, array] of layer.weights) {
      weights.set(`backward/${path}`, array)
      weights.set(`forward/${path}`, new Float32Array(array.length))
    }
    const inner = { kind: layer.kind, name: 'layer', options: own }
    const both: PlannedLayer = {
      kind: 'bidirectional',
      name: '',
      options: { layer: inner, mergeMode: 'none' },
      weights,
    }
    const at = emit(both)
    const states = layer.kind === 'lstm' ? 2 : 1
    give('timed', [at, 1])
    give('last', [at, 2 + states])
    give('c', [at, 3 + states])
    return
  }
  const at = emit(layer)
  give('steps', [at, 0])
  give('held', [at, 0])
  give('last', [at, returnSequences ? 1 : 0])
  give('c', [at, 2])
}
