/** What reads words: timeDistributed with `distinct`, and tokenDropout. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { referenceBackend } from '../kernels/reference.ts'
import {
  bidirectional,
  dense,
  embedding,
  input,
  lstm,
  timeDistributed,
  tokenDropout,
} from '../layers/index.ts'
import { sgd } from '../train/optimizers.ts'
import { model } from './functional.ts'
import { loadRefrain } from './load.ts'
import { sequential } from './sequential.ts'

const word = (...ids: number[]) => [...ids, 0, 0, 0, 0].slice(0, 4)
const [ada, bob, eve] = [word(1, 2, 1), word(3, 4), word(5)]
const x = [
  [ada, bob, ada, word(), eve],
  [bob, ada],
  [eve, eve, word(1, 2, 1, 1)],
]
const y = [
  [0, 1, 0, 1, 2],
  [1, 0],
  [2, 2, 1],
]

const spelling = () =>
  sequential([
    embedding({ inputDim: 6, outputDim: 3, maskZero: true, inputShape: [null] }),
    bidirectional(lstm({ units: 2 })),
  ])

function tagger(distinct: boolean) {
  const words = input({ shape: [null, null], dtype: 'int32' })
  const read = timeDistributed(spelling(), { distinct }).apply(words)
  const tags = dense({ units: 3, activation: 'softmax' }).apply(
    lstm({ units: 3, returnSequences: true }).apply(read),
  )
  const backend = referenceBackend({ float: 'float64' })
  const net = model({ inputs: words, outputs: tags, seed: 3, backend })
  net.compile({
    optimizer: sgd({ learningRate: 1 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  return net
}

test('equal words are read once, and nothing else is different: outputs and gradients', async () => {
  const [plain, distinct] = [tagger(false), tagger(true)]
  for (const net of [plain, distinct]) await net.fit(x, y, { epochs: 4, batchSize: 3, seed: 1 })
  const weights = plain.parameters.parameters.map(({ value }) => [...value.values])
  distinct.parameters.parameters.forEach(({ value }, i) => {
    expect([...value.values]).toEqual(weights[i].map((one) => expect.closeTo(one, 12)))
  })
  const wanted = (await (await plain.predict(x)).data()) as Float64Array
  const given = (await (await distinct.predict(x)).data()) as Float64Array
  expect([...given]).toEqual([...wanted].map((one) => expect.closeTo(one, 12)))
})

test('a file keeps the options', async () => {
  const words = input({ shape: [null, null], dtype: 'int32' })
  const dropped = tokenDropout({ rate: 0.1, from: 3 }).apply(words)
  const net = model({
    inputs: words,
    outputs: timeDistributed(spelling(), { distinct: true }).apply(dropped),
  })
  net.build()
  const folder = mkdtempSync(join(tmpdir(), 'refrain-words-'))
  const path = join(folder, 'a.refrain')
  await net.save(path)
  const again = await loadRefrain(path)
  rmSync(folder, { recursive: true })
  expect(again.layers.at(-2)!.options()).toEqual({ rate: 0.1, unknown: 1, from: 3 })
  expect(again.layers.at(-1)!.options()).toMatchObject({ distinct: true })
  expect(await (await again.predict(x)).array()).toEqual(await (await net.predict(x)).array())
})

test('tokenDropout replaces a share of the ids in training, and none in prediction', async () => {
  const ids = input({ shape: [null], dtype: 'int32' })
  const table = embedding({ inputDim: 4, outputDim: 1, embeddingsInitializer: 'zeros' })
  const dropped = table.apply(tokenDropout({ rate: 0.25, from: 3 }).apply(ids))
  const net = model({ inputs: ids, outputs: dropped, seed: 2 })
  net.compile({ optimizer: sgd({ learningRate: 1 }), loss: 'mse' })
  // dLoss/dy is 2 (y - 1) / elements, so each id's row moves by twice its share of the elements.
  const rows = Array.from({ length: 100 }, () => [2, 3, 3, 3])
  const targets = rows.map((row) => row.map(() => [1]))
  await net.fit(rows, targets, { epochs: 1, batchSize: 100 })
  const [, unknown, two, three] = table.getWeights()[0].data
  expect(two).toBeCloseTo(2 / 4, 5)
  expect(unknown + three).toBeCloseTo((2 * 3) / 4, 5)
  expect(unknown / (unknown + three)).toBeGreaterThan(0.18)
  expect(unknown / (unknown + three)).toBeLessThan(0.32)
  const predicted = await (await net.predict([[1, 2, 3]])).data()
  expect([...predicted]).toEqual([unknown, two, three].map((value) => expect.closeTo(value, 6)))
})

test('errors', () => {
  expect(() => timeDistributed(dense({ units: 2 }), { distinct: true })).toThrow(
    "timeDistributed 'distinct': expected a layer of ids, dense takes numbers; " +
      'put an embedding first, or leave it out',
  )
  expect(() => tokenDropout({ rate: 1 })).toThrow(
    "tokenDropout 'rate': expected a number from 0 to below 1, got 1",
  )
})
