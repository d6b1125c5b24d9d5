/**
 * The safetensors format: bytes to named arrays and back, without file access.
 *
 * A file is an 8-byte little-endian length, a JSON header of that length, and the arrays' bytes.
 * The header maps each name to `{ dtype, shape, data_offsets }`, and `__metadata__` to strings.
 * Specification: https://github.com/huggingface/safetensors#format
 *
 * `encodeSafetensors` writes what the original writes: arrays ordered by dtype, then by name, and
 * the header padded with spaces to a multiple of 8, so that every array is aligned. The same
 * content gives the same bytes. `decodeSafetensors` trusts nothing: files come from anywhere.
 */
import { RefrainError, show } from '../errors.ts'
import { sizeOf } from './check.ts'

/**
 * The typed array that holds each dtype, in the order in which the original writes them: large
 * elements first. JavaScript has no bfloat16 and no 8-bit floats, and Node 20 no float16: those come
 * as the raw bits.
 */
const arrays = {
  U64: BigUint64Array,
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  BF16: Uint16Array,
  F16: Uint16Array,
  U16: Uint16Array,
  I16: Int16Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const

/** Element types of a safetensors file that Refrain reads. */
export type SafetensorsDtype = keyof typeof arrays

/** One array of a safetensors file. */
export interface SafetensorsTensor {
  dtype: SafetensorsDtype
  shape: number[]
  /** Row-major. F16, BF16 and F8 hold raw bits; BOOL holds 0 and 1. */
  data: Elements
}

type Elements =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array

/** The content of a safetensors file. */
export interface Safetensors {
  tensors: Map<string, SafetensorsTensor>
  metadata: Record<string, string>
}

const metadataKey = '__metadata__'
/** The original refuses longer headers, too. */
const maxHeaderBytes = 100_000_000
const order = Object.keys(arrays)

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/**
 * The bytes of a safetensors file with these arrays and this metadata.
 *
 * Throws `BAD_ARGUMENT` where an array's length or class does not fit its shape or dtype.
 */
export function encodeSafetensors(
  tensors: Map<string, SafetensorsTensor>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const named = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      order.indexOf(a.dtype) - order.indexOf(b.dtype) || compare(nameA, nameB),
  )
  const entries: string[] = []
  const keys = Object.keys(metadata).sort(compare)
  for (const key of keys) {
    if (typeof metadata[key] !== 'string') {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `metadata '${key}': expected a string, got ${show(metadata[key])}`,
      )
    }
  }
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)
    entries.push(`"${metadataKey}":{${pairs.join(',')}}`)
  }
  let offset = 0
  for (const [name, tensor] of named) {
    checkTensor(name, tensor)
    const end = offset + tensor.data.byteLength
    const { dtype, shape } = tensor
    entries.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`,
    )
    offset = end
  }
  const header = new TextEncoder().encode(`{${entries.join(',')}}`)
  if (header.length > maxHeaderBytes) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `safetensors header: expected at most ${maxHeaderBytes} bytes, got ${header.length}`,
    )
  }
  const headerLength = Math.ceil(header.length / 8) * 8
  const bytes = new Uint8Array(8 + headerLength + offset)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true)
  bytes.set(header, 8)
  bytes.fill(0x20, 8 + header.length, 8 + headerLength)
  let at = 8 + headerLength
  for (const [, { data }] of named) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

function checkTensor(name: string, { dtype, shape, data }: SafetensorsTensor): void {
  if (name === metadataKey) {
    throw new RefrainError('BAD_ARGUMENT', `tensor '${name}': this name is reserved`)
  }
  if (!(data instanceof arrays[dtype])) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `tensor '${name}': expected ${arrays[dtype].name} for ${dtype}, got ${show(data)}`,
    )
  }
  if (data.length !== sizeOf(shape)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `tensor '${name}': expected ${sizeOf(shape)} elements for the shape ${show(shape)}, ` +
        `got ${data.length}`,
    )
  }
}

/**
 * Reads a safetensors file. The arrays are views of `bytes` where their alignment allows, else
 * copies; they come in the order of their data.
 *
 * Throws `BAD_FILE`, naming `fileName`, on anything that the specification does not allow.
 */
export function decodeSafetensors(bytes: Uint8Array, fileName = 'safetensors'): Safetensors {
  const bad = (what: string, hint = damaged, cause?: unknown) =>
    new RefrainError('BAD_FILE', `${fileName}: ${what}`, hint, { cause })

  if (bytes.length < 8) {
    throw bad(`a safetensors file has at least 8 bytes, this one has ${bytes.length}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerLength = view.getBigUint64(0, true)
  if (headerLength > maxHeaderBytes) {
    throw bad(
      `its header claims ${headerLength} bytes; at most ${maxHeaderBytes} are allowed`,
      alien,
    )
  }
  const dataStart = 8 + Number(headerLength)
  if (dataStart > bytes.length) {
    throw bad(
      `its header claims ${headerLength} bytes, but only ${bytes.length - 8} follow`,
      'It is not a safetensors file, or it was cut off: fetch or save it again',
    )
  }
  if (bytes[8] !== 0x7b || headerLength === 0n)
    throw bad("its header does not begin with '{'", alien)

  let text: string
  let header: Record<string, unknown>
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart))
  } catch (cause) {
    throw bad('its header is not UTF-8', damaged, cause)
  }
  try {
    header = JSON.parse(text)
  } catch (cause) {
    throw bad('its header is not valid JSON', damaged, cause)
  }
  const twice = duplicateKey(text)
  if (twice !== undefined) throw bad(`its header has the name ${show(twice)} twice`)

  const dataLength = bytes.length - dataStart
  const infos: { name: string; info: Info }[] = []
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(header)) {
    if (name === metadataKey) metadata = readMetadata(value, bad)
    else infos.push({ name, info: readInfo(name, value, dataLength, bad) })
  }
  infos.sort((a, b) => a.info.begin - b.info.begin || a.info.end - b.info.end)

  const tensors = new Map<string, SafetensorsTensor>()
  let at = 0
  for (const { name, info } of infos) {
    const { dtype, shape, begin, end } = info
    if (begin < at) throw bad(`tensor ${show(name)} overlaps the one before it`)
    if (begin > at) throw bad(`${begin - at} bytes before tensor ${show(name)} belong to no tensor`)
    at = end
    const offset = bytes.byteOffset + dataStart + begin
    const Data = arrays[dtype]
    const data =
      offset % Data.BYTES_PER_ELEMENT === 0
        ? new Data(bytes.buffer as ArrayBuffer, offset, info.length)
        : new Data(bytes.buffer.slice(offset, offset + end - begin) as ArrayBuffer)
    tensors.set(name, { dtype, shape, data })
  }
  if (at !== dataLength) throw bad(`its last ${dataLength - at} bytes belong to no tensor`)
  return { tensors, metadata }
}

