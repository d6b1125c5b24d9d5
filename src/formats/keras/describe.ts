/** What a Keras file holds, before anything is made of it. */

import { show } from '../../errors.ts'
import { sizeOf } from '../../util/check.ts'
import type { FileDescription } from '../describe.ts'
import { Problems } from '../problems.ts'
import { kerasGraph } from './graph.ts'
import { type KerasLayer, readModel } from './model.ts'
import { isLegacy, type KerasSource } from './read.ts'

/** Options that people look for, in the order of importance; others are said by `convert`. */
const shown = [
  ...[
    'layer',
    'cell',
    'cells',
    'units',
    'filters',
    'kernel_size',
    'input_dim',
    'output_dim',
    'rate',
    'activation',
  ],
  ...['recurrent_activation', 'return_sequences', 'return_state', 'go_backwards', 'stateful'],
  ...[
    'reset_after',
    'mask_zero',
    'mask_value',
    'merge_mode',
    'batch_shape',
    'batch_input_shape',
    'axis',
  ],
]

/** The description of an open file. */
export function describeKeras(
  source: KerasSource,
  custom: Readonly<Record<string, unknown>>,
): FileDescription {
  const { fileName, format, version, config } = source
  const parameters = source.shapes().reduce((sum, shape) => sum + sizeOf([...shape]), 0)
  const producer = version
    ? `Keras ${version}`
    : format.startsWith('Tensor')
      ? 'TensorFlow.js'
      : 'Keras'
  const about = { format, producer, parameters }
  if (!config) {
    return { ...about, layers: [], unsupported: ['a model: the file has weights alone'], notes: [] }
  }
  const model = readModel(config, fileName)
  const problems = new Problems()
  kerasGraph(model, { where: fileName, legacy: isLegacy(version), custom, problems })
  return {
    ...about,
    layers: model.layers.map((layer) => ({
      name: layer.name,
      kind: layer.className,
      options: optionsOf(layer),
    })),
    unsupported: problems.found,
    notes: problems.notes,
  }
}

function optionsOf({ config }: KerasLayer): string {
  return shown
    .filter((key) => config[key] !== undefined && config[key] !== null && config[key] !== false)
    .map((key) => `${key} ${brief(config[key])}`)
    .join(', ')
}

/** A value in few words: of a layer inside, its class and units. */
function brief(value: unknown): string {
  if (Array.isArray(value) && typeof value[0] === 'object' && value[0])
    return value.map(brief).join(' + ')
  const { class_name, config } = Object(value) as {
    class_name?: string
    config?: { units?: number }
  }
  if (class_name) return `${class_name}${config?.units ? `(${config.units})` : ''}`
  return typeof value === 'string' || typeof value === 'number' ? String(value) : show(value)
}
