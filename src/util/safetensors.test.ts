import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RefrainError } from '../errors.ts'
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from './safetensors.ts'

/** Written by scripts/fixtures/safetensors_file.py with the Python package safetensors 0.8.0. */
const python = new Uint8Array(
  readFileSync(new URL('../../test/fixtures/safetensors/python.safetensors', import.meta.url)),
)

/** What the Python script wrote. */
const written: [string, SafetensorsTensor][] = [
  ['step', { dtype: 'I64', shape: [], data: BigInt64Array.of(9007199254740993n) }],
  ['bias', { dtype: 'F64', shape: [2], data: Float64Array.of(0.1, -1e300) }],
  ['empty', { dtype: 'F32', shape: [0, 3], data: new Float32Array(0) }],
  [
    'kernel',
    { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1.5, -2.25, 3e-40, Infinity, 0.1, -0) },
  ],
  ['größe/β', { dtype: 'U32', shape: [1], data: Uint32Array.of(42) }],
  ['ids', { dtype: 'I32', shape: [3], data: Int32Array.of(-1, 7, 2147483647) }],
  // 1 is 0x3c00 and -2 is 0xc000 in IEEE binary16.
  ['half', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) }],
  ['bytes', { dtype: 'U8', shape: [5], data: Uint8Array.of(0, 1, 2, 3, 4) }],
  ['mask', { dtype: 'BOOL', shape: [2, 1], data: Uint8Array.of(1, 0) }],
]
const metadata = { note: 'from "Python", ünïcode ✓' }

/** A file with this header text and this many bytes of data, well-formed or not. */
function forge(header: unknown, dataLength = 0, claimed?: bigint): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  const encoded = new TextEncoder().encode(text)
  const bytes = new Uint8Array(8 + encoded.length + dataLength)
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(encoded.length), true)
  bytes.set(encoded, 8)
  return bytes
}

const f32 = (shape: unknown, begin: unknown, end: unknown) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
})

function errorOf(call: () => unknown): RefrainError {
  try {
    call()
  } catch (error) {
    if (error instanceof RefrainError) return error
    throw error
  }
  throw new Error('expected a RefrainError')
}

describe('the file that Python wrote', () => {
  test('decodes to what Python was given', () => {
    const { tensors, metadata: read } = decodeSafetensors(python, 'python.safetensors')
    expect([...tensors]).toEqual(written)
    expect(read).toEqual(metadata)
  })

  test('is what we write, byte for byte, whatever the order of the tensors', () => {
    expect(encodeSafetensors(new Map(written), metadata)).toEqual(python)
    expect(encodeSafetensors(new Map([...written].reverse()), metadata)).toEqual(python)
  })

  test('decodes from bytes at an odd address', () => {
    const moved = new Uint8Array(python.length + 1).subarray(1)
    moved.set(python)
    expect([...decodeSafetensors(moved).tensors]).toEqual(written)
  })
})

test('arrays share the memory of the file where they are aligned', () => {
  const file = encodeSafetensors(
    new Map([['w', { dtype: 'F32' as const, shape: [2], data: Float32Array.of(1, 2) }]]),
  )
  const { tensors } = decodeSafetensors(file)
  expect(tensors.get('w')?.data.buffer).toBe(file.buffer)
})

