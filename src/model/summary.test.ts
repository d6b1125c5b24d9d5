/** The table, letter for letter as Keras prints it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  add,
  batchNormalization,
  bidirectional,
  concatenate,
  dense,
  dropout,
  embedding,
  globalMaxPooling1d,
  input,
  lstm,
} from '../layers/index.ts'
import { model } from './functional.ts'
import { sequential } from './sequential.ts'

const path = '../../test/fixtures/keras/summaries.json'
const { made_by, texts } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))

const line = () =>
  sequential(
    [
      embedding({ inputDim: 1000, outputDim: 16, maskZero: true, name: 'words' }),
      bidirectional(lstm({ units: 32 }), { name: 'both_ways' }),
      dropout({ rate: 0.5, name: 'dropout' }),
      dense({
        units: 1,
        activation: 'sigmoid',
        name: 'a_name_that_is_longer_than_its_column',
      }),
    ],
    { name: 'line' },
  ).build([null, null])

const chain = () => {
  const x = input({ shape: [5, 3], name: 'x' })
  const h = lstm({ units: 4, name: 'lstm' }).apply(x)
  return model({ inputs: x, outputs: dense({ units: 2, name: 'out' }).apply(h), name: 'chain' })
}

const graph = () => {
  const a = input({ shape: [null, 8], name: 'first' })
  const b = input({ shape: [8], name: 'second' })
  const shared = dense({ units: 8, name: 'shared' })
  const x = input({ shape: [8], name: 'inner_in' })
  const inner = model({
    inputs: x,
    outputs: dense({ units: 4, name: 'inner_dense' }).apply(x),
    name: 'inner',
  })
  const rec = lstm({ units: 8, returnSequences: true, returnState: true, name: 'rec' })
  const { output, c } = rec.apply(shared.apply(a))
  const joined = add({ name: 'joined' }).apply([output, a])
  const normal = batchNormalization({ name: 'normal' }).apply(joined)
  const pooled = globalMaxPooling1d({ name: 'pooled' }).apply(normal)
  const end = concatenate({ name: 'end' }).apply([pooled, shared.apply(b), c])
  const y = dense({ units: 2, name: 'y' }).apply(end)
  return model({ inputs: [a, b], outputs: [y, inner.apply(pooled)], name: 'graph' })
}

describe(`as ${made_by.program} ${made_by.version} prints it`, () => {
  it('a sequential model', () => expect(line().summary()).toBe(texts.line))
  it('a functional model in one line', () => expect(chain().summary()).toBe(texts.chain))
  it('a graph', () => expect(graph().summary()).toBe(texts.graph))
  it('a wider graph', () => {
    expect(graph().summary({ lineLength: 100 })).toBe(texts['graph, 100'])
  })
  it('a graph with the models in it', () => {
    expect(graph().summary({ expandNested: true })).toBe(texts['graph, nested'])
  })
})

it('fails on what it does not know', () => {
  expect(() => line().summary({ lineLenght: 80 } as never)).toThrow("did you mean 'lineLength'?")
  expect(() => line().summary({ lineLength: 10 })).toThrow('a whole number of at least 40')
})
