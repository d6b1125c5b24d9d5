/** What is written as Keras and TensorFlow.js keep models: read again, and opened by those programs. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import {
  bidirectional,
  convLstm2d,
  dense,
  embedding,
  flatten,
  lstm,
  tokenDropout,
} from '../../layers/index.ts'
import type { Model } from '../../model/model.ts'
import { sequential } from '../../model/sequential.ts'
import { Random } from '../../tensor/random.ts'
import { Hdf5 } from '../hdf5.ts'
import { loadModel } from '../load.ts'
import { expectClose, randomModels, sameWeights } from '../random-model.case.ts'
import { unzip } from '../zip.ts'

const folder = mkdtempSync(join(tmpdir(), 'refrain-keras-'))

/** Kinds that TensorFlow.js does not have, or not with these tests' options. */
const notInTfjs = ['gru', 'gruCell', 'rnn', 'layerNormalization', 'conv1d']

describe.each([
  ['keras', []],
  ['h5', []],
  ['json', notInTfjs],
] as const)('.%s', (ending, without) => {
  it('keeps weights bit for bit and outputs', async () => {
    for (const { model, x, text } of randomModels(40, 1, without)) {
      const path = join(folder, `model.${ending}`)
      if (!(await canBeSaved(model, path))) continue
      const again = await loadModel(path)
      expect(sameWeights(model, again), text).toBe(true)
      const [before, after] = [await model.predict(x), await again.predict(x)]
      expect(await after.data(), text).toEqual(await before.data())
    }
  })
})

/** Saves the model; false for what TensorFlow.js does not do with masked sequences. */
async function canBeSaved(model: Model, path: string): Promise<boolean> {
  try {
    await model.save(path)
    return true
  } catch (error) {
    expect((error as Error).message).toContain('TensorFlow.js cannot hold: ')
    expect((error as Error).message).toContain('of masked sequences')
    return false
  }
}

/** What TensorFlow.js computes with a file. */
async function tfjs(path: string): Promise<LayersModel> {
  const { modelTopology, weightsManifest, format } = JSON.parse(readFileSync(path, 'utf8'))
  const bytes = readFileSync(path.replace(/json$/, 'bin'))
  return loadLayersModel(
    tf.io.fromMemory({
      modelTopology,
      format,
      weightSpecs: weightsManifest[0].weights,
      weightData: bytes.buffer.slice(
        bytes.byteOffset,
        bytes.byteOffset + bytes.length,
      ) as ArrayBuffer,
    }),
  )
}

it('TensorFlow.js 4.22 loads model.json and predicts the same', async () => {
  let loaded = 0
  for (const random of randomModels(40, 2, notInTfjs)) {
    const path = join(folder, 'tfjs.json')
    if (!(await canBeSaved(random.model, path))) continue
    loaded++
    try {
      const output = (await tfjs(path)).predict(tf.tensor(random.x)) as tf.Tensor
      await expectClose(random, await output.data())
    } catch (error) {
      throw new Error(random.text, { cause: error })
    }
  }
  expect(loaded).toBeGreaterThan(25)
})

it('TensorFlow.js 4.22 computes LSTMs over images as they are written', async () => {
  const model = sequential([
    convLstm2d({
      ...{ filters: 3, kernelSize: [3, 2], strides: [2, 1], padding: 'same', seed: 1 },
      returnSequences: true,
    }),
    convLstm2d({ filters: 2, kernelSize: 2, activation: 'relu' }),
    flatten(),
    dense({ units: 2 }),
  ]).build([null, 4, 6, 5, 2])
  // The weights of states begin as an orthogonal matrix, biases as 0 and 1: no weight at all must be in doubt.
  const random = new Random(3, 'images')
  model.setWeights(
    model
      .getWeights()
      .map(({ shape, data }) => ({ shape, data: data.map(() => random.normal() / 3) })),
  )
  const path = join(folder, 'images.json')
  await model.save(path)
  const x = {
    shape: [2, 4, 6, 5, 2],
    data: Float32Array.from({ length: 480 }, () => random.normal()),
  }
  const found = (await tfjs(path)).predict(tf.tensor(x.data, x.shape)) as tf.Tensor
  const expected = await (await model.predict(x)).data()
  const values = await found.data()
  for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 5)
}, 60_000)

