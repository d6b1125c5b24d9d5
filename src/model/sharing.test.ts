import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createBackend } from '../kernels/backend.ts'
import { dense, embedding, input, lstm, timeDistributed } from '../layers/index.ts'
import { sgd } from '../train/optimizers.ts'
import { model } from './functional.ts'
import { loadRefrain } from './load.ts'
import { sequential } from './sequential.ts'

const rows = Array.from({ length: 8 }, (_, i) => [
  [i / 8, 1, 0],
  [0, i / 4, 1],
])
const targets = rows.map((_, i) => [i / 8, 1 - i / 8])

it('a layer takes inputs of one width', () => {
  const shared = lstm({ units: 2, name: 'shared' })
  shared.apply(input({ shape: [3, 8] }))
  expect(() => shared.apply(input({ shape: [3, 4000] }))).toThrow(
    "shared: the layer's weights are for 8 features, got an input of shape [null, 3, 4000]; " +
      'a shared layer takes inputs of one width',
  )
})

it('an input that does not fit leaves no layer half built', async () => {
  const net = sequential([dense({ units: 4 }), lstm({ units: 2 })])
  await expect(net.predict([[1, 2, 3]])).rejects.toThrow('expected an input of 3 dimensions')
  const output = await net.predict([[[1, 2, 3, 4, 5, 6, 7, 8]]])
  expect(output.shape).toEqual([1, 2])
  expect(net.layers[0].getWeights()[0].shape).toEqual([8, 4])
})

it('weights outlive the model that made their memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const backend = createBackend('wasm:simd128')
  const shared = dense({ units: 3 })
  const make = () => sequential([shared], { backend }).build([null, 4])
  const first = make()
  const before = shared.getWeights()[0].data
  await (async () => {
    const second = make()
    second.compile({ loss: 'mse', optimizer: sgd({ learningRate: 0 }) })
    await second.fit([[1, 2, 3, 4]], [[1, 2, 3]])
  })()
  for (let i = 0; i < 5; i++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  for (let seed = 1; seed < 4; seed++) {
    sequential([dense({ units: 3 })], { backend, seed }).build([null, 4])
  }
  expect(shared.getWeights()[0].data).toEqual(before)
  expect(first.layers[0]).toBe(shared)
})

it('looking at a hidden layer during training changes nothing', async () => {
  const losses = async (look: boolean) => {
    const x = input({ shape: [null, 3] })
    const h = lstm({ units: 4, name: 'hidden' }).apply(x)
    const net = model({ inputs: x, outputs: dense({ units: 2 }).apply(h), seed: 3 })
    net.compile({ loss: 'mse', optimizer: sgd({ learningRate: 0.1 }) })
    const peek = {
      name: 'peek',
      onEpochEnd: async () => {
        await model({ inputs: x, outputs: h }).predict(rows)
      },
    }
    const { history } = await net.fit(rows, targets, { epochs: 4, callbacks: look ? [peek] : [] })
    return history.loss
  }
  expect(await losses(true)).toEqual(await losses(false))
})

it('models on two backends share a layer', async () => {
  const shared = dense({ units: 3 })
  const on = (name: string) =>
    sequential([shared], { backend: createBackend(name) }).build([null, 4])
  const [a, b] = [on('reference'), on('wasm:simd128')]
  const x = [[1, 2, 3, 4]]
  const first = await (await a.predict(x)).data()
  expect(await (await b.predict(x)).data()).toSatisfy((y: Float32Array) =>
    y.every((v, i) => Math.abs(v - first[i]) < 1e-5),
  )
  expect(await (await a.predict(x)).data()).toEqual(first)
})

it('freezing a layer holds from the next compile on', async () => {
  const net = sequential([lstm({ units: 3 }), dense({ units: 2 })]).build([null, 2, 3])
  const train = async () => {
    net.compile({ loss: 'mse', optimizer: 'adam' })
    const before = net.layers.map((layer) => layer.getWeights()[0].data)
    await net.fit(rows, targets)
    return net.layers.map((layer, i) =>
      layer.getWeights()[0].data.some((w, k) => w !== before[i][k]),
    )
  }
  expect(await train()).toEqual([true, true])
  net.layers[0].trainable = false
  expect(await train()).toEqual([false, true])
  expect(net.summary()).toContain(' Trainable params: 8 (32.00 B)')
  net.layers[0].trainable = true
  expect(await train()).toEqual([true, true])
})

it('a model that shares a layer saves it under its own names', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'refrain-')), 'a.refrain')
  const shared = dense({ units: 2 })
  const a = sequential([shared]).build([null, 3])
  sequential([timeDistributed(shared)]).build([null, 4, 3])
  await a.save(path)
  const again = await loadRefrain(path)
  expect(again.layers[0].getWeights()[0].data).toEqual(shared.getWeights()[0].data)
})

it('names that models gave do not collide', () => {
  const a = sequential([dense({ units: 3 })]).build([null, 3])
  const b = sequential([dense({ units: 3 })]).build([null, 3])
  const both = sequential([a.layers[0], b.layers[0]]).build([null, 3])
  expect(both.layers.map(({ name }) => name)).toEqual(['dense', 'dense_1'])
  const named = () => dense({ units: 3, name: 'same' })
  expect(() => sequential([named(), named()]).build([null, 3])).toThrow(
    "two layers are named 'same'",
  )
})

it('a layer is not both by itself and inside another', () => {
  const inner = dense({ units: 3 })
  const x = input({ shape: [4, 3] })
  const y = timeDistributed(inner).apply(inner.apply(x))
  expect(() => model({ inputs: x, outputs: y }).build()).toThrow(
    'a layer cannot stand by itself and inside another layer, too; give the wrapper a layer of its own',
  )
})

it('ids and numbers are told apart when layers are joined', () => {
  expect(() => embedding({ inputDim: 5, outputDim: 2 }).apply(input({ shape: [null] }))).toThrow(
    'embedding: expected token ids (dtype int32), got numbers (dtype float); ' +
      "write input({ shape, dtype: 'int32' })",
  )
  expect(() => dense({ units: 2 }).apply(input({ shape: [3], dtype: 'int32' }))).toThrow(
    'dense: expected numbers (dtype float), got token ids (dtype int32)',
  )
})

it('building again for another shape is refused', () => {
  const net = sequential([dense({ units: 2, inputShape: [4] })])
  expect(() => net.build([null, 9])).toThrow(
    'sequential.build: expected shape [null, 4], got [null, 9]',
  )
  expect(net.build([null, 4])).toBe(net)
})