describe('a damaged or forged file', () => {
  const damaged = 'It is damaged or forged: fetch or save it again'
  const alien = 'It is not a safetensors file, or it is damaged'
  const cases: [string, Uint8Array, string][] = [
    [
      'too short',
      new Uint8Array(7),
      `a safetensors file has at least 8 bytes, this one has 7. ${damaged}`,
    ],
    [
      'huge header',
      forge('{}', 0, 2n ** 64n - 1n),
      `its header claims 18446744073709551615 bytes; at most 100000000 are allowed. ${alien}`,
    ],
    [
      'header beyond the file',
      forge('{}', 0, 3n),
      'its header claims 3 bytes, but only 2 follow. ' +
        'It is not a safetensors file, or it was cut off: fetch or save it again',
    ],
    ['empty header', forge(''), `its header does not begin with '{'. ${alien}`],
    ['another format', forge('[1,2]'), `its header does not begin with '{'. ${alien}`],
    ['not UTF-8', forge('{"é":1}').fill(0xff, 10, 11), `its header is not UTF-8. ${damaged}`],
    ['not JSON', forge('{"a":}'), `its header is not valid JSON. ${damaged}`],
    [
      'a name twice',
      forge(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},' +
          '"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      ),
      `its header has the name 'a' twice. ${damaged}`,
    ],
    [
      'a metadata key twice',
      forge('{"__metadata__":{"x":"[{\\"}","x" : "2"}}'),
      `its header has the name 'x' twice. ${damaged}`,
    ],
    [
      'metadata that is no object',
      forge({ __metadata__: ['a'] }),
      `its metadata is not an object of strings. ${damaged}`,
    ],
    [
      'metadata that is no string',
      forge({ __metadata__: { layers: 3 } }),
      `its metadata 'layers' is not a string. ${damaged}`,
    ],
    ['no object', forge({ w: 7 }), `tensor 'w' is not described by an object. ${damaged}`],
    [
      'an unknown dtype',
      forge({ w: { dtype: 'toString', shape: [], data_offsets: [0, 0] } }),
      "tensor 'w' has the dtype 'toString'. Refrain reads U64, I64, F64, F32, U32, I32, BF16, F16, " +
        'U16, I16, F8_E4M3, F8_E5M2, I8, U8 and BOOL',
    ],
    [
      'a negative size',
      forge({ w: f32([-1, -1], 0, 4) }, 4),
      `tensor 'w' has the shape [-1, -1]. ${damaged}`,
    ],
    [
      'a negative offset',
      forge({ w: f32([1], -4, 0) }, 4),
      `tensor 'w' has the data offsets [-4, 0]. ${damaged}`,
    ],
    [
      'offsets in the wrong order',
      forge({ w: f32([1], 4, 0) }, 4),
      `tensor 'w' lies at bytes 4 to 0, but there are 4 bytes of data. ${damaged}`,
    ],
    [
      'offsets beyond the data',
      forge({ w: f32([2], 0, 8) }, 4),
      `tensor 'w' lies at bytes 0 to 8, but there are 4 bytes of data. ${damaged}`,
    ],
    [
      'a shape that does not fit',
      forge({ w: f32([3], 0, 8) }, 8),
      `tensor 'w' of shape [3] in F32 takes 12 bytes, but has 8. ${damaged}`,
    ],
    [
      'overlapping tensors',
      forge({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8),
      `tensor 'b' overlaps the one before it. ${damaged}`,
    ],
    [
      'a gap',
      forge({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      `4 bytes before tensor 'b' belong to no tensor. ${damaged}`,
    ],
    [
      'bytes at the end',
      forge({ a: f32([1], 0, 4) }, 7),
      `its last 3 bytes belong to no tensor. ${damaged}`,
    ],
  ]
  test.each(cases)('%s', (_, bytes, message) => {
    const error = errorOf(() => decodeSafetensors(bytes, 'm.refrain'))
    expect(error.code).toBe('BAD_FILE')
    expect(error.message).toBe(`m.refrain: ${message}`)
  })

  test('names like those of Object.prototype are harmless', () => {
    const { tensors, metadata: read } = decodeSafetensors(
      forge(
        '{"__metadata__":{"__proto__":"x"},"__proto__":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      ),
    )
    expect([...tensors.keys()]).toEqual(['__proto__'])
    expect(Object.entries(read)).toEqual([['__proto__', 'x']])
  })

  test('a header of a million nested arrays', () => {
    const error = errorOf(() => decodeSafetensors(forge(`{"a":${'['.repeat(1e6)}`), 'm.refrain'))
    expect(error.code).toBe('BAD_FILE')
  })

  test('metadata of megabytes is read', () => {
    const words = JSON.stringify(Array.from({ length: 3e5 }, (_, i) => `w"${i}`))
    expect(decodeSafetensors(encodeSafetensors(new Map(), { words })).metadata.words).toBe(words)
  })
})

describe('arrays that do not fit are not written', () => {
  const encode = (tensor: unknown, name = 'w') =>
    errorOf(() => encodeSafetensors(new Map([[name, tensor as SafetensorsTensor]]))).message
  test('length', () => {
    expect(encode({ dtype: 'F32', shape: [2, 2], data: new Float32Array(3) })).toBe(
      "tensor 'w': expected 4 elements for the shape [2, 2], got 3",
    )
  })
  test('class', () => {
    expect(encode({ dtype: 'F32', shape: [2], data: new Float64Array(2) })).toBe(
      "tensor 'w': expected Float32Array for F32, got Float64Array of 16 bytes",
    )
  })
  test('name', () => {
    expect(encode({ dtype: 'F32', shape: [0], data: new Float32Array(0) }, '__metadata__')).toBe(
      "tensor '__metadata__': this name is reserved",
    )
  })
  test('metadata', () => {
    const message = errorOf(() => encodeSafetensors(new Map(), { n: 3 as unknown as string }))
    expect(message.message).toBe("metadata 'n': expected a string, got 3")
  })
})

describe('properties', () => {
  const bytesOf = fc.uint8Array({ maxLength: 5 })
  const tensor = fc
    .tuple(
      fc.constantFrom(
        ['F32', Float32Array] as const,
        ['F64', Float64Array] as const,
        ['I64', BigInt64Array] as const,
        ['I32', Int32Array] as const,
        ['F16', Uint16Array] as const,
        ['U8', Uint8Array] as const,
        ['BOOL', Uint8Array] as const,
      ),
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
      bytesOf,
    )
    .map(([[dtype, Data], shape, noise]) => {
      const data = new Data(shape.reduce((a, b) => a * b, 1))
      const raw = new Uint8Array(data.buffer)
      for (let i = 0; i < raw.length; i++) raw[i] = noise.length ? noise[i % noise.length] : i
      return { dtype, shape, data } as SafetensorsTensor
    })
  const name = fc.string({ unit: 'binary', maxLength: 6 }).filter((n) => n !== '__metadata__')
  const content = fc.record({
    tensors: fc.array(fc.tuple(name, tensor), { maxLength: 5 }).map((list) => new Map(list)),
    metadata: fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  })
  const raw = ({ data }: SafetensorsTensor) => [
    ...new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]

  test('what is written is read again', () => {
    fc.assert(
      fc.property(content, ({ tensors, metadata }) => {
        const file = encodeSafetensors(tensors, metadata)
        const read = decodeSafetensors(file)
        expect(read.metadata).toEqual(metadata)
        expect([...read.tensors.keys()].sort()).toEqual([...tensors.keys()].sort())
        for (const [key, { dtype, shape, data }] of read.tensors) {
          expect(dtype).toBe(tensors.get(key)?.dtype)
          expect(shape).toEqual(tensors.get(key)?.shape)
          expect(raw({ dtype, shape, data })).toEqual(raw(tensors.get(key)!))
          expect(data.byteOffset % data.BYTES_PER_ELEMENT).toBe(0)
        }
        expect(encodeSafetensors(read.tensors, read.metadata)).toEqual(file)
      }),
      { numRuns: 500 },
    )
  })

  /** Reads or fails as it should; anything else fails the test. */
  const readsOrRefuses = (bytes: Uint8Array) => {
    try {
      decodeSafetensors(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(RefrainError)
      expect((error as RefrainError).code).toBe('BAD_FILE')
    }
  }

  test('a file cut anywhere is refused', () => {
    for (let length = 0; length < python.length; length++) {
      expect(errorOf(() => decodeSafetensors(python.slice(0, length))).code).toBe('BAD_FILE')
    }
  })

  test('changed bytes never do more than BAD_FILE', () => {
    fc.assert(
      fc.property(
        content,
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        ({ tensors, metadata }, changes) => {
          const file = encodeSafetensors(tensors, metadata)
          for (const [where, value] of changes) {
            file[Math.floor(where * (file.length - 1))] = value
          }
          readsOrRefuses(file)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('arbitrary JSON headers never do more than BAD_FILE', () => {
    const odd = ['-1', '1e400', '9007199254740993', '0.5', '{"toString":""}', '[[]]']
    const value = fc.oneof(fc.json(), fc.constantFrom(...odd))
    fc.assert(
      fc.property(value, value, value, fc.nat(9), (dtype, shape, offset, dataLength) => {
        readsOrRefuses(forge(`{"w":${dtype}}`, dataLength))
        readsOrRefuses(
          forge(
            `{"w":{"dtype":"F32","shape":[${shape}],"data_offsets":[0,${offset}]}}`,
            dataLength,
          ),
        )
      }),
      { numRuns: 500 },
    )
  })
})