it('TensorFlow.js 4.22 keeps the states of stateful layers as they are written', async () => {
  const make = () => [
    lstm({ units: 3, stateful: true, returnSequences: true }),
    dense({ units: 2 }),
  ]
  const model = sequential(make()).build([null, 4, 2])
  const path = join(folder, 'stateful.json')
  await expect(model.save(path)).rejects.toThrow(
    'it needs the size of batches: save with batchSize',
  )
  await expect(model.save(path, { batchSize: 0 })).rejects.toThrow("save 'batchSize'")
  await expect(model.save(join(folder, 's.onnx'), { batchSize: 2 })).rejects.toThrow(
    "save 'batchSize': it is of .keras, .h5 and model.json",
  )
  await model.save(path, { batchSize: 2 })
  const x = { shape: [2, 4, 2], data: Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)) }
  const other = await tfjs(path)
  const again = await loadModel(path)
  const passes: Float32Array[] = []
  for (let pass = 0; pass < 2; pass++) {
    const found = (other.predict(tf.tensor(x.data, x.shape)) as tf.Tensor).dataSync()
    const expected = await (await model.predict(x)).data()
    expect(await (await again.predict(x)).data()).toEqual(expected)
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 5)
    passes.push(expected.slice() as Float32Array)
  }
  expect(passes[0]).not.toEqual(passes[1])
})

/** The configuration in a file, as text. */
async function configOf(path: string): Promise<unknown> {
  const bytes = new Uint8Array(readFileSync(path))
  if (path.endsWith('.h5'))
    return Hdf5.read(bytes, path, (file) => file.attribute('', 'model_config'))
  const files = await unzip(bytes, path, (name) => name === 'config.json')
  return new TextDecoder().decode(files.get('config.json'))
}

describe.each(loadFixture('keras/files.json').cases)(
  '$name, which Keras 3.15.1 opened',
  ({ name, arrays }) => {
    it.each(['keras', 'h5'])('.%s', async (ending) => {
      const written = fileURLToPath(
        new URL(`../../../test/fixtures/keras/written/${name}.${ending}`, import.meta.url),
      )
      const model = await loadModel(written)
      const inputs = model.inputNames.map((_, i) => arrays[`x${i}`])
      const outputs = [await model.predict(inputs.length === 1 ? inputs[0] : inputs)].flat()
      for (const [i, output] of outputs.entries()) {
        const { data } = arrays[`y${i}`]
        const found = await output.data()
        const worst = data.map((value, j) => Math.abs(found[j] - value) - 1e-4 * Math.abs(value))
        expect(Math.max(...worst)).toBeLessThanOrEqual(1e-5)
      }
      // What is written today is what Keras opened.
      const again = join(folder, `${name}.${ending}`)
      await model.save(again)
      const [now, then] = await Promise.all([again, written].map(configOf))
      expect(now).toEqual(then)
    })
  },
)

it('says all that a target cannot hold, and writes nothing', async () => {
  const model = sequential([
    embedding({ inputDim: 5, outputDim: 2, maskZero: true }),
    bidirectional(lstm({ units: 2, peephole: true, returnSequences: true })),
    lstm({ units: 2, recurrentActivation: 'hardSigmoid' }),
    dense({ units: 1, activation: 'exponential' }),
  ]).build([null, null])
  const path = join(folder, 'refused.json')
  await expect(model.save(path)).rejects.toThrow(
    `${path}: TensorFlow.js cannot hold: lstm 'forward' with peephole: true; ` +
      "bidirectional 'bidirectional' of masked sequences: it would read the padding; " +
      "lstm 'lstm' with the activation hardSigmoid; dense 'dense' with the activation exponential. " +
      'Nothing was written.',
  )
  expect(existsSync(path)).toBe(false)
  await expect(model.save(join(folder, 'x.txt'))).rejects.toThrow(
    "save 'path': expected a file name that ends in .refrain, .keras, .h5",
  )
})

it('leaves out what acts in training alone and Keras does not have', async () => {
  const model = sequential([
    tokenDropout({ rate: 0.5 }),
    embedding({ inputDim: 5, outputDim: 2 }),
    lstm({ units: 2 }),
  ]).build([null, null])
  const path = join(folder, 'spared.keras')
  await model.save(path)
  const again = await loadModel(path)
  expect(again.layers.map(({ kind }) => kind)).toEqual(['embedding', 'lstm'])
  expect(await (await again.predict([[1, 2]])).data()).toEqual(
    await (await model.predict([[1, 2]])).data(),
  )
})
