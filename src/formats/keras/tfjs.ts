/**
 * TensorFlow.js's layers models: `model.json` with the configuration, and files of weights beside it, joined in
 * the order of the manifest. A weight is one of a layer by its name's beginning.
 */
import { RefrainError, show } from '../../errors.ts'
import { fromFloat16 } from '../../util/float16.ts'
import { asCount, asList, asObject, asText, isObject, type JsonObject } from '../json.ts'
import type { FileArray } from './weights.ts'

/** Bytes of an element, by the names of TensorFlow.js. */
const sizes: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
}

/** What `model.json` is made of. */
export interface TfjsFile {
  /** `{ class_name, config }` */
  readonly model: unknown
  /** The version of Keras that wrote it, or TensorFlow.js's. */
  readonly version: string
  readonly groups: readonly {
    readonly paths: readonly string[]
    readonly weights: readonly unknown[]
  }[]
}

/** Reads `model.json`. */
export function readTfjs(json: unknown, fileName: string): TfjsFile {
  const file = asObject(json, fileName)
  const { format, modelTopology, weightsManifest } = file
  if (format === 'graph-model' || (isObject(modelTopology) && 'node' in modelTopology)) {
    throw new RefrainError(
      'UNSUPPORTED',
      `${fileName}: a graph model of TensorFlow.js: its layers are gone`,
      'Convert the Keras file that it was made from',
    )
  }
  const topology = asObject(modelTopology, `${fileName}: modelTopology`)
  const model = topology.model_config ?? topology
  const version = topology.keras_version
  const groups = asList(weightsManifest ?? [], `${fileName}: weightsManifest`).map((group, i) => {
    const where = `${fileName}: weightsManifest ${i}`
    const { paths, weights } = asObject(group, where)
    return {
      paths: asList(paths, where).map((path) => asText(path, where)),
      weights: asList(weights, where),
    }
  })
  return { model, version: typeof version === 'string' ? version : '', groups }
}

/** The arrays of one group from its files' bytes, one behind the other. */
function arraysOf(weights: readonly unknown[], bytes: Uint8Array, fileName: string): FileArray[] {
  let at = 0
  const arrays = weights.map((value): FileArray => {
    const weight = asObject(value, `${fileName}: weights`)
    const name = asText(weight.name, `${fileName}: weights name`)
    const where = `${fileName}: weight '${name}'`
    const shape = asList(weight.shape, where).map((length) => asCount(length, where))
    const quantization = isObject(weight.quantization) ? weight.quantization : null
    const dtype = asText(quantization?.dtype ?? weight.dtype, where)
    const size = Object.hasOwn(sizes, dtype) ? sizes[dtype] : 0
    if (size === 0) throw new RefrainError('UNSUPPORTED', `${where} is of type ${show(dtype)}`)
    const count = shape.reduce((product, length) => product * length, 1)
    if (!(at + count * size <= bytes.length)) {
      throw new RefrainError(
        'BAD_FILE',
        `${where} ends at byte ${at + count * size}, its files have ${bytes.length}`,
        'A file of weights was cut off, or one is missing',
      )
    }
    const own = bytes.subarray(at, at + count * size)
    at += count * size
    return { name, shape, values: () => decode(new Uint8Array(own), dtype, quantization, where) }
  })
  if (at !== bytes.length) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: its weights have ${at} bytes, the files beside it ${bytes.length}`,
    )
  }
  return arrays
}

function decode(
  bytes: Uint8Array,
  dtype: string,
  quantization: JsonObject | null,
  where: string,
): Float32Array {
  const { buffer } = bytes
  if (dtype === 'float32') return new Float32Array(buffer)
  const { scale, min } = quantization ?? {}
  if (dtype === 'float16') return fromFloat16(new Uint16Array(buffer))
  if (typeof scale !== 'number' || typeof min !== 'number') {
    throw new RefrainError('BAD_FILE', `${where} is of type ${dtype} without scale and min`)
  }
  const codes = dtype === 'uint16' ? new Uint16Array(buffer) : bytes
  const values = new Float32Array(codes.length)
  for (let i = 0; i < values.length; i++) values[i] = codes[i] * scale + min
  return values
}

/** All arrays, each group's from its files' bytes. */
export function tfjsArrays(
  { groups }: TfjsFile,
  read: (path: string) => Uint8Array,
  fileName: string,
): FileArray[] {
  return groups.flatMap(({ paths, weights }) => {
    const parts = paths.map(read)
    if (parts.length === 1) return arraysOf(weights, parts[0], fileName)
    const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    return arraysOf(weights, bytes, fileName)
  })
}
