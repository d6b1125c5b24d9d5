/**
 * The arrays of a PyTorch file by their names, as a module's `state_dict()` has them: from the zip layout, from the
 * layout before 1.6, from checkpoints that hold them deeper, and from pickled modules, of which nothing is run.
 */
import { RefrainError, show } from '../../errors.ts'
import { sizeOf } from '../../util/check.ts'
import { fromFloat16 } from '../../util/float16.ts'
import type { Safetensors } from '../../util/safetensors.ts'
import { type Dictionary, Global, Opaque, Persistent, type Pickled, readPickle } from '../pickle.ts'
import { unzip } from '../zip.ts'

/** A tensor, row by row. */
export interface TorchTensor {
  readonly shape: readonly number[]
  /** 'float32', …. */
  readonly dtype: string
  /** The numbers; throws `BAD_FILE` if the file lacks them. */
  values(): Float32Array | Float64Array
}

/** A module's tensors by their names: 'lstm.weight_ih_l0'. */
export type StateDict = ReadonlyMap<string, TorchTensor>

/** Types by the names of their storages. */
const storages: Readonly<Record<string, { dtype: string; size: number }>> = {
  FloatStorage: { dtype: 'float32', size: 4 },
  DoubleStorage: { dtype: 'float64', size: 8 },
  HalfStorage: { dtype: 'float16', size: 2 },
  BFloat16Storage: { dtype: 'bfloat16', size: 2 },
  LongStorage: { dtype: 'int64', size: 8 },
  IntStorage: { dtype: 'int32', size: 4 },
  ShortStorage: { dtype: 'int16', size: 2 },
  CharStorage: { dtype: 'int8', size: 1 },
  ByteStorage: { dtype: 'uint8', size: 1 },
  BoolStorage: { dtype: 'bool', size: 1 },
}

/** The bytes of a storage, by its key; null if there is none. */
type FindStorage = (key: string) => Uint8Array | null

/** Reads the tensors of a `.pt` or `.pth` file in the zip layout. */
export async function readTorchZip(bytes: Uint8Array, fileName: string): Promise<StateDict> {
  const files = await unzip(bytes, fileName, (name) =>
    /(^|\/)(data\.pkl|byteorder|data\/[^/]+)$/.test(name),
  )
  const pickle = [...files.keys()].find((name) => name.endsWith('data.pkl'))
  if (!pickle) {
    throw new RefrainError('BAD_FILE', `${fileName}: expected a data.pkl in the archive, got none`)
  }
  const root = pickle.slice(0, -'data.pkl'.length)
  const order = files.get(`${root}byteorder`)
  if (order && new TextDecoder().decode(order).trim() === 'big') {
    throw new RefrainError('UNSUPPORTED', `${fileName}: it was written on a big-endian machine`)
  }
  const { value } = readPickle(files.get(pickle)!, fileName)
  return tensorsOf(value, (key) => files.get(`${root}data/${key}`) ?? null, fileName)
}

/** 0x1950a86a20f9469cfc6c, with which the layout before 1.6 begins. */
const magic = 119547037146038801333356n

/** Reads the tensors of a file in the layout before PyTorch 1.6. */
export function readTorchPickles(bytes: Uint8Array, fileName: string): StateDict {
  const { value, find } = readPickles(bytes, fileName)
  return tensorsOf(value, find, fileName)
}

