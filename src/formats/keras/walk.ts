/** All layers of a Keras model that have weights of their own, each with its place, those inside wrappers too. */
import type { Layer } from '../../layers/layer.ts'
import { type KerasLayer, type KerasModel, modelClasses, readLayer, readModel } from './model.ts'

/** A layer with weights of its own. */
export interface Leaf {
  readonly keras: KerasLayer
  readonly layer: Layer
  /**
   * Where a `.keras` archive has it: 'layers' / 'lstm_1' / 'cell'. Layers of a class are numbered in the model's
   * order, whatever their names.
   */
  readonly path: readonly string[]
  /** The names of the layer, last, and of those that it is in; of a direction, 'forward_lstm'. */
  readonly names: readonly string[]
  /** Where TensorFlow.js has its arrays: the names of the layer and of the directions and stacks that it is in. */
  readonly scope: readonly string[]
}

/** Keras's own words for classes: LSTM → lstm, SimpleRNN → simple_rnn, MaxPooling1D → max_pooling1d. */
export function classWord(name: string): string {
  return name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
}

/** Layers whose weights lie in the cell inside them. */
const withCell = new Set(['LSTM', 'GRU', 'SimpleRNN', 'ConvLSTM2D'])

/** The leaves of a model, whose layers are given by their names. */
export function leavesOf(model: KerasModel, layers: readonly Layer[], where: string): Leaf[] {
  const byName = new Map(layers.map((layer) => [layer.name, layer]))
  const find = (i: number) => byName.get(model.layers[i].name)
  return listLeaves(model.layers, find, ['layers'], [], where)
}

/** Of a list of layers: those of each class are numbered. */
function listLeaves(
  list: readonly KerasLayer[],
  layerOf: (i: number) => Layer | undefined,
  path: readonly string[],
  names: readonly string[],
  where: string,
  scopeOf: (name: string, i: number) => readonly string[] = (name) => [name],
): Leaf[] {
  const counts = new Map<string, number>()
  return list.flatMap((keras, i) => {
    const word = classWord(keras.className)
    const count = counts.get(word) ?? 0
    counts.set(word, count + 1)
    const layer = layerOf(i)
    if (!layer) return []
    const numbered = count === 0 ? word : `${word}_${count}`
    const place = {
      path: [...path, numbered],
      names: [...names, keras.name],
      scope: scopeOf(keras.name, i),
    }
    return leaves(keras, layer, place, where)
  })
}

function leaves(
  keras: KerasLayer,
  layer: Layer,
  { path, names, scope }: Pick<Leaf, 'path' | 'names' | 'scope'>,
  where: string,
): Leaf[] {
  const { className, config } = keras
  const inside = (value: unknown, role: string, segment: string, name: (own: string) => string) => {
    const inner = readLayer(value, where)
    const child = layer.children.find((one) => one.role === role)!.layer
    const own = name(inner.name)
    const place = {
      path: [...path, segment],
      names: [...names, own],
      scope: className === 'Bidirectional' ? [...scope, own] : scope,
    }
    return leaves(inner, child, place, where)
  }
  const same = (name: string) => name
  if (modelClasses.includes(className)) {
    const model = readModel({ class_name: className, config }, where)
    const own = new Map(layer.children.map((child) => [child.layer.name, child.layer]))
    const find = (i: number) => own.get(model.layers[i].name)
    return listLeaves(model.layers, find, [...path, 'layers'], names, where)
  }
  switch (className) {
    case 'Bidirectional':
      return [
        ...inside(config.layer, 'forward', 'forward_layer', (name) =>
          name.startsWith('forward_') ? name : `forward_${name}`,
        ),
        ...inside(config.backward_layer ?? config.layer, 'backward', 'backward_layer', (name) =>
          config.backward_layer ? name : `backward_${name.replace(/^forward_/, '')}`,
        ),
      ]
    case 'TimeDistributed':
      return inside(config.layer, 'layer', 'layer', same)
    case 'RNN':
      return inside(config.cell, layer.children[0].role, 'cell', same)
    case 'StackedRNNCells': {
      const cells = (config.cells as readonly unknown[]).map((cell) => readLayer(cell, where))
      const find = (i: number) => layer.children[i].layer
      return listLeaves(cells, find, [...path, 'cells'], names, where, (_, i) => [
        ...scope,
        `RNNCell_${i}`,
      ])
    }
    default: {
      const end = withCell.has(className) ? ['cell'] : []
      return layer.parameters.length > 0
        ? [{ keras, layer, path: [...path, ...end], names, scope }]
        : []
    }
  }
}
