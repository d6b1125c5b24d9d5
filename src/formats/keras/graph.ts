/** The graph of a Keras model, as Refrain's files have it. */
import { RefrainError, show } from '../../errors.ts'
import type { LayerConfig, Shape } from '../../layers/layer.ts'
import type { GraphConfig } from '../../model/graph.ts'
import type { DType } from '../../tensor/tensor.ts'
import type { Problems } from '../problems.ts'
import { type Conversion, layerConfig } from './layers.ts'
import {
  batchShape,
  type KerasLayer,
  type KerasModel,
  type KerasTensor,
  modelClasses,
  readModel,
} from './model.ts'

/** What a conversion is given. */
export interface KerasOptions {
  /** Where the model comes from, for errors. */
  readonly where: string
  /** Whether Keras 1 or 2, or TensorFlow.js, wrote it. */
  readonly legacy: boolean
  readonly custom: Readonly<Record<string, unknown>>
  readonly problems: Problems
}

type Reference = [call: number, output: number]

/** The graph; `problems` then has all that is not supported. */
export function kerasGraph(model: KerasModel, options: KerasOptions): GraphConfig {
  return convert(model, options, 0)
}

function convert(model: KerasModel, options: KerasOptions, depth: number): GraphConfig {
  const context: Conversion = {
    ...options,
    nested: (layer) => {
      const inside = readModel(
        { class_name: layer.className, config: layer.config, build_config: null },
        `${options.where}: model '${layer.name}'`,
        depth + 1,
      )
      const kind = inside.kind
      const built = inside.builtFor ?? batchShape(layer.config['built for'])
      const graph = convert({ ...inside, builtFor: built }, options, depth + 1)
      const frozen = layer.config.trainable === false
      return { kind, name: layer.name, options: { ...graph, ...(frozen && { trainable: false }) } }
    },
  }
  const graph = model.kind === 'sequential' ? chain(model, context) : graphOf(model, context)
  return setTypes(graph)
}

/** Layers one after the other. */
function chain(model: KerasModel, context: Conversion): GraphConfig {
  const [first] = model.layers
  if (!first) throw new RefrainError('BAD_FILE', `the model '${model.name}' has no layers`)
  const shape = declaredShape(first) ?? model.builtFor ?? batchShape(first.config['built for'])
  const layers = model.layers
    .filter(({ className }) => className !== 'InputLayer')
    .map((layer) => layerConfig(layer, context))
  const nested = layers[0]?.options.inputs as GraphConfig['inputs'] | undefined
  const inputShape = shape?.slice(1) ?? nested?.[0].shape
  if (!inputShape) {
    throw new RefrainError(
      'BAD_FILE',
      `the model '${model.name}' says nowhere which input it takes`,
      'build it on an input shape in Keras, with model.build((None, …)), and save it again',
    )
  }
  const name = first.className === 'InputLayer' ? first.name : 'input'
  return {
    inputs: [{ name, shape: [...inputShape], dtype: 'float' }],
    layers,
    calls: layers.map((_, i) => ({ layer: i, inputs: [[i - 1, 0]] })),
    outputs: [[layers.length - 1, 0]],
  }
}

/** The shape that an input layer, or a first layer of Keras 2, has in its configuration. */
function declaredShape({ config }: KerasLayer): Shape | null {
  const { batch_input_shape, batch_shape, input_dim, input_length } = config
  const given = batchShape(batch_input_shape) ?? batchShape(batch_shape)
  if (given || typeof input_dim !== 'number' || 'output_dim' in config) return given
  return [null, ...(input_length === undefined ? [] : [input_length as number]), input_dim]
}