/** The layout before PyTorch 1.6: pickles, then storages, one after another. */
function readPickles(bytes: Uint8Array, fileName: string): { value: Pickled; find: FindStorage } {
  let at = 0
  const next = (): Pickled => {
    const { value, end } = readPickle(bytes, fileName, at)
    at = end
    return value
  }
  const first = next()
  if (first !== magic) {
    throw new RefrainError(
      'UNSUPPORTED',
      `${fileName}: a pickle, but none of PyTorch's torch.save`,
      'Save the state dictionary: torch.save(model.state_dict(), path)',
    )
  }
  next() // the version of the layout
  next() // what the machine was
  const value = next()
  const keys = next()
  if (!Array.isArray(keys)) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: expected a list of storages, got ${show(keys)}`,
    )
  }
  const sizes = storageSizes(value)
  const found = new Map<string, Uint8Array>()
  for (const key of keys.map(String)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at)
    const count = view.byteLength >= 8 ? Number(view.getBigUint64(0, true)) : -1
    const length = count * (sizes.get(key) ?? Number.NaN)
    at += 8
    if (!(length >= 0 && at + length <= bytes.length)) {
      throw new RefrainError('BAD_FILE', `${fileName}: the storage ${key} was cut off`)
    }
    found.set(key, bytes.subarray(at, at + length))
    at += length
  }
  return { value, find: (key) => found.get(key) ?? null }
}

/** Bytes of an element of each storage that the value refers to. */
function storageSizes(value: Pickled): Map<string, number> {
  const sizes = new Map<string, number>()
  const seen = new Set<Pickled>()
  const visit = (one: Pickled) => {
    if (typeof one !== 'object' || one === null || seen.has(one)) return
    seen.add(one)
    if (one instanceof Persistent) {
      const storage = storageOf(one)
      if (storage) sizes.set(storage.key, storage.size)
    } else if (Array.isArray(one)) one.forEach(visit)
    else if (one instanceof Map) for (const [, item] of one) visit(item)
    else if (one instanceof Opaque) {
      one.args.forEach(visit)
      visit(one.state)
      for (const [, item] of one.items) visit(item)
    }
  }
  visit(value)
  return sizes
}

/** What `('storage', torch.FloatStorage, '0', 'cpu', 128)` says. */
function storageOf({ id }: Persistent): { key: string; dtype: string; size: number } | null {
  if (!Array.isArray(id) || id[0] !== 'storage' || !(id[1] instanceof Global)) return null
  const type = id[1].name.replace(/^.*\./, '')
  return Object.hasOwn(storages, type) ? { key: String(id[2]), ...storages[type] } : null
}

/** The tensors of a safetensors file. */
export function stateOfSafetensors({ tensors }: Safetensors): StateDict {
  const entries = [...tensors].map(([name, { dtype, shape, data }]): [string, TorchTensor] => {
    const known = { F32: 'float32', F64: 'float64', F16: 'float16', BF16: 'bfloat16' } as const
    const type = Object.hasOwn(known, dtype) ? known[dtype as keyof typeof known] : dtype
    const values = () => {
      const found = decode(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), type)
      if (found) return found
      throw new RefrainError('UNSUPPORTED', `the tensor '${name}' is of type ${dtype}`)
    }
    return [name, { shape, dtype: type, values }]
  })
  return new Map(entries)
}

/** All tensors of a value, by names joined with points; a checkpoint's state dictionary by its own names. */
function tensorsOf(value: Pickled, find: FindStorage, fileName: string): StateDict {
  const found = new Map<string, TorchTensor>()
  collect(value, '', found, find, fileName, 0)
  if (found.size === 0) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: no tensors in it`,
      'Save the state dictionary: torch.save(model.state_dict(), path)',
    )
  }
  return found
}

function collect(
  value: Pickled,
  name: string,
  found: Map<string, TorchTensor>,
  find: FindStorage,
  fileName: string,
  depth: number,
): void {
  if (depth > 64) throw new RefrainError('BAD_FILE', `${fileName}: it nests too deep`)
  const inside = (next: Pickled, key: Pickled) =>
    collect(next, name === '' ? String(key) : `${name}.${key}`, found, find, fileName, depth + 1)
  const tensor = tensorOf(value, name, find, fileName)
  if (tensor) found.set(name, tensor)
  else if (value instanceof Map) {
    // A checkpoint's optimizer and the like are none of the model's.
    const model = modelKeys.find((key) => isDictionary(value.get(key)))
    if (model) collect(value.get(model)!, name, found, find, fileName, depth + 1)
    else for (const [key, item] of value) if (typeof key === 'string') inside(item, key)
  } else if (value instanceof Opaque && value.state instanceof Map) {
    // A pickled module: its parameters, then those of the modules in it.
    for (const part of ['_parameters', '_buffers', '_modules']) {
      const own = value.state.get(part)
      if (own instanceof Map) for (const [key, item] of own) inside(item, key)
    }
  }
}

/** Under what names checkpoints hold a model's state dictionary. */
const modelKeys = ['state_dict', 'model_state_dict', 'model', 'net', 'network', 'module', 'weights']

