/** `.refrain` files: what is written comes back, and nothing in a damaged or forged file does harm. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RefrainError } from '../errors.ts'
import { truth } from '../kernels/backends.case.ts'
import { referenceBackend } from '../kernels/reference.ts'
import {
  activation,
  bidirectional,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePooling1d,
  globalMaxPooling1d,
  input,
  type Layer,
  lstm,
  simpleRnn,
  timeDistributed,
} from '../layers/index.ts'
import { varianceScaling } from '../tensor/initializers.ts'
import { checkpoint } from '../train/callbacks.ts'
import { binaryCrossentropy } from '../train/loss-functions.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { exponentialDecay } from '../train/schedules.ts'
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../util/safetensors.ts'
import { encodeModel } from './file.ts'
import { model as makeModel } from './functional.ts'
import { decodeModel, loadFile, loadRefrain } from './load.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'

const backend = referenceBackend()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-file-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function small(): Model {
  const model = sequential(
    [
      embedding({ inputDim: 7, outputDim: 2, maskZero: true, inputShape: [null] }),
      bidirectional(lstm({ units: 2, dropout: 0.25 })),
      dense({ units: 1, activation: 'sigmoid' }),
    ],
    { seed: 6, backend, name: 'small' },
  )
  model.compile({
    optimizer: adam({ learningRate: 0.01, globalClipNorm: 2 }),
    loss: 'binaryCrossentropy',
    metrics: ['accuracy'],
  })
  return model.build()
}

const x = [[1, 2, 3], [4], [5, 6]]
const y = [[1], [0], [1]]
const bytesOf = (model: Model) => encodeModel(model, {}, null)

describe('a file gives back', () => {
  it('architecture, weights, encoders, how it was compiled and trained', async () => {
    const model = small()
    const history = await model.fit(x, y, { epochs: 2 })
    const path = join(folder, 'model.refrain')
    const encoders = { vocabulary: ['a', 'é', '\u0000', '"\\', '漢'], lower: true }
    await model.save(path, { encoders, training: { source: 'a.csv' } })
    expect(readdirSync(folder)).toEqual(['model.refrain'])
    const loaded = await loadFile(path, { backend })
    expect(loaded.encoders).toEqual(encoders)
    expect(loaded.training).toMatchObject({ source: 'a.csv', rows: 3, epochs: 2, history })
    expect(loaded.model.trainingRecord).toMatchObject({ rows: 3, epochs: 2, history })
    expect(loaded.model.name).toBe('small')
    expect(loaded.model.seed).toBe(6)
    expect(loaded.model.layers.map((layer) => layer.config)).toEqual(
      model.layers.map((layer) => layer.config),
    )
    model.layers.forEach((layer, i) => {
      expect(loaded.model.layers[i].getWeights()).toEqual(layer.getWeights())
    })
    const compiled = (of: Model) => JSON.stringify(of.compiled)
    expect(compiled(loaded.model)).toBe(compiled(model))
    const [a, b] = await Promise.all([model.predict(x), loaded.model.predict(x)])
    expect(await b.data()).toEqual(await a.data())
    expect(loaded.model.summary()).toBe(model.summary())
  })

  it('a model that can be trained on', async () => {
    const model = small()
    const loaded = decodeModel(bytesOf(model), 'file', { backend }).model
    const history = await model.fit(x, y, { epochs: 3, batchSize: 2 })
    expect(await loaded.fit(x, y, { epochs: 3, batchSize: 2 })).toEqual(history)
    expect(bytesWithoutTime(loaded)).toEqual(bytesWithoutTime(model))
  })

  it('every kind of layer with every option', async () => {
    const words: Layer[] = [
      embedding({ inputDim: 5, outputDim: 3, embeddingsInitializer: 'heNormal' }),
      lstm({ units: 3, activation: 'relu', recurrentActivation: 'hardSigmoid', useBias: false }),
    ]
    const inputShape = [4, 3]
    const numbers: Layer[][] = [
      [bidirectional(lstm({ units: 2, returnSequences: true }), { mergeMode: 'ave', inputShape })],
      [lstm({ units: 2, goBackwards: true, recurrentDropout: 0.5, inputShape })],
      [timeDistributed(dense({ units: 2, useBias: false }), { inputShape }), flatten()],
      [globalMaxPooling1d({ inputShape }), activation('softmax'), dropout({ rate: 0.5 })],
      [globalAveragePooling1d({ inputShape }), dense({ units: 1, trainable: false })],
      [
        dense({
          units: 1,
          inputShape,
          kernelInitializer: { name: 'randomUniform', minval: 0, maxval: 1 },
          biasInitializer: { name: 'constant', value: 2 },
        }),
      ],
    ]
    const data = { shape: [2, 4, 3], data: Float32Array.from({ length: 24 }, (_, i) => i / 24) }
    for (const layers of [words, ...numbers]) {
      const model = sequential(layers, { backend })
      const rows = layers === words ? [[1, 2, 0], [3]] : data
      const before = await (await model.predict(rows)).data()
      const bytes = bytesOf(model)
      const loaded = decodeModel(bytes, 'file', { backend }).model
      expect(await (await loaded.predict(rows)).data()).toEqual(before)
      expect(loaded.layers.map((layer) => layer.config)).toEqual(layers.map((l) => l.config))
    }
  })

  it('how weights began', () => {
    const scaled = { scale: 2, mode: 'fanOut', distribution: 'uniform' } as const
    const layer = simpleRnn({
      units: 3,
      activation: 'relu',
      recurrentInitializer: { name: 'identity', gain: 0.5 },
      kernelInitializer: varianceScaling(scaled),
      inputShape: [null, 2],
    })
    const model = sequential([layer], { backend }).build()
    const [kernel, recurrent] = layer.parameters.map(({ value }) => [...value.values])
    expect(recurrent).toEqual([0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5])
    expect(Math.max(...kernel.map(Math.abs))).toBeLessThanOrEqual(Math.sqrt((3 * 2) / 3))
    const [loaded] = decodeModel(bytesOf(model), 'file', { backend }).model.layers
    expect(loaded.config).toEqual(layer.config)
    expect(loaded.config.options).toMatchObject({
      recurrentInitializer: { name: 'identity', gain: 0.5 },
      kernelInitializer: { name: 'varianceScaling', ...scaled },
    })
  })

  it('a graph with several inputs and outputs and a shared layer', async () => {
    const a = input({ shape: [null, 2], name: 'a' })
    const b = input({ shape: [null, 2], name: 'b' })
    const shared = lstm({ units: 3, returnState: true })
    const first = shared.apply(a)
    const second = shared.apply(b, { initialState: first })
    const out = dense({ units: 2 }).apply(second.output)
    const model = makeModel({ inputs: [a, b], outputs: [out, second.c], backend })
    const data = [
      [[[1, 2]], [[3, 4]]],
      [[[5, 6]], [[7, 8]]],
    ]
    const results = await model.predict(data)
    const bytes = encodeModel(model, {}, null)
    const loaded = decodeModel(bytes, 'file', { backend }).model
    const again = (await loaded.predict(data)) as unknown as typeof results
    for (const i of [0, 1]) expect(await again[i].data()).toEqual(await results[i].data())
    expect(encodeModel(loaded, {}, null)).toEqual(bytes)
  })

  it('optimizers with schedules and losses with options', () => {
    const model = small()
    const learningRate = exponentialDecay({
      initialLearningRate: 0.1,
      decaySteps: 3,
      decayRate: 0.5,
    })
    const loss = binaryCrossentropy({ fromLogits: true })
    model.compile({ optimizer: sgd({ learningRate, momentum: 0.5 }), loss })
    const { compiled } = decodeModel(bytesOf(model), 'file', { backend }).model
    expect(compiled!.optimizer.options).toEqual(model.compiled!.optimizer.options)
    expect(compiled!.outputs[0].loss).toEqual(loss)
  })

  it('float64 weights of the float64 reference', async () => {
    const model = sequential([dense({ units: 2, inputShape: [2] })], { backend: truth }).build()
    model.layers[0].setWeights([
      [0.1, 0.2, 0.3, 1e300],
      [1e-300, Math.PI],
    ])
    const loaded = decodeModel(encodeModel(model, {}, null), 'file', { backend: truth }).model
    expect(loaded.layers[0].getWeights()).toEqual(model.layers[0].getWeights())
  })

  it('weights in half precision: each the nearest, in half the room', async () => {
    const model = small()
    const kernel = model.layers[2].getWeights()[0]
    // Beside weights as they are drawn: the smallest half, half of it, a tie, the largest.
    kernel.data.set([2 ** -24, 2 ** -25, 2049, -65504])
    model.layers[2].setWeights([kernel, model.layers[2].getWeights()[1]])
    const path = join(folder, 'half.refrain')
    await model.save(path, { dtype: 'float16' })
    const file = decodeSafetensors(new Uint8Array(readFileSync(path)))
    expect([...file.tensors.values()].every(({ dtype }) => dtype === 'F16')).toBe(true)
    const { model: loaded, dtype } = await loadFile(path, { backend })
    expect(dtype).toBe('F16')
    expect(loaded.layers[2].getWeights()[0].data).toEqual(
      Float32Array.of(2 ** -24, 0, 2048, -65504),
    )
    model.layers.slice(0, 2).forEach((layer, i) => {
      layer.getWeights().forEach(({ data }, w) => {
        const found = loaded.layers[i].getWeights()[w].data
        data.forEach((value, at) => {
          expect(Math.abs(found[at] - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11)
        })
      })
    })
    // What was rounded once stays: the copy's file is the same.
    expect(encodeModel(loaded, { dtype: 'float16' }, null)).toEqual(
      new Uint8Array(readFileSync(path)),
    )
    const { tensors } = decodeSafetensors(bytesOf(model))
    for (const [name, { data }] of tensors) {
      expect(file.tensors.get(name)!.data.byteLength).toBe(data.byteLength / 2)
    }
    rmSync(path)
  })

  it('a model without training or encoders', () => {
    const model = sequential([dense({ units: 1, inputShape: [1] })], { backend })
    const { encoders, training, model: loaded } = decodeModel(bytesOf(model), 'f', { backend })
    expect({ encoders, training, compiled: loaded.compiled }).toEqual({
      encoders: null,
      training: null,
      compiled: null,
    })
  })
})

/** A model's file but for the seconds that its training took. */
function bytesWithoutTime(model: Model): Uint8Array {
  const record = model.trainingRecord
  model.restoreRecord(null)
  const bytes = encodeModel(model, {}, null)
  model.restoreRecord(record)
  return edit(bytes, ({ metadata }) => {
    const { type: _, ...graph } = JSON.parse(metadata.architecture)
    metadata.architecture = JSON.stringify(graph)
  })
}

