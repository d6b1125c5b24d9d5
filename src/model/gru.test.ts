/** Models of gru and simpleRnn: steps, files, threads, states between layers, what explain says. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { nativeBackend, nativeVariants } from '../kernels/native/native.ts'
import { referenceBackend } from '../kernels/reference.ts'
import {
  bidirectional,
  dense,
  embedding,
  type GruOptions,
  type GruOutputs,
  gru,
  input,
  type RecurrentLayer,
  type SimpleRnnOptions,
  type SimpleRnnOutputs,
  type SymbolicTensor,
  simpleRnn,
} from '../layers/index.ts'
import { adam } from '../train/optimizers.ts'
import { explain } from './explain/explain.ts'
import { encodeModel } from './file.ts'
import { model as functional } from './functional.ts'
import { decodeModel } from './load.ts'
import { sequential } from './sequential.ts'

type Options = GruOptions & SimpleRnnOptions
const kinds: Record<string, (options: Options) => RecurrentLayer> = {
  gru: (options) => gru(options),
  'gru, reset before': (options) => gru({ ...options, resetAfter: false }),
  simpleRnn: (options) => simpleRnn(options),
  'simpleRnn, relu': (options) => simpleRnn({ ...options, activation: 'relu' }),
}

const random = new Random(12)
const tokens = Array.from({ length: 60 }, () =>
  Array.from(random.integers(1 + (random.word() % 12), 20)),
)
const labels = tokens.map((row) => row.length % 2)

/** Ids with masked steps, gaps among them, since 0 is the padding. */
function tagger(make: (options: Options) => RecurrentLayer, backend: Backend, both: boolean) {
  const units = 24
  const layer = (options: object) => {
    const one = make({ units, returnSequences: true, ...options })
    return both ? bidirectional(one) : one
  }
  const model = sequential(
    [
      embedding({ inputDim: 20, outputDim: 10, maskZero: true }),
      layer({ dropout: 0.2 }),
      layer({ returnSequences: !both }),
      dense({ units: 2, activation: 'softmax' }),
    ],
    { seed: 4, backend },
  ).build([null, null])
  model.compile({ optimizer: adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy' })
  return model
}

describe.each(Object.entries(kinds))('%s', (_name, make) => {
  eachKindOfBackend((backend) => {
    it('takes steps that give what predict gives', async () => {
      const model = tagger(make, backend, false)
      const ids = [
        [0, 0, 4, 0, 7, 1],
        [3, 8, 2, 0, 0, 5],
        [1, 0, 0, 0, 6, 0],
      ]
      const flat = await (await model.predict(ids)).data()
      const state = model.initialState(3)
      for (let t = 0; t < 6; t++) {
        const column = ids.map((row) => row[t])
        const copy = state.clone()
        const { y } = model.step(column, state)
        const expected = [0, 1, 2].flatMap((row) =>
          Array.from(flat.subarray((row * 6 + t) * 2).slice(0, 2)),
        )
        expect(Array.from(y)).toEqual(expected)
        expect(model.step(column, model.restoreState(JSON.parse(JSON.stringify(copy)))).y).toEqual(
          y,
        )
      }
    })

    it('trains, and goes through a file', async () => {
      const model = tagger(make, backend, true)
      const rows = backend.name === 'reference' ? 16 : 60
      const [x, y] = [tokens.slice(0, rows), labels.slice(0, rows)]
      const { history } = await model.fit(x, y, { epochs: 4, batchSize: 16 })
      expect(history.loss.at(-1)).toBeLessThan(history.loss[0])
      const loaded = decodeModel(encodeModel(model, {}, null), 'file', { backend }).model
      expect(await (await loaded.predict(x)).data()).toEqual(await (await model.predict(x)).data())
    })
  })

  const native = nativeVariants()
  it.skipIf('reason' in native)('gives the same bits whatever the number of threads', async () => {
    const train = async (threads: number) => {
      const model = tagger(make, nativeBackend({ threads }), true)
      const rows = Array.from({ length: 240 }, (_, i) => tokens[i % 60])
      const y = rows.map((row) => row.length % 2)
      const history = await model.fit(rows, y, { epochs: 2, batchSize: 120 })
      return { history, weights: model.parameters.values.values.slice() }
    }
    const one = await train(1)
    for (const threads of [2, 5]) expect(await train(threads)).toEqual(one)
  })
})

describe('states', () => {
  it('pass from layer to layer; options decide the types', async () => {
    const x = input({ shape: [null, 3] })
    const encoder = gru({ units: 4, returnState: true }).apply(x)
    expectTypeOf(encoder).toEqualTypeOf<GruOutputs>()
    const decoder = simpleRnn({ units: 4, returnState: true, returnSequences: true })
    const decoded = decoder.apply(x, { initialState: { h: encoder.h } })
    expectTypeOf(decoded).toEqualTypeOf<SimpleRnnOutputs>()
    expect([decoded.output, decoded.h].map(({ shape }) => shape)).toEqual([
      [null, null, 4],
      [null, 4],
    ])
    const last = gru({ units: 2 }).apply(decoded.output, {})
    expectTypeOf(last).toEqualTypeOf<SymbolicTensor>()
    const model = functional({ inputs: x, outputs: [last, encoder.h] })
    const rows = { shape: [2, 5, 3], data: Float32Array.from(random.uniform(30)) }
    const [y, h] = await model.predict(rows)
    expect([y.shape, h.shape]).toEqual([
      [2, 2],
      [2, 4],
    ])
    expect((await y.data()).every((value) => Math.abs(value) < 1)).toBe(true)
  })
})

describe('explain', () => {
  const quick = { batchSize: 3, steps: 5, milliseconds: 1 }

  it('counts the products of each cell', async () => {
    const layers = [gru({ units: 4, returnSequences: true }), simpleRnn({ units: 6 })]
    const model = sequential(layers).build([null, null, 2])
    const found = (await explain(model, quick)).layers
    expect(found.map(({ prediction, training }) => [prediction, training])).toEqual([
      ['fused', 'fused'],
      ['fused', 'fused'],
    ])
    expect(found.map(({ predict }) => predict.flops)).toEqual([
      2 * 3 * 5 * (3 * 4) * (2 + 4),
      2 * 3 * 5 * 6 * (4 + 6),
    ])
  })

  it('says what is slow and what to do', async () => {
    const layers = [
      gru({ units: 2, returnSequences: true, resetAfter: false, name: 'before' }),
      gru({ units: 2, returnSequences: true, activation: 'relu', name: 'other' }),
      simpleRnn({ units: 2, returnSequences: true, activation: 'elu', name: 'elu' }),
      simpleRnn({ units: 2, recurrentDropout: 0.5, name: 'dropped' }),
    ]
    const model = sequential(layers, { backend: referenceBackend() }).build([null, null, 2])
    const { slow } = await explain(model, quick)
    const lines = slow
      .filter(({ where }) => layers.some(({ name }) => name === where))
      .map(({ where, reason, advice }) => `${where}: ${reason}; ${advice}`)
    expect(lines).toEqual([
      'before: runs step by step; resetAfter false: the fused kernel resets after the product; ' +
        'resetAfter: true, if the weights need not be those of another program',
      "other: runs step by step; activation 'relu', recurrentActivation 'sigmoid': " +
        'the fused kernel has tanh and sigmoid; ' +
        'leave activation and recurrentActivation at their defaults',
      "elu: runs step by step; activation 'elu': the fused kernel has tanh and relu; " +
        "activation: 'tanh' or 'relu'",
      'dropped: trains step by step; recurrentDropout: the fused kernel has no masks on h; ' +
        'recurrentDropout: 0, with dropout on the inputs or a dropout layer instead',
    ])
  })
})
