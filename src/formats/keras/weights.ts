/**
 * Which of a file's arrays is whose. Keras's formats differ in how they say it: HDF5 lists a layer's arrays in
 * order, `.keras` has a path for each, TensorFlow.js names that hold the layers'.
 */
import { RefrainError, show } from '../../errors.ts'
import type { Layer } from '../../layers/layer.ts'
import type { Parameter } from '../../tensor/parameter.ts'
import { camelCase, snakeCase } from './values.ts'
import type { Leaf } from './walk.ts'

/** An array of a file, read when it is asked for: its shape is checked first. */
export interface FileArray {
  readonly name: string
  readonly shape: readonly number[]
  values(): Float32Array | Float64Array
}

/** Each parameter's array. */
export type Assigned = Map<Parameter, FileArray>

const missing = (fileName: string, what: string, parameter: Parameter) =>
  new RefrainError('BAD_FILE', `${fileName}: ${what} for ${parameter.path} is missing`)

/** Takes the array for the parameter, if the shapes agree. */
function pair(found: Assigned, parameter: Parameter, array: FileArray, fileName: string): void {
  if (array.shape.join() !== parameter.shape.join()) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected '${array.name}' of shape ${show([...parameter.shape])} ` +
        `for ${parameter.path}, got ${show([...array.shape])}`,
    )
  }
  found.set(parameter, array)
}

/** Whether training moves the parameter. */
export const moves = (parameter: Parameter) => parameter.trainable && !parameter.fixed

/** Keras's order of `layer.weights`: what training moves, then the rest. */
export function inKerasOrder(parameters: readonly Parameter[]): Parameter[] {
  return [...parameters.filter(moves), ...parameters.filter((one) => !moves(one))]
}

/** By layers, in Keras's order of `layer.weights`: what training moves, then the rest. */
export function byOrder(
  layers: readonly Layer[],
  arraysOf: (layer: string) => readonly FileArray[],
  fileName: string,
): Assigned {
  const found: Assigned = new Map()
  for (const layer of layers) {
    const ordered = inKerasOrder(layer.parameters)
    const arrays = ordered.length > 0 ? arraysOf(layer.name) : []
    if (arrays.length !== ordered.length) {
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: expected ${ordered.length} arrays for the layer '${layer.name}', ` +
          `got ${arrays.length}${arrays.length > 0 ? `: ${show(arrays.map(({ name }) => name))}` : ''}`,
      )
    }
    ordered.forEach((parameter, i) => {
      pair(found, parameter, arrays[i], fileName)
    })
  }
  return found
}

/** By the paths of a `.keras` archive. */
export function byPath(
  leaves: readonly Leaf[],
  arrayAt: (path: string) => FileArray | null,
  fileName: string,
): Assigned {
  const found: Assigned = new Map()
  for (const { layer, path } of leaves) {
    layer.parameters.forEach((parameter, i) => {
      const name = [...path, 'vars', i].join('/')
      const array = arrayAt(name)
      if (!array) throw missing(fileName, `the array '${name}'`, parameter)
      pair(found, parameter, array, fileName)
    })
  }
  return found
}

/** By names such as 'bidirectional/forward_lstm/lstm_cell/kernel:0', of which any part may be left out. */
export function byName(
  leaves: readonly Leaf[],
  arrays: readonly FileArray[],
  fileName: string,
): Assigned {
  const split = arrays.map((array) => ({
    array,
    parts: array.name.replace(/:\d+$/, '').split('/'),
  }))
  const found: Assigned = new Map()
  for (const { layer, names, scope } of leaves) {
    // What a layer lies in says more than its own name, and a part in front more than one behind.
    const rank = (parts: readonly string[]) =>
      names.reduce((sum, name, i) => {
        const at = parts.indexOf(name)
        return at < 0 ? sum : sum + 2 ** (names.length - i) - at / parts.length
      }, 0)
    for (const parameter of layer.parameters) {
      const whole = [...scope, snakeCase(parameter.name)].join('/')
      const exact = split.find(({ parts }) => parts.join('/') === whole)
      if (exact) {
        pair(found, parameter, exact.array, fileName)
        continue
      }
      const [best, next] = split
        .filter(({ parts }) => camelCase(parts.at(-1)!) === parameter.name)
        .map(({ array, parts }) => ({ array, fit: rank(parts) }))
        .filter(({ fit }) => fit > 0)
        .sort((a, b) => b.fit - a.fit)
      if (!best || best.fit === next?.fit) {
        const what = best ? `one array, and not several, named '${best.array.name}'` : 'the array'
        throw missing(fileName, what, parameter)
      }
      pair(found, parameter, best.array, fileName)
    }
  }
  return found
}
