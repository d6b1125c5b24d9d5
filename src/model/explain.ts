import type { Layer } from '../layers/layer.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Model } from './model.ts'

/** How one layer computes. */
export interface LayerExplanation {
  /** Path of the layer within the model: 'bidirectional/forward'. */
  readonly layer: string
  readonly kind: string
  readonly parameters: number
  /** 'fused': one kernel for all steps; 'composed': step by step; 'operations': not recurrent. */
  readonly prediction: 'fused' | 'composed' | 'operations'
  readonly training: 'fused' | 'composed' | 'operations'
  /** Which option keeps the layer from the fused kernel; '' if none does. */
  readonly reason: string
}

/** Which way each layer of a model runs, in prediction and in training, and why. */
export function explain(model: Model<Tensor | Tensor[]>): {
  backend: string
  layers: LayerExplanation[]
} {
  const layers: LayerExplanation[] = []
  const visit = (layer: Layer, path: string) => {
    for (const { role, layer: inner } of layer.children) visit(inner, `${path}/${role}`)
    if (layer.children.length > 0) return
    const prediction = layer.path(false)
    const training = layer.path(true)
    const name = (way: typeof training) =>
      way === null ? 'operations' : way.fused ? 'fused' : 'composed'
    layers.push({
      layer: path,
      kind: layer.kind,
      parameters: layer.parameters.reduce((sum, parameter) => sum + parameter.size, 0),
      prediction: name(prediction),
      training: name(training),
      reason: training?.reason || prediction?.reason || '',
    })
  }
  for (const layer of model.layers) visit(layer, layer.name || layer.kind)
  const { backend } = model
  return { backend: `${backend.name} ${backend.variant}`, layers }
}
