/** Models whose output layer shares the embedding's table: trained whole, saved, streamed. */
import { describe, expect, it } from 'vitest'
import { callAll, eachKindOfBackend, expectError, runStep, weightsOf } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { dense, embedding, input, lstm, tiedDense } from '../layers/index.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { encodeModel } from './file.ts'
import { model as makeModel } from './functional.ts'
import { decodeModel } from './load.ts'
import { sequential } from './sequential.ts'

const build = (backend = truth, inputDim = 12, outputDim = 4) => {
  const words = embedding({ inputDim, outputDim })
  const layers = [
    words,
    lstm({ units: 3, projection: outputDim, returnSequences: true }),
    tiedDense(words, { activation: 'softmax' }),
  ]
  return sequential(layers, { backend, seed: 2 }).build([null, null])
}
const ids = [
  [1, 2, 3, 4],
  [5, 3, 2, 1],
]
const next = ids.map((row) => [...row.slice(1), 0])

describe('a table of many rows', () => {
  // 66,000 numbers: the optimizer moves such a table by rows, where it may.
  const [rows, width] = [1100, 60]

  it('gets its whole gradient', async () => {
    const model = build(truth, rows, width)
    const weights = () => model.layers[0].getWeights()[0].data.slice()
    const before = weights()
    // The loss is the mean of -log p over 8 steps: its gradient by p is -1 / (8 p) there.
    const p = await (await model.predict(ids)).data()
    const seed = new Float64Array(p.length)
    next.flat().forEach((id, step) => {
      seed[step * rows + id] = -1 / (8 * p[step * rows + id])
    })
    const { layers } = build(truth, rows, width)
    const given = model.layers.flatMap((layer) => layer.getWeights().map(({ data }) => data))
    const { weightGradients } = runStep(truth, {
      inputs: [{ shape: [2, 4], dtype: 'int32', data: ids.flat() }],
      weights: weightsOf(truth, layers, [2, 4], given),
      seeds: [seed],
      compute: (ctx, inputs) => callAll(ctx, layers, inputs),
    })
    model.compile({ optimizer: sgd({ learningRate: 0.5 }), loss: 'sparseCategoricalCrossentropy' })
    await model.fit(ids, next, { shuffle: false })
    const expected = before.map((value, i) => value - 0.5 * weightGradients[0][i])
    expectClose(weights(), expected, { relative: 1e-9, ofLargest: 1e-10, absolute: 1e-14 }, 'table')
    // Row 1000 was never read.
    const unread = (values: ArrayLike<number>) =>
      Array.from(values).slice(1000 * width, 1001 * width)
    expect(unread(weights())).not.toEqual(unread(before))
  })
})

eachKindOfBackend((backend) => {
  it('learns, comes back from a file, goes on, and streams', async () => {
    const model = build(backend)
    model.compile({
      optimizer: adam({ learningRate: 0.05 }),
      loss: 'sparseCategoricalCrossentropy',
    })
    const { history } = await model.fit(ids, next, { epochs: 30 })
    expect(history.loss[29]).toBeLessThan(0.5 * history.loss[0])
    expect(model.layers[2].getWeights().map(({ name }) => name)).toEqual(['bias'])
    const again = decodeModel(encodeModel(model, {}, null), 'x.refrain', { backend }).model
    const flat = await (await model.predict(ids)).data()
    expect(await (await again.predict(ids)).data()).toEqual(flat)
    await again.fit(ids, next)
    const state = model.initialState(2)
    for (let t = 0; t < 4; t++) {
      const { y } = model.step(
        ids.map((row) => row[t]),
        state,
      )
      const expected = [0, 1].flatMap((row) =>
        Array.from(flat.subarray((row * 4 + t) * 12, (row * 4 + t + 1) * 12)),
      )
      expect(Array.from(y)).toEqual(expected)
    }
  })
})

it('an embedding that is not trained stays as it is', async () => {
  const words = embedding({ inputDim: 12, outputDim: 4, trainable: false })
  const model = sequential([words, tiedDense(words)], { backend: truth }).build([null, null])
  model.compile({ optimizer: sgd({ learningRate: 0.5 }), loss: 'meanSquaredError' })
  const weights = () => model.layers.flatMap((layer) => layer.getWeights().map(({ data }) => data))
  const before = weights().map((data) => data.slice())
  await model.fit([[1, 2]], [[new Array(12).fill(1), new Array(12).fill(1)]])
  const [table, bias] = weights()
  expect(table).toEqual(before[0])
  expect(bias).not.toEqual(before[1])
})

it('fails without its embedding in the model', () => {
  const words = embedding({ inputDim: 12, outputDim: 4, name: 'words' })
  const x = input({ shape: [4] })
  const y = tiedDense(words, { name: 'out' }).apply(dense({ units: 4 }).apply(x))
  expectError(
    () => makeModel({ inputs: x, outputs: y, backend: referenceBackend() }).build(),
    'UNSUPPORTED',
    "out: the layer whose weights it shares, 'words', is not in this model; use both in one model",
  )
})
