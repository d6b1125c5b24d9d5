/** Files that are damaged or forged: an error of ours or a model, never anything else. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RefrainError } from '../../errors.ts'
import { encodeModel } from './proto.ts'
import { readOnnx } from './read.ts'

const folder = fileURLToPath(new URL('../../../test/fixtures/onnx/', import.meta.url))
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.onnx'))
  .map((name) => readFileSync(folder + name))

/** A model, or an error of ours. */
async function readSafely(bytes: Uint8Array): Promise<void> {
  try {
    await readOnnx(bytes, 'x.onnx', {})
  } catch (error) {
    if (!(error instanceof RefrainError)) throw error
    expect(error.message.startsWith('x.onnx: ')).toBe(true)
  }
}

describe('a damaged file', () => {
  it('with other bytes', async () => {
    const change = fc.tuple(fc.nat(20_000), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(change, { minLength: 1, maxLength: 8 }),
        async (file, changes) => {
          const bytes = Uint8Array.from(file)
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          await readSafely(bytes)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('cut off anywhere', async () => {
    const [file] = files
    for (let end = 0; end < file.length; end += 7) await readSafely(file.subarray(0, end))
  })
})

type Message = Record<string, unknown>

const input = (dims: (number | string)[], name = 'x', elemType = 1) => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: {
        dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })),
      },
    },
  },
})

const node = (opType: string, from: string[], to: string[], more: Message = {}) => ({
  opType,
  input: from,
  output: to,
  ...more,
})

/** What reading a graph fails with. */
async function problem(graph: Message, opset = 17): Promise<string> {
  const bytes = await encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: opset }],
    graph: { input: [input(['batch', 'time', 3])], output: [{ name: 'y' }], ...graph },
  })
  return readOnnx(bytes, 'x.onnx', {}).then(
    () => 'none',
    (error) => `${error.code} ${error.message}`,
  )
}

const ints = (name: string, values: number[]) => ({
  name,
  dims: [values.length],
  dataType: 7,
  rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
})

describe('a forged file', () => {
  it.each([
    [
      'weights in another file',
      { dims: [2, 2], dataLocation: 1, externalData: [{ key: 'location', value: '../w.bin' }] },
      /^UNSUPPORTED x\.onnx: the tensor 'w' lies in another file, '\.\.\/w\.bin'/,
    ],
    [
      'fewer bytes than its shape',
      { dims: [1000, 1000], rawData: new Uint8Array(16) },
      /^BAD_FILE x\.onnx: the tensor 'w': expected 1000000 elements for the shape \[1000, 1000\], got 4/,
    ],
    [
      'an endless shape',
      { dims: [2 ** 40, 2 ** 40], rawData: new Uint8Array(16) },
      /^BAD_FILE x\.onnx: the tensor 'w': \[\d+, \d+\] is no shape/,
    ],
    ['half a number', { dims: [1], rawData: new Uint8Array(3) }, /3 bytes are no whole elements/],
    ['elements of text', { dims: [1], dataType: 8 }, /^UNSUPPORTED .*has elements of type 8/],
  ])('%s', async (_, tensor, expected) => {
    const graph = {
      node: [node('MatMul', ['x', 'w'], ['y'])],
      initializer: [{ name: 'w', dataType: 1, ...tensor }],
    }
    expect(await problem(graph)).toMatch(expected)
  })

  it('a cycle', async () => {
    const nodes = [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b'])]
    expect(await problem({ node: nodes })).toMatch(
      /^BAD_FILE x\.onnx: 'b' is used before it is made/,
    )
  })

  it('constants that grow', async () => {
    const shape = [node('ConstantOfShape', ['s'], ['y'])]
    expect(await problem({ node: shape, initializer: [ints('s', [40_000, 40_000])] })).toMatch(
      /^BAD_FILE x\.onnx: constants of more elements than the file has/,
    )
    const axis = { attribute: [{ name: 'axis', type: 2, i: 0 }] }
    const doubled = Array.from({ length: 40 }, (_, i) =>
      node('Concat', [`a${i}`, `a${i}`], [`a${i + 1}`], axis),
    )
    const grown = {
      node: [...doubled, node('Add', ['x', 'a40'], ['y'])],
      initializer: [ints('a0', [1, 2])],
    }
    expect(await problem(grown)).toMatch(/^BAD_FILE x\.onnx: constants of more elements/)
  })

  it('names and lists that double', async () => {
    const axis = { attribute: [{ name: 'axis', type: 2, i: 1 }] }
    const chain = (opType: string, more: Message = {}) =>
      Array.from({ length: 60 }, (_, i) => {
        const from = i === 0 ? 'x' : `a${i}`
        return node(opType, [from, from], [i === 59 ? 'y' : `a${i + 1}`], more)
      })
    expect(await problem({ node: chain('Concat', axis) })).toBe('none')
    expect(await problem({ node: chain('Add') })).toBe('none')
    const first = { attribute: [{ name: 'axis', type: 2, i: 0 }] }
    const [start, ...rest] = chain('Concat', first)
    const nodes = [node('Shape', ['x'], ['s']), { ...start, input: ['s', 's'] }, ...rest]
    expect(await problem({ node: nodes })).toMatch(/^BAD_FILE x\.onnx: constants of more elements/)
  })

  it('graphs inside graphs, and chains', async () => {
    let graph: Message = { name: 'innermost' }
    for (let i = 0; i < 20; i++) {
      graph = {
        node: [node('If', ['x'], ['y'], { attribute: [{ name: 'then_branch', g: graph }] })],
      }
    }
    expect(await problem(graph)).toMatch(
      /^BAD_FILE x\.onnx: .*messages inside messages, more than 32/,
    )
    const chain = Array.from({ length: 30_000 }, (_, i) =>
      node('Neg', [i === 0 ? 'x' : `a${i}`], [i === 29_999 ? 'y' : `a${i + 1}`]),
    )
    expect(await problem({ node: chain })).toMatch(/^UNSUPPORTED x\.onnx: .*the operator Neg 'a1'/)
    const long = chain.map((one) => ({ ...one, opType: 'Tanh' }))
    expect(await problem({ node: long })).toMatch(/^BAD_FILE x\.onnx: |^none/)
  })

  it('more fields than a model has', async () => {
    const bytes = new Uint8Array(4_000_000)
    // Empty nodes in a graph.
    bytes.set([0x08, 8, 0x3a, 0xf9, 0x91, 0xf4, 0x01])
    for (let i = 7; i < bytes.length; i += 2) bytes[i] = 0x0a
    await expect(readOnnx(bytes, 'x.onnx', {})).rejects.toThrow(/more than 1000000 fields/)
  })

  it('everything that cannot be read is said at once', async () => {
    const nodes = [
      node('Loop', ['', '', 'x'], ['a'], { name: 'first' }),
      node('Sin', ['x'], ['b'], { name: 'second' }),
      node('LeakyRelu', ['x'], ['c'], { name: 'third' }),
      node('Own', ['x'], ['d'], { name: 'fourth', domain: 'com.own' }),
      node('Sum', ['a', 'b', 'c', 'd'], ['y']),
    ]
    expect(await problem({ node: nodes })).toBe(
      "UNSUPPORTED x.onnx: cannot be read: the operator Loop 'first' has no layer; " +
        "the operator Sin 'second' has no layer; LeakyRelu 'third' has alpha 0.01; " +
        "the operator Own 'fourth' has no layer. Export the model in another format, such as .keras",
    )
  })
})