/** Layers in any order, called when their inputs are there. */
function graphOf(model: KerasModel, context: Conversion): GraphConfig {
  const values = new Map<string, Reference>()
  const inputLayers = model.layers.filter(({ className }) => className === 'InputLayer')
  const inputs = model.inputs.map((tensor, i) => {
    const layer = inputLayers.find(({ name }) => name === tensor.layer)
    const shape = layer && declaredShape(layer)
    if (!shape) {
      throw new RefrainError(
        'BAD_FILE',
        `the model '${model.name}' has no shape for its input ${show(tensor.layer)}`,
      )
    }
    values.set(key(tensor), [-1, i])
    return { name: tensor.layer, shape: [...shape.slice(1)], dtype: 'float' as DType }
  })
  const listed = model.layers.filter(({ className }) => className !== 'InputLayer')
  const layers = listed.map((layer) => layerConfig(callOptions(layer, context), context))
  const calls: { layer: number; inputs: Reference[] }[] = []
  const countedFrom = firstCalls(listed)
  let waiting = listed.flatMap((layer, i) =>
    layer.calls.map((call, node) => ({ layer, i, call, node })),
  )
  while (waiting.length > 0) {
    const ready = waiting.filter(({ call }) => call.inputs.every((input) => values.has(key(input))))
    if (ready.length === 0) {
      const [{ layer, call }] = waiting
      const missing = call.inputs.find((input) => !values.has(key(input)))!
      throw new RefrainError(
        'BAD_FILE',
        `the layer '${layer.name}' takes ${show(key(missing))}, which no layer makes`,
      )
    }
    for (const { layer, i, call, node } of ready) {
      const number = node + (countedFrom.get(layer.name) ?? 0)
      for (let output = 0; output < maxOutputs; output++) {
        values.set(key({ layer: layer.name, call: number, output }), [calls.length, output])
      }
      calls.push({ layer: i, inputs: call.inputs.map((input) => values.get(key(input))!) })
    }
    const done = new Set(ready)
    waiting = waiting.filter((one) => !done.has(one))
  }
  const outputs = model.outputs.map((tensor) => {
    const made = listed.find(({ name }) => name === tensor.layer)
    const late = made && countsEnds(made) && countedFrom.get(made.name) === 0
    const found = values.get(key(late ? { ...tensor, call: tensor.call - 1 } : tensor))
    if (!found) {
      throw new RefrainError('BAD_FILE', `no layer makes the output ${show(key(tensor))}`)
    }
    return found
  })
  return { inputs, layers, calls, outputs }
}

/**
 * The number of each model's first call: Keras 2 counts its making as one, so that it is 1. Keras 3 counts so in the
 * list of outputs alone, and of functional models.
 */
function firstCalls(layers: readonly KerasLayer[]): Map<string, number> {
  const inputs = layers.flatMap(({ calls }) => calls.flatMap((call) => call.inputs))
  return new Map(
    layers
      .filter(({ className }) => modelClasses.includes(className))
      .map(({ name, listed }) => {
        const used = inputs.filter(({ layer }) => layer === name)
        const fromOne = listed && !used.some(({ call }) => call === 0)
        return [name, fromOne ? 1 : 0]
      }),
  )
}

const countsEnds = ({ className }: KerasLayer) =>
  modelClasses.includes(className) && className !== 'Sequential'

/** More outputs than any layer has: a bidirectional stack of cells has two of each cell's states. */
const maxOutputs = 64

const key = ({ layer, call, output }: KerasTensor) => `${layer}:${call}:${output}`

/** Arguments of calls that are options of Refrain's layers. */
const callArguments = new Set(['use_causal_mask', 'return_attention_scores'])
/** Arguments that change nothing where a model predicts. */
const idle = new Set(['training'])

/** The layer with what its calls say; reports what cannot be had. */
function callOptions(layer: KerasLayer, { problems }: Conversion): KerasLayer {
  const [first, ...others] = layer.calls.map(({ options }) => {
    const kept = Object.entries(options).filter(([name]) => !idle.has(name))
    return Object.fromEntries(kept)
  })
  const differ = others.some((other) => JSON.stringify(other) !== JSON.stringify(first))
  if (differ) problems.add(`${layer.className} '${layer.name}' is called with different arguments`)
  for (const name of Object.keys(first ?? {})) {
    if (callArguments.has(name)) continue
    problems.add(`${layer.className} '${layer.name}' is called with ${name}`)
  }
  const known = Object.entries(first ?? {}).filter(([name]) => callArguments.has(name))
  return known.length > 0
    ? { ...layer, config: { ...layer.config, ...Object.fromEntries(known) } }
    : layer
}

/** Token ids instead of numbers for inputs that layers of ids take; Keras writes floats for both. */
function setTypes(graph: GraphConfig): GraphConfig {
  const takesIds = (i: number) =>
    graph.calls.some(({ layer, inputs }) =>
      inputs.some(([call, output], place) => {
        return call === -1 && output === i && typeOf(graph.layers[layer], place) === 'int32'
      }),
    )
  const inputs = graph.inputs.map((input, i): GraphConfig['inputs'][number] => ({
    ...input,
    dtype: takesIds(i) ? 'int32' : 'float',
  }))
  return { ...graph, inputs }
}

/** What a layer's input takes. */
function typeOf({ kind, options }: LayerConfig, place: number): DType {
  if (kind === 'embedding') return 'int32'
  if (kind === 'timeDistributed') return typeOf(options.layer as LayerConfig, place)
  const inputs = options.inputs as GraphConfig['inputs'] | undefined
  return (kind === 'model' || kind === 'sequential') && inputs ? inputs[place].dtype : 'float'
}
