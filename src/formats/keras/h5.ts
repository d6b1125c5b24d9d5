/**
 * Keras's HDF5 files: a whole model, or weights alone. The group `model_weights`, or the root, has a group for
 * each layer by its name, and that lists its arrays in `weight_names`.
 */
import { RefrainError, show } from '../../errors.ts'
import type { Hdf5 } from '../hdf5.ts'
import { parseJson } from '../json.ts'
import type { FileArray } from './weights.ts'

/** The model's configuration, `{ class_name, config }`; null in a file of weights alone. */
export function configOfH5(file: Hdf5, fileName: string): unknown {
  const text = file.attribute('', 'model_config')
  return typeof text === 'string' ? parseJson(text, `${fileName}: model_config`) : null
}

/** The version of Keras that wrote the file; '' if it does not say. */
export function versionOfH5(file: Hdf5): string {
  const found =
    file.attribute('', 'keras_version') ?? file.attribute('model_weights', 'keras_version')
  return typeof found === 'string' ? found : ''
}

/** A list of texts; long ones lie in parts, `name0`, `name1`, …. */
function texts(file: Hdf5, path: string, name: string): string[] | null {
  const whole = file.attribute(path, name)
  if (whole !== undefined) return [whole].flat()
  const parts: string[] = []
  for (let i = 0; ; i++) {
    const part = file.attribute(path, `${name}${i}`)
    if (part === undefined) return i === 0 ? null : parts
    parts.push(...[part].flat())
  }
}

/** The names of layers, and what gives a layer's arrays by its name, in Keras's order. */
export function arraysOfH5(
  file: Hdf5,
  fileName: string,
): { names: string[]; arraysOf: (layer: string) => FileArray[] } {
  const root = file.children('').includes('model_weights') ? 'model_weights' : ''
  const layers = texts(file, root, 'layer_names')
  if (!layers) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected Keras's HDF5 layout with layer_names, got groups ${show(file.children(''))}`,
    )
  }
  const at = (name: string) => (root ? `${root}/${name}` : name)
  const arraysOf = (layer: string) => {
    const own = texts(file, at(layer), 'weight_names') ?? []
    return own.map((name) => {
      const path = `${at(layer)}/${name}`
      const shape = file.shape(path)
      if (!shape) throw new RefrainError('BAD_FILE', `${fileName}: the array '${path}' is missing`)
      return { name: path, shape, values: () => file.values(path) }
    })
  }
  return { names: layers, arraysOf }
}