const damaged = 'It is damaged or forged: fetch or save it again'
const alien = 'It is not a safetensors file, or it is damaged'

type Bad = (what: string, hint?: string, cause?: unknown) => RefrainError

interface Info {
  dtype: SafetensorsDtype
  shape: number[]
  /** Elements. */
  length: number
  /** First byte, and the byte after the last, counted from the end of the header. */
  begin: number
  end: number
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

function readMetadata(value: unknown, bad: Bad): Record<string, string> {
  if (!isObject(value)) throw bad('its metadata is not an object of strings')
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== 'string') throw bad(`its metadata ${show(key)} is not a string`)
  }
  return value as Record<string, string>
}

function readInfo(name: string, value: unknown, dataLength: number, bad: Bad): Info {
  const who = `tensor ${show(name)}`
  if (!isObject(value)) throw bad(`${who} is not described by an object`)
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !Object.hasOwn(arrays, dtype)) {
    throw bad(
      `${who} has the dtype ${show(dtype)}`,
      `Refrain reads ${order.slice(0, -1).join(', ')} and ${order.at(-1)}`,
    )
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw bad(`${who} has the shape ${show(shape)}`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw bad(`${who} has the data offsets ${show(offsets)}`)
  }
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataLength) {
    throw bad(`${who} lies at bytes ${begin} to ${end}, but there are ${dataLength} bytes of data`)
  }
  const length = sizeOf(shape)
  const size = length * arrays[dtype as SafetensorsDtype].BYTES_PER_ELEMENT
  if (size !== end - begin) {
    throw bad(
      `${who} of shape ${show(shape)} in ${dtype} takes ${size} bytes, but has ${end - begin}`,
    )
  }
  return { dtype: dtype as SafetensorsDtype, shape, length, begin, end }
}

/**
 * The first key that occurs twice in one object of this valid JSON text, if any. `JSON.parse` keeps
 * the last of them in silence, so two readers could see two different models in one file.
 * A plain loop, since strings of megabytes exhaust the stack of a regular expression.
 */
function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    const found = text[at]
    if (found === '{') open.push(new Set())
    else if (found === '[') open.push(undefined)
    else if (found === '}' || found === ']') open.pop()
    else if (found === '"') {
      const start = at++
      while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
      let next = at + 1
      while (next < text.length && text.charCodeAt(next) <= 0x20) next++
      if (text[next] !== ':') continue
      const key: string = JSON.parse(text.slice(start, at + 1))
      const keys = open.at(-1)
      if (keys?.has(key)) return key
      keys?.add(key)
    }
  }
  return undefined
}
