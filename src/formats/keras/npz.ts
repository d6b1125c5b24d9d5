/**
 * The NumPy archives in which Keras 3 can keep weights (`weights_format='npz'`): for each layer a file of one object,
 * a dictionary of Keras's variables by their numbers, pickled. Nothing of it is executed: the array in each is found,
 * NumPy's or PyTorch's.
 */
import { RefrainError } from '../../errors.ts'
import { sizeOf } from '../../util/check.ts'
import { fromFloat16 } from '../../util/float16.ts'
import { Opaque, type Pickled, readPickle } from '../pickle.ts'
import { tensorOf } from '../torch/state.ts'
import { unzip } from '../zip.ts'
import type { FileArray } from './weights.ts'

/** What gives an array by its path: 'layers/dense/vars/0'. Its `names` are those of all. */
export async function npzArrays(
  bytes: Uint8Array,
  where: string,
): Promise<{ names: string[]; arrayAt: (path: string) => FileArray | null }> {
  const files = await unzip(bytes, where, (name) => name.endsWith('.npy'))
  const found = new Map<string, FileArray | null>()
  for (const [file, content] of files) {
    const layer = file === '__root__.npy' ? '' : `${file.slice(0, -'.npy'.length)}/`
    const variables = objectIn(content, `${where}: ${file}`)
    if (!(variables instanceof Map)) continue
    for (const [key, variable] of variables) {
      const name = `${layer}vars/${String(key)}`
      found.set(name, arrayIn(variable, name, where))
    }
  }
  const arrayAt = (path: string) => {
    const array = found.get(path)
    if (array !== null) return array ?? null
    throw new RefrainError(
      'UNSUPPORTED',
      `${where}: '${path}' is no array of NumPy's or PyTorch's`,
      "Save the model again as .keras without weights_format='npz'",
    )
  }
  return { names: [...found.keys()].filter((name) => found.get(name)), arrayAt }
}

/** The one object of a `.npy` file; null if it holds numbers. NEP 1: magic, version, length of the header, header. */
function objectIn(bytes: Uint8Array, where: string): Pickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const isNumpy =
    bytes.length > 12 && new TextDecoder('latin1').decode(bytes.subarray(0, 6)) === '\x93NUMPY'
  if (!isNumpy) throw new RefrainError('BAD_FILE', `${where}: not a NumPy file`)
  const start = bytes[6] === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true)
  const header = new TextDecoder('latin1').decode(bytes.subarray(10, Math.min(start, 1000)))
  if (!/'descr': '\|O'/.test(header) || start >= bytes.length) return null
  const { value } = readPickle(bytes, where, start)
  // The array of no dimensions: its list of one object.
  const state = value instanceof Opaque ? value.state : null
  const objects = Array.isArray(state) ? state.at(-1) : null
  return Array.isArray(objects) && objects.length === 1 ? objects[0] : null
}

/** Objects in objects beyond this depth are no variable's. */
const maxDepth = 12

/** The first array of numbers in a variable, whatever its backend wraps it in. */
function arrayIn(value: Pickled, name: string, where: string, depth = 0): FileArray | null {
  if (depth > maxDepth) return null
  if (Array.isArray(value)) {
    const own = numpyArray(value, name, where)
    if (own) return own
    for (const one of value) {
      const found = arrayIn(one, name, where, depth + 1)
      if (found) return found
    }
  }
  if (value instanceof Map) {
    // A variable's other fields have no arrays but initial values.
    for (const key of ['_value', ...value.keys()]) {
      const found = arrayIn(value.get(key) ?? null, name, where, depth + 1)
      if (found) return found
    }
  }
  if (value instanceof Opaque) {
    const tensor = tensorOf(value, name, () => null, where)
    if (tensor) return { name, shape: tensor.shape, values: () => tensor.values() }
    return (
      arrayIn(value.state, name, where, depth + 1) ??
      arrayIn(value.args as Pickled[], name, where, depth + 1)
    )
  }
  return null
}

/** An array from its state: [1, shape, type, whether columns come first, bytes]; null if it is none. */
function numpyArray(state: readonly Pickled[], name: string, where: string): FileArray | null {
  const [, shape, type, byColumns, data] = state
  if (!(Array.isArray(shape) && type instanceof Opaque && data instanceof Uint8Array)) return null
  if (!type.type.endsWith('dtype') || shape.some((size) => !Number.isInteger(size))) return null
  const kind = String(type.args[0])
  const order = Array.isArray(type.state) ? type.state[1] : '<'
  const size = { f2: 2, f4: 4, f8: 8 }[kind]
  const sizes = shape as number[]
  if (!size || order === '>' || (byColumns === true && sizes.length > 1)) {
    // Such as the states of random numbers, which nobody asks for.
    const values = () => {
      throw new RefrainError(
        'UNSUPPORTED',
        `${where}: '${name}' is an array of ${kind}${order === '>' ? ', big-endian' : ''}` +
          `${byColumns ? ', column by column' : ''}`,
        "Expected float16, float32 or float64, row by row: save the model again without weights_format='npz'",
      )
    }
    return { name, shape: sizes, values }
  }
  if (data.length !== size * sizeOf(sizes)) {
    throw new RefrainError(
      'BAD_FILE',
      `${where}: '${name}' has ${data.length} bytes, expected ${size * sizeOf(sizes)}`,
    )
  }
  return { name, shape: sizes, values: () => numbers(data, size) }
}

function numbers(data: Uint8Array, size: number): Float32Array | Float64Array {
  const { buffer } = data.slice()
  if (size === 2) return fromFloat16(new Uint16Array(buffer))
  return size === 4 ? new Float32Array(buffer) : new Float64Array(buffer)
}
