/** Models from PyTorch's state dictionaries, for which the user says what is computed with them. */
import { RefrainError, show } from '../../errors.ts'
import type { Layer, LayerConfig } from '../../layers/layer.ts'
import { Functional } from '../../model/functional.ts'
import { type GraphConfig, graphFromConfig } from '../../model/graph.ts'
import { layerMaker } from '../../model/load.ts'
import type { Model } from '../../model/model.ts'
import type { Parameter } from '../../tensor/parameter.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { nearest } from '../../util/check.ts'
import type { ForeignOptions } from '../foreign.ts'
import { arraysOf } from './layout.ts'
import { modulesOf, type TorchModule } from './modules.ts'
import type { StateDict } from './state.ts'

/**
 * A step of an architecture: a module by its name, with options of Refrain's layer (`returnSequences`,
 * `activation`, …), or a layer without weights by its kind.
 */
export type ArchitectureStep =
  | string
  | { readonly module: string; readonly [option: string]: unknown }
  | { readonly kind: string; readonly [option: string]: unknown }

const recurrent = ['lstm', 'gru', 'simpleRnn']

/** The model whose layers are the steps one after the other. */
export function readTorch(state: StateDict, fileName: string, options: ForeignOptions): Model {
  const { modules, rest } = modulesOf(state)
  const { architecture, customLayers, ...own } = options
  if (!architecture) throw proposal(modules, rest, fileName)
  const sources: { layer: string; module: TorchModule; index: number }[] = []
  const configs = architecture.flatMap((step): LayerConfig[] => {
    const given = typeof step === 'string' ? { module: step } : step
    if (!('module' in given)) {
      const { kind, name = kind, ...rest } = given as Record<string, unknown>
      return [{ kind: String(kind), name: String(name), options: rest }]
    }
    const { module: name, ...rest } = given as Record<string, unknown>
    const module = modules.find((one) => one.name === name)
    if (!module) {
      const names = modules.map((one) => one.name)
      const close = nearest(String(name), names)
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `${fileName}: no module ${show(name)}`,
        close ? `did you mean '${close}'?` : `its modules: ${names.join(', ')}`,
      )
    }
    return layersOf(module, rest).map((config, index) => {
      sources.push({ layer: config.name, module, index })
      return config
    })
  })
  const graph = graphFromConfig(chain(configs, modules, architecture), layerMaker(customLayers))
  const model = new Functional<Tensor>(graph, own, 'sequential')
  const found = new Map<Parameter, ArrayLike<number>>()
  return model.buildWith((parameter) => {
    if (found.size === 0) {
      for (const { layer, module, index } of sources) {
        const target = graph.layers.find(({ name }) => name === layer)!
        assign(found, target, state, module, index, fileName)
      }
    }
    const values = found.get(parameter)
    if (!values) throw new RefrainError('BAD_FILE', `${fileName}: no weights for ${parameter.path}`)
    return values
  })
}

/** Refrain's layers for a module, one for each of its own. */
function layersOf(module: TorchModule, given: Record<string, unknown>): LayerConfig[] {
  const { name, kind, layers, bidirectional, options } = module
  const plain = name.replaceAll('.', '_') || kind
  if (!recurrent.includes(kind)) return [{ kind, name: plain, options: { ...options, ...given } }]
  const { returnSequences = false, ...others } = given
  return Array.from({ length: layers }, (_, k) => {
    const own = layers === 1 ? plain : `${plain}_l${k}`
    const sequences = k < layers - 1 ? true : returnSequences
    const inner = {
      kind,
      name: own,
      options: { ...options, ...others, returnSequences: sequences },
    }
    return bidirectional ? { kind: 'bidirectional', name: own, options: { layer: inner } } : inner
  })
}

/** Puts a module's arrays beside the layer's parameters. */
export function assign(
  found: Map<Parameter, ArrayLike<number>>,
  layer: Layer,
  state: StateDict,
  module: Pick<TorchModule, 'name' | 'kind' | 'bidirectional'>,
  index: number,
  fileName: string,
): void {
  const take = (target: Layer, reverse: boolean) => {
    const arrays = arraysOf(state, module, { layer: index, reverse, fileName })
    for (const parameter of target.parameters) {
      const array = arrays[parameter.name]
      if (array?.shape.join() !== parameter.shape.join()) {
        throw new RefrainError(
          'BAD_FILE',
          `${fileName}: expected an array of shape ${show([...parameter.shape])} ` +
            `for ${parameter.path}, got ${array ? show([...array.shape]) : 'none'}`,
        )
      }
      found.set(parameter, array.values)
    }
  }
  if (!module.bidirectional) take(layer, false)
  else for (const { role, layer: child } of layer.children) take(child, role === 'backward')
}

/** The layers one after the other; the width of the input is that of the first module. */
function chain(
  layers: readonly LayerConfig[],
  modules: readonly TorchModule[],
  architecture: readonly ArchitectureStep[],
): GraphConfig {
  const [first] = layers
  if (!first) throw new RefrainError('BAD_ARGUMENT', "'architecture': expected at least one step")
  // Not the file's first: safetensors has them by the alphabet.
  const named = architecture
    .map((step) => (typeof step === 'string' ? step : step.module))
    .find((name) => name !== undefined)
  const module = modules.find(({ name }) => name === named)
  const width = Number(/\((\d+)/.exec(module?.shown ?? '')?.[1])
  const ids = first.kind === 'embedding'
  const isSequence =
    ids || layers.some(({ kind }) => [...recurrent, 'bidirectional', 'conv1d'].includes(kind))
  const shape = ids ? [null] : isSequence ? [null, width] : [width]
  return {
    inputs: [{ name: 'input', shape, dtype: ids ? 'int32' : 'float' }],
    layers: [...layers],
    calls: layers.map((_, i) => ({ layer: i, inputs: [[i - 1, 0]] })),
    outputs: [[layers.length - 1, 0]],
  }
}

/** Says what the file holds, and what the architecture may be. */
function proposal(modules: readonly TorchModule[], rest: readonly string[], fileName: string) {
  const listed = modules.map(({ name, shown }) => `${name || 'the module itself'}: ${shown}`)
  if (rest.length > 0) listed.push(`not recognised: ${show([...rest])}`)
  return new RefrainError(
    'UNSUPPORTED',
    `${fileName}: PyTorch's files hold arrays, not what is computed with them. It has ${listed.join('; ')}`,
    `If it computes one after the other, give the option architecture: ${JSON.stringify(propose(modules))}`,
  )
}

/** The modules one after the other; recurrent ones but the last show all steps. */
export function propose(modules: readonly TorchModule[]): ArchitectureStep[] {
  const last = modules.findLastIndex(({ kind }) => recurrent.includes(kind))
  return modules.map(({ name, kind }, i) =>
    recurrent.includes(kind) && i < last ? { module: name, returnSequences: true } : name,
  )
}
