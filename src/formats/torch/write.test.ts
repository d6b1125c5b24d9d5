import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import { referenceBackend } from '../../kernels/reference.ts'
import {
  batchNormalization,
  bidirectional,
  conv1d,
  dense,
  dropout,
  embedding,
  gru,
  type Layer,
  layerNormalization,
  lstm,
  masking,
  simpleRnn,
  timeDistributed,
} from '../../layers/index.ts'
import { encodeModel } from '../../model/file.ts'
import type { Model } from '../../model/model.ts'
import { sequential } from '../../model/sequential.ts'
import { decodeSafetensors, encodeSafetensors } from '../../util/safetensors.ts'
import { readForeign } from '../foreign.ts'
import { loadModel } from '../load.ts'
import { describeTorch, writeTorch } from './write.ts'

const folder = fileURLToPath(new URL('../../../test/fixtures/pytorch/written/', import.meta.url))

describe.each(loadFixture('pytorch/written.json').cases)(
  'PyTorch 2.13 $name',
  ({ name, arrays }) => {
    const path = `${folder}${name}.safetensors`

    it('loads what we write, strictly, and computes what we compute', async () => {
      const model = await loadModel(path)
      // That is the file, and the code, that PyTorch ran.
      expect(Buffer.from(writeTorch(model, path)).equals(readFileSync(path))).toBe(true)
      expect(describeTorch(model)).toBe(readFileSync(`${folder}${name}.py`, 'utf8'))
      const inputs = model.inputNames.map((_, i) => arrays[`x${i}`])
      const outputs = [await model.predict(inputs.length === 1 ? inputs[0] : inputs)].flat()
      for (const [i, output] of outputs.entries()) {
        const { shape, data } = arrays[`y${i}`]
        expect(output.shape).toEqual(shape)
        const found = await output.data()
        data.forEach((value, j) => {
          expect(Math.abs(found[j] - value)).toBeLessThanOrEqual(1e-5 + 1e-5 * Math.abs(value))
        })
      }
    })
  },
)

const backend = referenceBackend()

/** A layer over sequences, by a name. */
const layers: fc.Arbitrary<(name: string) => Layer> = fc
  .record({
    kind: fc.constantFrom(
      'lstm',
      'gru',
      'simpleRnn',
      'dense',
      'norm',
      'batch',
      'conv',
      'each',
      'dropout',
    ),
    units: fc.integer({ min: 1, max: 4 }),
    useBias: fc.boolean(),
    both: fc.boolean(),
    mergeMode: fc.constantFrom('concat', 'sum', 'mul', 'ave' as const),
    goBackwards: fc.boolean(),
    projection: fc.boolean(),
    relu: fc.boolean(),
    scale: fc.boolean(),
    center: fc.boolean(),
  })
  .map((given) => (name) => {
    const { kind, units, useBias, both, mergeMode, relu, scale, center } = given
    const options = { units, useBias, returnSequences: true, ...(both ? {} : { name }) }
    const wrapped = <One extends ReturnType<typeof lstm | typeof gru | typeof simpleRnn>>(
      one: One,
    ) => (both ? bidirectional(one, { name, mergeMode }) : one)
    const direction = { goBackwards: given.goBackwards && !both }
    switch (kind) {
      case 'lstm': {
        const projected = given.projection && units > 1 ? { projection: units - 1 } : {}
        return wrapped(lstm({ ...options, ...direction, ...projected }))
      }
      case 'gru':
        return wrapped(gru({ ...options, ...direction }))
      case 'simpleRnn':
        return wrapped(simpleRnn({ ...options, ...direction, activation: relu ? 'relu' : 'tanh' }))
      case 'dense':
        return dense({ units, useBias, name, activation: relu ? 'relu' : 'linear' })
      case 'norm':
        return layerNormalization({ name, scale, center })
      case 'batch':
        return batchNormalization({ name, scale, center })
      case 'conv':
        return conv1d({ filters: units, kernelSize: 3, padding: 'causal', useBias, name })
      case 'each':
        return timeDistributed(dense({ units, useBias }), { name })
      default:
        return dropout({ rate: 0.5, name })
    }
  })

/** Names that Python, or a module, has for something else, and such that lie in each other. */
const names = fc.shuffledSubarray(
  ['a', 'a.b', 'a b', 'a_b', 'a.b.c', 'forward', 'class', '1', 'é', 'x..y', '_modules', 'lstm'],
  { minLength: 6 },
)

const models = fc
  .record({ ids: fc.boolean(), names, list: fc.array(layers, { minLength: 1, maxLength: 5 }) })
  .map(({ ids, names, list }) => {
    const given = list.map((make, i) => make(names[i]))
    const first = ids ? [embedding({ inputDim: 5, outputDim: 3, name: names[5] })] : []
    const model = sequential([...first, ...given], { name: 'drawn', backend, seed: 3 })
    return { ids, model: model.build(ids ? [null, null] : [null, null, 2]) }
  })

