/**
 * ONNX's messages, as far as models of layers have them, in protocol buffers (`onnx/onnx.proto`, IR version 10).
 * Arrays of numbers stay bytes, as which they are packed: only those that are needed are unpacked.
 */
import type protobuf from 'protobufjs/light.js'
import { RefrainError } from '../../errors.ts'

/** A tensor: its numbers are in `rawData`, little endian, or in the field of their type. */
export interface TensorProto {
  name: string
  dims: number[]
  dataType: number
  rawData: Uint8Array
  /** Packed float32, int32 and int64 (varints) and float64, in pieces. */
  floatData: Uint8Array[]
  int32Data: Uint8Array[]
  int64Data: Uint8Array[]
  doubleData: Uint8Array[]
  /** 1: the numbers lie in another file, which `externalData` names. */
  dataLocation: number
  externalData: { key: string; value: string }[]
}

/** A named option of a node; `type` says which field has it. */
export interface AttributeProto {
  name: string
  type: number
  f: number
  i: number
  s: Uint8Array
  t: TensorProto | null
  g: GraphProto | null
  floats: number[]
  ints: number[]
  strings: Uint8Array[]
}

/** An operator's use; '' among inputs and outputs stands for one that is left out. */
export interface NodeProto {
  name: string
  opType: string
  domain: string
  input: string[]
  output: string[]
  attribute: AttributeProto[]
}

/** A dimension: a number, a name or nothing. */
export interface DimensionProto {
  dimValue?: number
  dimParam?: string
}

/** A named value's element type and shape. */
export interface ValueInfoProto {
  name: string
  type: { tensorType: { elemType: number; shape: { dim: DimensionProto[] } | null } | null } | null
}

/** Nodes, each behind those that it depends on. */
export interface GraphProto {
  name: string
  node: NodeProto[]
  initializer: TensorProto[]
  input: ValueInfoProto[]
  output: ValueInfoProto[]
}

/** A file. */
export interface ModelProto {
  irVersion: number
  producerName: string
  producerVersion: string
  docString: string
  opsetImport: { domain: string; version: number }[]
  graph: GraphProto | null
}

/** Codes of element types. */
export const dataTypes = { float: 1, int32: 6, int64: 7, bool: 9, double: 11 } as const

/** Codes of the attributes' types. */
export const attributeTypes = { float: 1, int: 2, text: 3, tensor: 4, floats: 6, ints: 7, texts: 8 }

const field = (id: number, type: string) => ({ id, type })
const list = (id: number, type: string) => ({ id, type, rule: 'repeated' as const })
const loose = (id: number, type: string) => ({ ...list(id, type), options: { packed: false } })
const optional = (id: number, type: string) => ({ id, type, options: { proto3_optional: true } })

const messages = {
  Entry: { fields: { key: field(1, 'string'), value: field(2, 'string') } },
  Tensor: {
    fields: {
      dims: loose(1, 'int64'),
      dataType: field(2, 'int32'),
      floatData: list(4, 'bytes'),
      int32Data: list(5, 'bytes'),
      int64Data: list(7, 'bytes'),
      name: field(8, 'string'),
      rawData: field(9, 'bytes'),
      doubleData: list(10, 'bytes'),
      externalData: list(13, 'Entry'),
      dataLocation: field(14, 'int32'),
    },
  },
  Attribute: {
    fields: {
      name: field(1, 'string'),
      f: field(2, 'float'),
      i: field(3, 'int64'),
      s: field(4, 'bytes'),
      t: field(5, 'Tensor'),
      g: field(6, 'Graph'),
      floats: loose(7, 'float'),
      ints: loose(8, 'int64'),
      strings: list(9, 'bytes'),
      type: field(20, 'int32'),
    },
  },
  Node: {
    fields: {
      input: list(1, 'string'),
      output: list(2, 'string'),
      name: field(3, 'string'),
      opType: field(4, 'string'),
      attribute: list(5, 'Attribute'),
      domain: field(7, 'string'),
    },
  },
  Dimension: { fields: { dimValue: optional(1, 'int64'), dimParam: optional(2, 'string') } },
  Shape: { fields: { dim: list(1, 'Dimension') } },
  TensorType: { fields: { elemType: field(1, 'int32'), shape: field(2, 'Shape') } },
  Type: { fields: { tensorType: field(1, 'TensorType') } },
  ValueInfo: { fields: { name: field(1, 'string'), type: field(2, 'Type') } },
  Graph: {
    fields: {
      node: list(1, 'Node'),
      name: field(2, 'string'),
      initializer: list(5, 'Tensor'),
      input: list(11, 'ValueInfo'),
      output: list(12, 'ValueInfo'),
    },
  },
  Opset: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
  Model: {
    fields: {
      irVersion: field(1, 'int64'),
      producerName: field(2, 'string'),
      producerVersion: field(3, 'string'),
      docString: field(6, 'string'),
      graph: field(7, 'Graph'),
      opsetImport: list(8, 'Opset'),
    },
  },
}

/** As many fields of messages as a file may have; those of 10,000 nodes are a tenth of it. */
const mostFields = 1_000_000
const deepest = 32

async function load() {
  const { default: proto } = await import('protobufjs/light.js')
  const root = proto.Root.fromJSON({ options: { syntax: 'proto3' }, nested: messages } as never)
  root.resolveAll()
  return { proto, model: root.lookupType('Model') }
}

/** The bytes of a model. */
export async function encodeModel(model: object): Promise<Uint8Array> {
  const { model: type } = await load()
  return type.encode(type.fromObject(model)).finish()
}

/** A file's model; `BAD_FILE` where it is none. Absent fields have their defaults. */
export async function decodeModel(bytes: Uint8Array, fileName: string): Promise<ModelProto> {
  const { proto, model: type } = await load()
  try {
    checkSize(proto, type, bytes)
    const message = type.decode(bytes)
    return type.toObject(message, { longs: Number, defaults: true }) as ModelProto
  } catch (error) {
    throw new RefrainError(
      'BAD_FILE',
      `${fileName}: not an ONNX model that can be read: ${(error as Error).message}`,
      'Copy or export the file again',
      { cause: error },
    )
  }
}

/** Fails on more fields, and on messages deeper in messages, than models have: objects need memory. */
function checkSize(proto: typeof protobuf, type: protobuf.Type, bytes: Uint8Array): void {
  const reader = proto.Reader.create(bytes)
  let fields = 0
  const visit = (message: protobuf.Type, end: number, depth: number) => {
    if (depth > deepest) throw new Error(`messages inside messages, more than ${deepest}`)
    while (reader.pos < end) {
      const tag = reader.uint32()
      const field = message.fieldsById[tag >>> 3]
      const kind = tag & 7
      if (++fields > mostFields) throw new Error(`more than ${mostFields} fields`)
      if (kind !== 2 || !field) {
        reader.skipType(kind)
        continue
      }
      const length = reader.uint32()
      const next = reader.pos + length
      if (next > end) throw new Error(`a field of ${length} bytes where ${end - reader.pos} are`)
      if (field.resolvedType instanceof proto.Type) visit(field.resolvedType, next, depth + 1)
      else if (field.repeated && /int|float/.test(field.type)) fields += length
      reader.pos = next
    }
    if (reader.pos !== end) throw new Error('a field that is cut off')
  }
  visit(type, bytes.length, 0)
}
