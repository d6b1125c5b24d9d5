/** Names of a model's layers, and the places they may have. */
import { RefrainError } from '../errors.ts'
import type { Layer } from '../layers/layer.ts'

/**
 * Gives layers without a name of their own one that is free in this model: the kind, then kind_1,
 * kind_2, … Such a name may change when the layer joins another model.
 */
export function nameLayers(layers: readonly Layer[]): void {
  const taken = new Set<string>()
  for (const layer of layers) {
    if (!layer.name || layer.named) continue
    if (taken.has(layer.name)) {
      throw new RefrainError('BAD_ARGUMENT', `two layers are named '${layer.name}'`)
    }
    taken.add(layer.name)
  }
  for (const layer of layers) {
    if (layer.name && !layer.named) continue
    for (let number = 0; !layer.name || taken.has(layer.name); number++) {
      layer.name = number === 0 ? layer.kind : `${layer.kind}_${number}`
    }
    layer.named = true
    taken.add(layer.name)
  }
}

/**
 * Fails if a layer stands both by itself and inside another one, as it would have two homes, or if one
 * is missing whose weights another one shares.
 */
export function checkNesting(layers: readonly Layer[]): void {
  const seen = new Set<Layer>()
  const visit = (layer: Layer) => {
    if (seen.has(layer)) {
      throw new RefrainError(
        'UNSUPPORTED',
        `${layer.name || layer.kind}: a layer cannot stand by itself and inside another layer, too`,
        'give the wrapper a layer of its own',
      )
    }
    seen.add(layer)
    for (const { layer: inner } of layer.children) visit(inner)
  }
  for (const layer of layers) visit(layer)
  for (const layer of seen) {
    const { tiedTo } = layer
    if (!tiedTo || seen.has(tiedTo)) continue
    throw new RefrainError(
      'UNSUPPORTED',
      `${layer.name || layer.kind}: the layer whose weights it shares, ` +
        `'${tiedTo.name || tiedTo.kind}', is not in this model`,
      'use both in one model',
    )
  }
}