const isDictionary = (value: Pickled | undefined): value is Dictionary | Opaque =>
  value instanceof Map || (value instanceof Opaque && value.state instanceof Map)

/** What a tensor in a pickle that is not PyTorch's own has for its storage: a file in the old layout. */
function fileOf(value: Pickled, fileName: string) {
  const isFile = value instanceof Opaque && value.type === 'torch.storage._load_from_bytes'
  const bytes = isFile ? value.args[0] : null
  return bytes instanceof Uint8Array ? readPickles(bytes, fileName) : null
}

/** The tensor that a pickle rebuilds; null if it is something else. */
export function tensorOf(
  value: Pickled,
  name: string,
  find: FindStorage,
  fileName: string,
): TorchTensor | null {
  if (!(value instanceof Opaque)) return null
  const [first, ...rest] = value.args
  if (value.type === 'torch._utils._rebuild_parameter') return tensorOf(first, name, find, fileName)
  // A parameter of its own class, as old files have it.
  if (value.type === 'torch.nn.parameter.Parameter') return tensorOf(first, name, find, fileName)
  if (!/^torch\._utils\._rebuild_tensor(_v2)?$/.test(value.type)) return null
  const bad = (what: string) =>
    new RefrainError('BAD_FILE', `${fileName}: the tensor '${name}' ${what}`)
  const file = fileOf(first, fileName)
  const reference = file ? file.value : first
  const storage = reference instanceof Persistent ? storageOf(reference) : null
  if (!storage) throw bad('has no storage that is known')
  const [offset, shape, strides] = rest
  const areCounts = (list: Pickled): list is number[] =>
    Array.isArray(list) && list.every((one) => Number.isSafeInteger(one) && (one as number) >= 0)
  if (!areCounts([offset]) || !areCounts(shape) || !areCounts(strides)) throw bad('has no shape')
  if (shape.length !== strides.length || shape.length > 8) throw bad('has no strides')
  return {
    shape,
    dtype: storage.dtype,
    values: () => {
      const bytes = (file?.find ?? find)(storage.key)
      if (!bytes) throw bad(`has no storage '${storage.key}' in the file`)
      const size = sizeOf(shape)
      const last = shape.reduce(
        (sum, length, i) => sum + (length - 1) * strides[i],
        offset as number,
      )
      if (size > 0 && !((last + 1) * storage.size <= bytes.length))
        throw bad('ends behind its storage')
      if (size > bytes.length) throw bad('repeats its storage')
      const all = decode(bytes, storage.dtype)
      if (!all) throw bad(`is of type ${storage.dtype}`)
      return gather(all, offset as number, shape, strides, size)
    },
  }
}

function decode(bytes: Uint8Array, dtype: string): Float32Array | Float64Array | null {
  // A storage may begin anywhere in the file, and an array at multiples of its elements only.
  const { buffer, byteOffset, length } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const of = (size: number) =>
    [buffer as ArrayBuffer, byteOffset, Math.floor(length / size)] as const
  switch (dtype) {
    case 'float32':
      return new Float32Array(...of(4))
    case 'float64':
      return new Float64Array(...of(8))
    case 'float16':
      return fromFloat16(new Uint16Array(...of(2)))
    case 'bfloat16': {
      const halves = new Uint16Array(...of(2))
      const words = new Uint32Array(halves.length)
      for (let i = 0; i < words.length; i++) words[i] = halves[i] << 16
      return new Float32Array(words.buffer)
    }
    default:
      return null
  }
}

/** The elements of a view, row by row; without a copy where they lie so. */
function gather(
  all: Float32Array | Float64Array,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  size: number,
): Float32Array | Float64Array {
  const isWhole = shape.every(
    (length, axis) =>
      length === 1 || strides[axis] === shape.slice(axis + 1).reduce((a, b) => a * b, 1),
  )
  if (isWhole) return all.subarray(offset, offset + size)
  const out = all instanceof Float32Array ? new Float32Array(size) : new Float64Array(size)
  const index = shape.map(() => 0)
  let from = offset
  for (let i = 0; i < size; i++) {
    out[i] = all[from]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]
      if (++index[axis] < shape[axis]) break
      from -= shape[axis] * strides[axis]
      index[axis] = 0
    }
  }
  return out
}