/** Numbers of all kinds. */
const fill = (model: Model, numbers: readonly number[]) => {
  let at = 0
  const weights = model
    .getWeights()
    .map(({ data }) => data.map(() => numbers[at++ % numbers.length]))
  model.setWeights(weights)
}

const reread = async (model: Model) => {
  const bytes = writeTorch(model, 'drawn.safetensors')
  return readForeign(bytes, 'drawn.safetensors', 'safetensors', { backend })
}

it('gives back any model, bit for bit', async () => {
  const numbers = fc.array(fc.constantFrom(0, -0, 1e-40, -0.1, 0.3, 1, 0.7, -1.25), {
    minLength: 5,
  })
  await fc.assert(
    fc.asyncProperty(models, numbers, async ({ model, ids }, drawn) => {
      fill(model, drawn)
      model.encoders = { words: ['a', 'b'] }
      const again = await reread(model)
      expect(Buffer.from(encodeModel(again, {}, null)).equals(encodeModel(model, {}, null))).toBe(
        true,
      )
      const x = ids ? [[1, 2, 0, 4]] : { shape: [1, 3, 2], data: [1, -1, 0.5, 0.25, 2, 0] }
      const [one, other] = await Promise.all([model, again].map((each) => each.predict(x)))
      expect(await other.data()).toEqual(await one.data())
      const moduleNames = [...describeTorch(model).matchAll(/^ {8}self\.(\S+) = /gm)].map(
        ([, name]) => name,
      )
      expect(new Set(moduleNames).size).toBe(moduleNames.length)
    }),
    { numRuns: process.env.REFRAIN_TEST_LONG ? 2000 : 100 },
  )
})

it('refuses all that PyTorch has not, by name', () => {
  const model = sequential(
    [
      embedding({ inputDim: 5, outputDim: 3, maskZero: true, inputShape: [null] }),
      masking({ name: 'skip' }),
      lstm({
        units: 2,
        activation: 'relu',
        recurrentActivation: 'hardSigmoid',
        peephole: true,
        returnSequences: true,
      }),
      gru({ units: 2, resetAfter: false, returnSequences: true, stateful: true }),
      bidirectional(lstm({ units: 2, layerNormalization: true, returnSequences: true })),
      conv1d({ filters: 2, kernelSize: 2, strides: 2, padding: 'same' }),
      batchNormalization({ renorm: true }),
      lstm({ units: 2, projection: 2 }),
    ],
    { backend },
  )
  const text =
    "x: PyTorch cannot hold: maskZero of embedding 'embedding'; masking 'skip'; " +
    "activation 'relu' of lstm 'lstm'; recurrentActivation 'hardSigmoid' of lstm 'lstm'; " +
    "peephole of lstm 'lstm'; resetAfter false of gru 'gru'; stateful of gru 'gru'; " +
    "layerNormalization of bidirectional 'bidirectional'; " +
    "padding 'same' with strides of conv1d 'conv1d'; renorm of batchNormalization 'batchNormalization'; " +
    "projection as wide as units of lstm 'lstm_1'"
  expect(() => writeTorch(model, 'x')).toThrow(text)
  expect(() => describeTorch(model)).toThrow(text.slice(3))
})

describe('a file whose architecture is forged', () => {
  const file = decodeSafetensors(readFileSync(`${folder}tagger.safetensors`))
  const load = (change: (own: { version: number; architecture: never }) => unknown) => {
    const own = change(JSON.parse(file.metadata.refrain))
    const bytes = encodeSafetensors(file.tensors, { format: 'pt', refrain: JSON.stringify(own) })
    return readForeign(bytes, 'x', 'safetensors', { backend })
  }

  it.each([
    ['null', () => null, "x: metadata 'refrain': expected an object, got null"],
    ['a version', (own) => ({ ...own, version: 2 }), 'expected version 1, got 2'],
    ['no architecture', (own) => ({ ...own, architecture: 1 }), 'expected an object, got 1'],
    ['no layers', (own) => ({ ...own, architecture: { name: 'x', seed: 0 } }), 'x: '],
    [
      'other units',
      (own) => JSON.parse(JSON.stringify(own).replaceAll('"units":5', '"units":500000000')),
      'expected an array of shape [6, 2000000000] for rnn_l0/forward/kernel, got [6, 20]',
    ],
    [
      'other layers',
      (own) => JSON.parse(JSON.stringify(own).replaceAll('encoder.words', 'words')),
      "the tensor 'words.weight' is missing",
    ],
  ] satisfies [string, (own: object) => unknown, string][])(
    'is refused: %s',
    async (_, change, message) => {
      await expect(load(change)).rejects.toMatchObject({
        code: 'BAD_FILE',
        message: expect.stringContaining(message),
      })
    },
  )
})
