/**
 * A Keras model's configuration, of any version from 2.0 to 3, in one form: layers by name, and for each
 * call of a layer where its inputs come from.
 *
 * Sequential's configuration is a list (2.0, 2.1) or an object; a call's inputs are nested lists
 * (`inbound_nodes` of Keras 2) or arguments with `__keras_tensor__` objects (Keras 3).
 */
import { RefrainError, show } from '../../errors.ts'
import type { Shape } from '../../layers/layer.ts'
import { asCount, asList, asObject, asText, isObject, type JsonObject } from '../json.ts'

/** Output `output` of call `call` of the layer `layer`. */
export interface KerasTensor {
  readonly layer: string
  readonly call: number
  readonly output: number
}

/** One call of a layer. */
export interface KerasCall {
  readonly inputs: readonly KerasTensor[]
  /** Arguments other than the inputs, those that are null, absent or false left out. */
  readonly options: JsonObject
}

/** A layer as its file has it. */
export interface KerasLayer {
  readonly className: string
  readonly name: string
  readonly config: JsonObject
  /** Of a layer in a functional model; empty in a sequential one. */
  readonly calls: readonly KerasCall[]
  /** Whether the calls stand as lists, as Keras 2 has them. */
  readonly listed: boolean
}

/** A model, as the file itself or as a layer of it. */
export interface KerasModel {
  readonly kind: 'sequential' | 'model'
  readonly name: string
  readonly layers: readonly KerasLayer[]
  /** Empty in a sequential one. */
  readonly inputs: readonly KerasTensor[]
  readonly outputs: readonly KerasTensor[]
  /** What a sequential one was built for, if it says so: the batch in front. */
  readonly builtFor: Shape | null
}

/** Classes that are models. */
export const modelClasses = ['Sequential', 'Functional', 'Model']

/** Models in models beyond this depth are no one's. */
const maxDepth = 32

/** The model that `{ class_name, config }` describes. */
export function readModel(value: unknown, where: string, depth = 0): KerasModel {
  const { class_name, config, build_config } = asObject(value, where)
  const className = asText(class_name, `${where} class_name`)
  if (!modelClasses.includes(className)) {
    throw new RefrainError(
      'UNSUPPORTED',
      `${where}: a model of the class ${show(className)}`,
      'Sequential and Functional models can be read: a class of your own says nothing of its layers',
    )
  }
  if (depth > maxDepth) throw new RefrainError('BAD_FILE', `${where}: models nest too deep`)
  const given = Array.isArray(config) ? { layers: config } : asObject(config, `${where} config`)
  const name = typeof given.name === 'string' ? given.name : 'sequential'
  const layers = asList(given.layers, `${where} layers`).map((layer, i) =>
    readLayer(layer, `${where} layer ${i}`),
  )
  const names = new Set(layers.map((layer) => layer.name))
  if (names.size < layers.length) {
    throw new RefrainError('BAD_FILE', `${where}: two layers have one name`)
  }
  const kind = className === 'Sequential' ? 'sequential' : 'model'
  const ends = (key: string) =>
    kind === 'sequential' ? [] : readEnds(given[key], `${where} ${key}`)
  return {
    kind,
    name,
    layers,
    inputs: ends('input_layers'),
    outputs: ends('output_layers'),
    builtFor:
      batchShape(given.build_input_shape) ??
      (isObject(build_config) ? batchShape(build_config.input_shape) : null),
  }
}

/** A layer's `{ class_name, config }`, or that of one inside a wrapper. */
export function readLayer(value: unknown, where: string): KerasLayer {
  const layer = asObject(value, where)
  const className = asText(layer.class_name, `${where} class_name`)
  // Keras 1 and 2 wrote a nested Sequential's layers as a bare list.
  const config = Array.isArray(layer.config)
    ? { name: layer.name ?? className, layers: layer.config }
    : asObject(layer.config, `${where} config`)
  const name = layer.name ?? config.name ?? className
  const nodes = layer.inbound_nodes === undefined ? [] : asList(layer.inbound_nodes, where)
  return {
    className,
    name: asText(name, `${where} name`),
    config: { ...config, ...buildShape(layer) },
    calls: nodes.map((node) => readCall(node, `${where} inbound_nodes`)),
    listed: nodes.some(Array.isArray),
  }
}

/** What Keras 3 says a layer was built for, under a name that no option has. */
function buildShape({ build_config }: JsonObject): JsonObject {
  const shape = isObject(build_config) ? build_config.input_shape : null
  return shape ? { 'built for': shape } : {}
}

function readCall(node: unknown, where: string): KerasCall {
  if (isObject(node)) {
    const inputs = tensorsIn(node.args, where)
    const options: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(asObject(node.kwargs ?? {}, where))) {
      const tensors = tensorsIn(value, where)
      // An initial state comes after the inputs, as it does in Keras 2.
      if (tensors.length > 0 && inputNames.includes(key)) inputs.push(...tensors)
      else if (tensors.length > 0) options[key] = 'a tensor'
      else if (isGiven(value)) options[key] = value
    }
    return { inputs, options }
  }
  const list = asList(node, where)
  const tensors = typeof list[0] === 'string' ? [list] : list
  const inputs: KerasTensor[] = []
  const options: Record<string, unknown> = {}
  for (const [i, tensor] of tensors.entries()) {
    const [layer, call, output, given] = asList(tensor, where)
    inputs.push(readTensor([layer, call, output], where))
    if (i > 0 || !isObject(given)) continue
    for (const [key, value] of Object.entries(given)) {
      if (inputNames.includes(key) && Array.isArray(value)) {
        const states = typeof value[0] === 'string' ? [value] : value
        inputs.push(...states.map((state) => readTensor(asList(state, where), where)))
      } else if (isGiven(value)) options[key] = value
    }
  }
  return { inputs, options }
}

/** Arguments that hold tensors which come behind the first. */
const inputNames = ['initial_state', 'inputs', 'sequence', 'sequences']

const isGiven = (value: unknown) => value !== null && value !== undefined && value !== false

/** All tensors of Keras 3's nested arguments, in order. */
function tensorsIn(value: unknown, where: string, depth = 0): KerasTensor[] {
  if (depth > maxDepth) throw new RefrainError('BAD_FILE', `${where}: arguments nest too deep`)
  if (Array.isArray(value)) return value.flatMap((item) => tensorsIn(item, where, depth + 1))
  if (!isObject(value)) return []
  if (value.class_name === '__keras_tensor__') {
    const { keras_history } = asObject(value.config, where)
    return [readTensor(asList(keras_history, where), where)]
  }
  return []
}

function readTensor([layer, call, output]: readonly unknown[], where: string): KerasTensor {
  return {
    layer: asText(layer, where),
    call: asCount(call, where),
    output: asCount(output, where),
  }
}

/** Inputs or outputs: a list of tensors, or one alone (3.13). */
function readEnds(value: unknown, where: string): KerasTensor[] {
  const list = asList(value, where)
  if (typeof list[0] === 'string') return [readTensor(list, where)]
  return list.map((tensor) => readTensor(asList(tensor, where), where))
}

/** A shape with the batch in front; null if it is none. */
export function batchShape(value: unknown): Shape | null {
  if (!Array.isArray(value) || value.length === 0) return null
  const fits = value.every((length) => length === null || Number.isSafeInteger(length))
  return fits ? value : null
}
