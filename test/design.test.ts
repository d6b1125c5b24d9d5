/** The code samples of the design, as they stand there, and what the types promise. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  adam,
  bidirectional,
  dense,
  earlyStopping,
  embedding,
  input,
  type LstmOutputs,
  loadModel,
  lstm,
  model as makeModel,
  progress,
  type SymbolicTensor,
  sequential,
  type Tensor,
} from 'refrain'
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, it, vi } from 'vitest'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-design-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => {
  vi.restoreAllMocks()
})

describe('the samples of the design', () => {
  it('a sequential model: train, predict, save, load', async () => {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const x = Array.from({ length: 40 }, (_, row) =>
      Array.from({ length: 1 + ((row * 7) % 12) }, (_, t) => 1 + ((row * 977 + t * 31) % 19_999)),
    )
    const y = x.map((row) => row.length % 2)
    const x2 = x.slice(0, 5)
    const file = join(folder, 'reviews.refrain')

    const model = sequential([
      embedding({ inputDim: 20_000, outputDim: 64, maskZero: true }),
      bidirectional(lstm({ units: 64, dropout: 0.2 })),
      dense({ units: 1, activation: 'sigmoid' }),
    ])
    model.compile({
      optimizer: adam({ learningRate: 1e-3, clipNorm: 1 }),
      loss: 'binaryCrossentropy',
      metrics: ['accuracy'],
    })
    const history = await model.fit(x, y, {
      epochs: 5,
      batchSize: 64,
      validationSplit: 0.1,
      callbacks: [earlyStopping(), progress()],
    })
    const p = await model.predict(x2)
    await model.save(file)
    const loaded = await loadModel(file)

    expectTypeOf(p).toEqualTypeOf<Tensor>()
    expect(p.shape).toEqual([5, 1])
    const data = await p.data()
    expect(data).toBeInstanceOf(Float32Array)
    const rows = (await p.array()) as number[][]
    expect(rows).toEqual(Array.from(data, (value) => [value]))
    expect(rows.every(([value]) => value > 0 && value < 1)).toBe(true)
    expect(await (await loaded.predict(x2)).data()).toEqual(data)
    expect(Object.keys(history.history)).toEqual(['loss', 'accuracy', 'valLoss', 'valAccuracy'])
    expect(history.history.loss.length).toBe(history.epoch.length)
    expect(history.history.loss.at(-1)).toBeLessThan(history.history.loss[0])
    expect(written).toHaveBeenCalled()
    expect(model.trainingRecord).toMatchObject({ rows: 36, validationRows: 4, batchSize: 64 })
    expect(loaded.trainingRecord).toEqual(model.trainingRecord)
  })

  it('a functional model', async () => {
    const x = input({ shape: [null, 16] })
    const y = lstm({ units: 32 }).apply(x)
    const model = makeModel({ inputs: x, outputs: y })
    const p = await model.predict({
      shape: [3, 5, 16],
      data: Float32Array.from({ length: 240 }, (_, i) => i / 240),
    })
    expectTypeOf(p).toEqualTypeOf<Tensor>()
    expect(p.shape).toEqual([3, 32])
    expect((await p.data()).every((value) => Math.abs(value) < 1)).toBe(true)
  })
})

describe('types follow options', () => {
  it('returnState: true gives { output, h, c }, else the output', () => {
    const x = input({ shape: [null, 3] })
    const one = lstm({ units: 2 }).apply(x)
    expectTypeOf(one).toEqualTypeOf<SymbolicTensor>()
    expect(one.shape).toEqual([null, 2])
    const all = lstm({ units: 2, returnState: true, returnSequences: true }).apply(x)
    expectTypeOf(all).toEqualTypeOf<LstmOutputs>()
    expect([all.output, all.h, all.c].map(({ shape }) => shape)).toEqual([
      [null, null, 2],
      [null, 2],
      [null, 2],
    ])
    expectTypeOf(lstm({ units: 2, returnState: false }).apply(x)).toEqualTypeOf<SymbolicTensor>()
  })

  it('several outputs give an array of tensors', () => {
    const x = input({ shape: [3] })
    const [a, b] = [dense({ units: 1 }).apply(x), dense({ units: 2 }).apply(x)]
    const many = makeModel({ inputs: x, outputs: [a, b] })
    expectTypeOf(many.predict).returns.resolves.toEqualTypeOf<Tensor[]>()
    const one = makeModel({ inputs: [x], outputs: [a] })
    expectTypeOf(one.predict).returns.resolves.toEqualTypeOf<Tensor>()
  })

  it('a model in another graph gives a value for each of its outputs', () => {
    const x = input({ shape: [3] })
    const [a, b] = [dense({ units: 1 }).apply(x), dense({ units: 2 }).apply(x)]
    const many = makeModel({ inputs: x, outputs: [a, b] }).apply(x)
    expectTypeOf(many).toEqualTypeOf<SymbolicTensor[]>()
    expect(many.map(({ shape }) => shape)).toEqual([
      [null, 1],
      [null, 2],
    ])
    const one = makeModel({ inputs: x, outputs: a }).apply(x)
    expectTypeOf(one).toEqualTypeOf<SymbolicTensor>()
    expect(one.shape).toEqual([null, 1])
  })

  it('losses and data of several outputs', () => {
    type Compiling = Parameters<ReturnType<typeof sequential>['compile']>[0]
    expectTypeOf<{ loss: { a: 'mse'; b: 'mae' }; lossWeights: { a: 1 } }>().toExtend<Compiling>()
    expectTypeOf<{ loss: ('mse' | null)[]; metrics: string[][] }>().toExtend<Compiling>()
    expectTypeOf<{ loss: { a: 'mze' } }>().not.toExtend<Compiling>()
    type Data = Parameters<ReturnType<typeof sequential>['fit']>[1]
    expectTypeOf<[Float32Array, null]>().toExtend<Data>()
    expectTypeOf<{ a: number[][]; b: Tensor }>().toExtend<Data>()
    expectTypeOf<{ a: string }>().not.toExtend<Data>()
  })

  it('an unknown option does not compile, and fails', () => {
    // @ts-expect-error
    expect(() => dense({ units: 1, activaton: 'relu' })).toThrow(
      "dense: unknown option 'activaton'; did you mean 'activation'?",
    )
    // @ts-expect-error
    expect(() => sequential([dense({ units: 1 })], { sead: 1 })).toThrow(
      "sequential: unknown option 'sead'; did you mean 'seed'?",
    )
    // @ts-expect-error
    expect(() => dense({ units: 1, activation: 'rellu' })).toThrow("did you mean 'relu'?")
    const model = sequential([dense({ units: 1 })])
    // @ts-expect-error
    expect(() => model.compile({ loss: 'meanSquaredErorr' })).toThrow("'meanSquaredError'?")
    // @ts-expect-error
    expect(() => model.compile({ loss: 'meanSquaredError', metric: [] })).toThrow("'metrics'?")
    // @ts-expect-error
    expect(() => adam({ learningrate: 1 })).toThrow("did you mean 'learningRate'?")
  })
})
