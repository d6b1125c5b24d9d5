/** Which way each layer of a model runs, in prediction and in training, and why. */
import type { Layer } from '../layers/layer.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Model } from './model.ts'

/** 'fused': one kernel for all steps; 'composed': step by step; 'operations': not recurrent. */
export type Way = 'fused' | 'composed' | 'operations'

/** How one layer computes. */
export interface LayerWay {
  /** Path of the layer within the model: 'bidirectional/forward'. */
  readonly layer: string
  /** The kind of layer: 'lstm'. */
  readonly kind: string
  /** Number of its weights; 0 for a layer around others, which have them. */
  readonly parameters: number
  readonly prediction: Way
  readonly training: Way
  /** Which option keeps the layer from the fused kernel; '' if none does. */
  readonly reason: string
}

/** One layer's way. */
export function wayOf(layer: Layer, path: string): LayerWay {
  const prediction = layer.path(false)
  const training = layer.path(true)
  const name = (way: typeof training): Way =>
    way === null ? 'operations' : way.fused ? 'fused' : 'composed'
  const own = innerLayers(layer).length === 0
  return {
    layer: path,
    kind: layer.kind,
    parameters: own ? layer.parameters.reduce((sum, parameter) => sum + parameter.size, 0) : 0,
    prediction: name(prediction),
    training: name(training),
    reason: training?.reason || prediction?.reason || '',
  }
}

/** The layers inside one that compute by themselves: not the cells of `rnn`. */
export const innerLayers = (layer: Layer) => (layer.kind === 'rnn' ? [] : layer.children)

/** Calls `visit` for each layer of a model, those inside others before these, with its path. */
export function eachLayer(
  model: Model<Tensor | Tensor[]>,
  visit: (layer: Layer, path: string) => void,
): void {
  const walk = (layer: Layer, path: string) => {
    for (const { role, layer: inner } of innerLayers(layer)) walk(inner, `${path}/${role}`)
    visit(layer, path)
  }
  for (const layer of model.layers) walk(layer, layer.name || layer.kind)
}

/** The ways of all layers that have none inside. Measures nothing: `explain` does. */
export function waysOf(model: Model<Tensor | Tensor[]>): { backend: string; layers: LayerWay[] } {
  const layers: LayerWay[] = []
  eachLayer(model, (layer, path) => {
    if (innerLayers(layer).length === 0) layers.push(wayOf(layer, path))
  })
  const { backend } = model
  return { backend: `${backend.name} ${backend.variant}`, layers }
}