/** The file with other content: what a forger would write. */
function edit(
  bytes: Uint8Array,
  change: (file: {
    tensors: Map<string, SafetensorsTensor>
    metadata: Record<string, string>
  }) => void,
): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(bytes)
  const file = { tensors: new Map(tensors), metadata: { ...metadata } }
  change(file)
  return encodeSafetensors(file.tensors, file.metadata)
}

describe('the bytes', () => {
  it('are the same for the same model', async () => {
    const [a, b] = [small(), small()]
    expect(bytesOf(a)).toEqual(bytesOf(b))
    await a.fit(x, y)
    await b.fit(x, y)
    expect(bytesWithoutTime(a)).toEqual(bytesWithoutTime(b))
    const bytes = bytesOf(a)
    const again = bytesOf(decodeModel(bytes, 'f', { backend }).model)
    expect(bytesOf(decodeModel(again, 'f', { backend }).model)).toEqual(again)
  })

  it('are a safetensors file with the weights by their paths', () => {
    const { tensors, metadata } = decodeSafetensors(bytesOf(small()))
    expect([...tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`)).toEqual([
      'bidirectional/backward/bias F32 8',
      'bidirectional/backward/kernel F32 2,8',
      'bidirectional/backward/recurrentKernel F32 2,8',
      'bidirectional/forward/bias F32 8',
      'bidirectional/forward/kernel F32 2,8',
      'bidirectional/forward/recurrentKernel F32 2,8',
      'dense/bias F32 1',
      'dense/kernel F32 4,1',
      'embedding/embeddings F32 7,2',
    ])
    expect(Object.keys(metadata).sort()).toEqual(['architecture', 'compiled', 'format', 'version'])
    expect(metadata).toMatchObject({ format: 'refrain', version: '1' })
  })
})

/** Puts a value where a path such as 'calls.0.layer' leads. */
const put = (path: string, value: unknown) => (json: object) => {
  const keys = path.split('.')
  const last = keys.pop()!
  let at = json as Record<string, unknown>
  for (const key of keys) at = at[key] as Record<string, unknown>
  at[last] = value
}

/** What reading these bytes says, without the file's name in front. */
function failureOf(bytes: Uint8Array): string {
  try {
    decodeModel(bytes, 'some.refrain', { backend })
  } catch (error) {
    expect(error).toBeInstanceOf(RefrainError)
    const { code, message } = error as RefrainError
    expect(code).toBe('BAD_FILE')
    expect(message.startsWith('some.refrain: ')).toBe(true)
    expect(message.split('some.refrain')).toHaveLength(2)
    expect(message.length).toBeLessThan(1200)
    return message.slice('some.refrain: '.length)
  }
  return 'no error'
}

describe('a damaged file is refused with its name, and does no harm', () => {
  const bytes = bytesOf(small())

  it('wherever it is cut off', () => {
    const lengths = [0, 1, 7, 8, 9, 100, bytes.length - 1, bytes.length - 8]
    for (const length of lengths) {
      expect(failureOf(bytes.slice(0, length)), `${length} bytes`).not.toBe('no error')
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        expect(failureOf(bytes.slice(0, length))).not.toBe('no error')
      }),
      { numRuns: 200 },
    )
    expect(failureOf(new Uint8Array([...bytes, 0]))).toContain(
      'its last 1 bytes belong to no tensor',
    )
  })

  it('whatever bytes change: it is refused, or a model of the same layers', () => {
    const kinds = small().layers.map(({ kind }) => kind)
    const header = 8 + new DataView(bytes.buffer).getUint32(0, true)
    const flips = fc.array(
      fc.record({
        // Mostly in the header, where it matters.
        at: fc.oneof({ weight: 9, arbitrary: fc.nat(header) }, fc.nat(bytes.length - 1)),
        value: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789-eE.,:{}[]"\\ntf'))),
      }),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(flips, (changes) => {
        const damaged = bytes.slice()
        for (const { at, value } of changes) damaged[at] = value
        if (failureOf(damaged) !== 'no error') return
        const { model } = decodeModel(damaged, 'file', { backend })
        expect(model.layers.map(({ kind }) => kind)).toEqual(kinds)
      }),
      { numRuns: 1500 },
    )
  })

  it('also on the disk, by its path', async () => {
    const path = join(folder, 'cut.refrain')
    await small().save(path)
    writeFileSync(path, readFileSync(path).subarray(0, 300))
    await expect(loadRefrain(path)).rejects.toThrow(
      `${path}: not a .refrain file, or one that was cut off: its header claims`,
    )
    writeFileSync(path, '')
    await expect(loadRefrain(path)).rejects.toThrow(
      `${path}: not a .refrain file, or one that was cut off: a safetensors file has at least 8 ` +
        'bytes, this one has 0. Such files come from refrain train and from model.save',
    )
    await expect(loadRefrain(join(folder, 'none.refrain'))).rejects.toThrow(
      /^no file '.*none\.refrain'; check the path$/,
    )
    await expect(loadRefrain(folder)).rejects.toThrow(`'${folder}' is a folder. Name a file in it`)
  })

  it('by a path that is none', async () => {
    for (const [path, got] of [
      [undefined, 'undefined'],
      [7, '7'],
      ['', 'an empty string'],
    ]) {
      await expect(loadRefrain(path as string)).rejects.toMatchObject({
        code: 'BAD_ARGUMENT',
        message:
          `expected the path of a .refrain file, got ${got}; ` +
          "such as loadModel('reviews.refrain')",
      })
    }
  })

  it('with weights that are not finite', () => {
    const forge = (value: number, dtype: 'F32' | 'F64' = 'F32') =>
      edit(bytes, ({ tensors }) => {
        const { shape } = tensors.get('dense/kernel')!
        const data = Float64Array.of(1, 2, value, 4)
        const own = dtype === 'F64' ? data : Float32Array.from(data)
        tensors.set('dense/kernel', { dtype, shape, data: own })
      })
    const says = (value: string) =>
      `the tensor 'dense/kernel' is ${value} at 2. ` +
      'All weights must be finite: train the model again, with a lower learning rate'
    expect(failureOf(forge(Number.NaN))).toBe(says('NaN'))
    expect(failureOf(forge(-Infinity))).toBe(says('-Infinity'))
    // Too large for the float32 of this backend.
    expect(failureOf(forge(1e300, 'F64'))).toBe(says('Infinity'))
    expect(failureOf(forge(3e38))).toBe('no error')
  })

  it('a checkpoint, too', async () => {
    const path = join(folder, 'cut-checkpoint.refrain')
    const model = small()
    await model.fit(x, y, { callbacks: [checkpoint({ path })] })
    const whole = readFileSync(path)
    const refuse = async (content: Uint8Array) => {
      writeFileSync(path, content)
      const error = await small()
        .fit(x, y, { epochs: 2, resume: path })
        .catch((reason) => reason)
      expect(error).toBeInstanceOf(RefrainError)
      expect(error.code).toBe('BAD_FILE')
      expect(error.message).toContain(path)
      return error.message as string
    }
    await refuse(whole.subarray(0, whole.length - 4))
    const state = (change: (json: Record<string, unknown>) => void) =>
      refuse(
        edit(whole, ({ metadata }) => {
          const json = { state: JSON.parse(metadata.state) }
          change(json.state)
          metadata.state = JSON.stringify(json.state)
        }),
      )
    const replaced = (value: string) =>
      refuse(edit(whole, ({ metadata }) => put('state', value)(metadata)))
    const not = `${path}: the metadata 'state' is not a trainer's`
    expect(await replaced('[]')).toBe(not)
    expect(await replaced('5')).toBe(not)
    for (const key of ['iteration', 'epoch', 'step', 'loss', 'metrics', 'history', 'callbacks']) {
      expect(await state((json) => void delete json[key]), key).toBe(not)
      expect(await state(put(key, -1)), key).toBe(not)
    }
    expect(
      await refuse(edit(whole, ({ tensors }) => void tensors.delete('state/optimizer/m'))),
    ).toBe(`${path}: expected the optimizer's state 'm' with 99 numbers`)
    expect(await refuse(edit(whole, ({ tensors }) => void tensors.delete('dense/bias')))).toBe(
      `${path}: expected a tensor 'dense/bias' of shape [1], got none`,
    )
    writeFileSync(path, whole)
    await small().fit(x, y, { epochs: 2, resume: path })
  })
})

describe('a forged file', () => {
  const bytes = bytesOf(small())
  const metadata = (key: string, value: string) =>
    failureOf(edit(bytes, (file) => put(key, value)(file.metadata)))
  const architecture = (change: (json: object) => void) => {
    const json = JSON.parse(decodeSafetensors(bytes).metadata.architecture)
    change(json)
    return metadata('architecture', JSON.stringify(json))
  }

  it('of another program or version', () => {
    expect(metadata('format', 'pt')).toBe(
      "expected a .refrain file, got a safetensors file without Refrain's metadata",
    )
    expect(metadata('version', '2')).toBe(
      "expected format version 1, got '2'; a newer Refrain wrote this file; update to read it",
    )
    const plain = encodeSafetensors(new Map())
    expect(failureOf(plain)).toContain('expected a .refrain file')
    expect(failureOf(Buffer.from('PK\u0003\u0004 a zip, say, and some more of it'))).toContain(
      'its header claims',
    )
  })

  it('whose tensors are missing or of another shape or type', () => {
    const tensors = (change: (tensors: Map<string, SafetensorsTensor>) => void) =>
      failureOf(edit(bytes, (file) => change(file.tensors)))
    expect(tensors((all) => void all.delete('dense/kernel'))).toBe(
      "expected a tensor 'dense/kernel' of shape [4, 1], got none",
    )
    const data = new Float32Array(4)
    const set = (shape: number[], tensor: Partial<SafetensorsTensor> = {}) =>
      tensors((all) => void all.set('dense/kernel', { dtype: 'F32', shape, data, ...tensor }))
    expect(set([1, 4])).toBe("expected a tensor 'dense/kernel' of shape [4, 1], got [1, 4]")
    expect(set([2], { data: new Float32Array(2) })).toContain('got [2]')
    expect(set([4, 1], { dtype: 'I32', data: new Int32Array(4) })).toBe(
      "expected 'dense/kernel' as I8, F16, F32 or F64, got I32",
    )
    expect(set([4, 1], { dtype: 'I64', data: new BigInt64Array(4) })).toContain('got I64')
  })

  it('whose metadata is not what it should be', () => {
    expect(metadata('architecture', '{')).toBe("the metadata 'architecture' is not JSON")
    expect(metadata('training', '[1,')).toBe("the metadata 'training' is not JSON")
    expect(metadata('encoders', 'x')).toBe("the metadata 'encoders' is not JSON")
    for (const value of ['5', '"text"', '[]', 'true']) {
      expect(metadata('training', value)).toBe("the metadata 'training' is not an object")
    }
    expect(metadata('training', '{"history":5}')).toBe('no error')
    expect(metadata('architecture', 'null')).toBe('the architecture is missing')
    expect(failureOf(edit(bytes, (file) => void delete file.metadata.architecture))).toBe(
      'the architecture is missing',
    )
    for (const value of ['5', '[]', '"x"', '{}', 'true']) {
      expect(metadata('architecture', value), value).not.toBe('no error')
    }
    expect(metadata('compiled', '{"loss":"hunge"}')).toContain("loss: unknown loss 'hunge'")
    expect(metadata('compiled', '{"loss":{"name":"meanSquaredError"},"metrics":["f9"]}')).toContain(
      "unknown metric 'f9'",
    )
    const optimizer = (json: string) =>
      metadata('compiled', `{"loss":{"name":"meanSquaredError"},"optimizer":${json}}`)
    expect(optimizer('{"name":"constructor","options":{}}')).toContain('unknown optimizer')
    expect(optimizer('{"name":"adam","options":{"learningRate":"fast"}}')).toContain(
      "adam 'learningRate': expected a finite number",
    )
    expect(optimizer('5')).toContain('unknown optimizer')
    for (const value of ['5', '[]', '"x"', '{}']) {
      expect(metadata('compiled', value), value).not.toBe('no error')
    }
  })

  it('whose layers do not exist or have impossible options', () => {
    const layer = (path: string, value: unknown) => architecture(put(`layers.${path}`, value))
    expect(layer('2.kind', 'densé')).toContain("unknown layer 'densé'; did you mean 'dense'?")
    for (const kind of ['constructor', '__proto__', 'toString', '', null, 5, {}]) {
      expect(layer('2.kind', kind)).toContain('unknown layer')
    }
    expect(layer('2.options.unit', 5)).toContain("did you mean 'units'?")
    expect(layer('2.options.units', -1)).toContain('at least 1, got -1')
    expect(layer('2.options.activation', 'eval')).toContain('unknown activation')
    expect(layer('2.options', null)).not.toBe('no error')
    for (const name of ['constructor', 'f', null, 5]) {
      expect(layer('2.options.kernelInitializer', { name })).toContain('unknown initializer')
    }
    expect(layer('1.options.layer', { kind: 'dense', options: {} })).not.toBe('no error')
    expect(layer('0.name', 'dense')).toContain("two layers are named 'dense'")
  })

  it('whose graph leads nowhere', () => {
    const nowhere: [string, unknown][] = [
      ['outputs', [[9, 0]]],
      ['outputs', [['length', 0]]],
      ['outputs', []],
      ['outputs', 5],
      ['inputs', []],
      ['inputs', 5],
      ['layers', null],
      ['calls', []],
      ['calls.0.layer', 3],
      ['calls.0.layer', 'length'],
      ['calls.0.inputs', [[0, 0]]],
      ['calls.0.inputs', [[1, 0]]],
      ['calls.0.inputs', []],
      ['calls.1.inputs', [[-1, 0]]],
      ['inputs.0.shape', [-5]],
      ['inputs.0.shape', ['5']],
      ['inputs.0.shape', 'abc'],
      ['inputs.0.shape', [null, 3]],
      ['inputs.0.dtype', 'int64'],
      ['inputs.0.name', 5],
      ['name', 5],
      ['seed', -1],
      ['seed', 'x'],
    ]
    for (const [path, value] of nowhere) {
      expect(architecture(put(path, value)), path).not.toBe('no error')
    }
  })

  it('that claims to be huge is refused at once, without taking the memory', () => {
    const before = backend.heap.bytesInUse
    const started = performance.now()
    for (const units of [1e5, 1e9, 1e12, Number.MAX_SAFE_INTEGER]) {
      for (const [path, tensor] of [
        ['2.options.units', 'dense/kernel'],
        ['1.options.layer.options.units', 'bidirectional/forward/kernel'],
        ['0.options.inputDim', 'embedding/embeddings'],
      ]) {
        expect(architecture(put(`layers.${path}`, units))).toContain(
          `expected a tensor '${tensor}' of shape`,
        )
      }
    }
    expect(backend.heap.bytesInUse).toBeLessThanOrEqual(before)
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('that is nested or chained without end does not exhaust the stack', () => {
    const started = performance.now()
    const wrap = '{"kind":"timeDistributed","name":"t","options":{"layer":'
    for (const depth of [10, 1000, 100_000]) {
      const inner = '{"kind":"dense","name":"d","options":{"units":1}}'
      const nested = wrap.repeat(depth) + inner + '}}'.repeat(depth)
      const text = decodeSafetensors(bytes).metadata.architecture
      const forged = text.replace(/(?<="layers":\[).*(?=\],"calls")/, nested)
      expect(forged.length).toBeGreaterThan(nested.length)
      expect(metadata('architecture', forged)).not.toBe('no error')
    }
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect(metadata('architecture', deep)).not.toBe('no error')
    expect(metadata('encoders', deep)).toBe('no error')
    const layers = Array.from({ length: 20_000 }, (_, i) => ({
      kind: 'activation',
      name: `a${i}`,
      options: { activation: 'tanh' },
    }))
    const chained = architecture((json) => {
      put('inputs', [{ name: 'x', shape: [3], dtype: 'float' }])(json)
      put('layers', layers)(json)
      put(
        'calls',
        layers.map((_, i) => ({ layer: i, inputs: [[i - 1, 0]] })),
      )(json)
      put('outputs', [[layers.length - 1, 0]])(json)
    })
    // Either is right, a crash is not.
    expect(chained).toMatch(/no error|Maximum call stack/)
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('whose sizes lie in the header', () => {
    const header = (change: (text: string) => string, claim?: bigint) => {
      const length = new DataView(bytes.buffer).getUint32(0, true)
      const text = Buffer.from(change(Buffer.from(bytes.subarray(8, 8 + length)).toString()))
      const forged = Buffer.concat([Buffer.alloc(8), text, bytes.subarray(8 + length)])
      forged.writeBigUInt64LE(claim ?? BigInt(text.length))
      return failureOf(forged)
    }
    expect(header((text) => text)).toBe('no error')
    expect(header((text) => text, 2n ** 63n)).toContain('its header claims')
    expect(header((text) => text, 99_999_999n)).toContain('its header claims')
    expect(header((text) => text, 5n)).toContain('its header is not valid JSON')
    expect(header((text) => text.replace('"shape":[4,1]', '"shape":[4,1e12]'))).toContain('takes')
    expect(header((text) => text.replace('"shape":[4,1]', '"shape":[-4,-1]'))).toContain('shape')
    expect(header((text) => text.replace('"data_offsets":[32,', '"data_offsets":[0,'))).toMatch(
      /overlaps|takes/,
    )
    expect(header((text) => text.replace('dense/bias', 'dense/kernel'))).toContain('twice')
  })
})

describe('saving', () => {
  it('as int8 fails on what is not finite', () => {
    const model = sequential([dense({ units: 32 })], { seed: 1, backend })
    model.build([null, 32])
    const [kernel, bias] = model.layers[0].getWeights()
    kernel.data[33] = Number.NaN
    model.layers[0].setWeights([kernel, bias])
    expect(() => encodeModel(model, { dtype: 'int8' }, null)).toThrow(
      "save 'dtype': the weight 'dense/kernel' is NaN at 33, int8 needs finite float32",
    )
  })

  it('in half precision fails on what has none', () => {
    const model = small()
    const [kernel, bias] = model.layers[2].getWeights()
    const failure = (value: number) => {
      kernel.data[1] = value
      model.layers[2].setWeights([kernel, bias])
      try {
        encodeModel(model, { dtype: 'float16' }, null)
      } catch (error) {
        return (error as RefrainError).message
      }
    }
    expect(failure(65519)).toBe(undefined)
    expect(failure(-65520)).toBe(
      "save 'dtype': the weight 'dense/kernel' is -65520 at 1, float16 ends at 65504. " +
        'Leave dtype out to write weights as they are',
    )
    expect(failure(Infinity)).toContain("'dense/kernel' is Infinity at 1")
    expect(failure(Number.NaN)).toContain("'dense/kernel' is NaN at 1")
    expect(() => encodeModel(model, { dtype: 'float8' as 'float16' }, null)).toThrow(
      "save 'dtype': unknown 'float8'",
    )
  })

  it('has its errors', async () => {
    const text = async (act: () => Promise<unknown>) =>
      act().then(
        () => 'no error',
        (error) => String(error).replaceAll(folder, ''),
      )
    const model = small()
    expect(await text(() => model.save('model.keras'))).toBe(
      "RefrainError: save 'path': expected a file name that ends in .refrain, got 'model.keras'",
    )
    expect(await text(() => model.save(undefined as never))).toContain('got undefined')
    expect(await text(() => model.save(join(folder, 'no', 'm.refrain')))).toBe(
      "RefrainError: cannot write '/no/m.refrain': the folder does not exist; create '/no' first",
    )
    expect(await text(() => model.save('a.refrain', { encoder: {} } as never))).toBe(
      "RefrainError: save: unknown option 'encoder'; did you mean 'encoders'?",
    )
    const open = sequential([dense({ units: 1 })])
    expect(await text(() => open.save(join(folder, 'a.refrain')))).toContain(
      'sequential.build: expected the input shape',
    )
  })

  it('over an older file keeps the older one where it cannot finish', async () => {
    const path = join(folder, 'kept.refrain')
    const model = small()
    await model.save(path)
    const before = readFileSync(path)
    await expect(
      model.save(path, {
        encoders: {
          toJSON() {
            throw new Error('no JSON')
          },
        },
      }),
    ).rejects.toThrow('no JSON')
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([])
  })
})
