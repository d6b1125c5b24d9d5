/** States that go on from batch to batch, and long sequences in windows. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random, type Tolerance } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import {
  bidirectional,
  convLstm2d,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePooling1d,
  gru,
  input,
  lstm,
  simpleRnn,
  timeDistributed,
} from '../layers/index.ts'
import { type Callback, checkpoint } from '../train/callbacks.ts'
import type { LossConfig } from '../train/losses.ts'
import { adam, sgd } from '../train/optimizers.ts'
import './load.ts'
import { model as functional } from './functional.ts'
import { sequential } from './sequential.ts'
import type { FitOptions } from './training.ts'

const fixture = loadFixture('keras/stateful.json')
const near: Tolerance = { relative: 1e-5, ofLargest: 1e-5 }

describe(`stateful layers of ${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const check = async (backend: Backend, { options, arrays }: FixtureCase) => {
    const [units, shared] = [options.units as number, { returnSequences: true, stateful: true }]
    const frames = options.layer === 'ConvLSTM2D'
    const make = { LSTM: lstm, GRU: gru, SimpleRNN: simpleRnn }[options.layer as 'LSTM']
    const inner = frames
      ? convLstm2d({ filters: units, kernelSize: [2, 1], ...shared })
      : make({ units, ...shared })
    const layer = options.bidirectional ? bidirectional(inner) : inner
    const flat = frames ? [timeDistributed(flatten())] : []
    const model = sequential([layer, ...flat, dense({ units: 1 })], { backend })
    model.build([null, ...arrays.x.shape.slice(1)])
    const weights = (prefix: string) =>
      Object.keys(arrays)
        .filter((name) => name.startsWith(prefix))
        .map((name) => arrays[name])
    const initial = weights('initial')
    layer.setWeights(initial.slice(0, -2))
    model.layers.at(-1)!.setWeights(initial.slice(-2))
    model.compile({ optimizer: sgd({ learningRate: 0.2 }), loss: 'meanSquaredError' })
    const batchSize = options.rows as number
    const predict = async () => (await model.predict(arrays.x, { batchSize })).data()
    expectClose(await predict(), arrays.first.data, near, 'first pass')
    expectClose(await predict(), arrays.second.data, near, 'second pass')
    model.resetStates()
    expectClose(await predict(), arrays.first.data, near, 'after resetStates')
    model.resetStates()
    const { history } = await model.fit(arrays.x, arrays.y, { epochs: 2, batchSize })
    expectClose(history.loss, arrays.losses.data, near, 'losses')
    const { loss } = await model.evaluate(arrays.x, arrays.y, { batchSize })
    expectClose([loss], arrays.evaluated.data, near, 'evaluate')
    const found = model.layers.flatMap((layer) => layer.getWeights())
    weights('final').forEach(({ data }, i) => {
      expectClose(found[i].data, data, near, `final ${i}`)
    })
  }
  describe('reference float64', () => {
    for (const test of fixture.cases) it(test.name, () => check(truth, test))
  })
  eachBackend((backend) => {
    for (const test of fixture.cases) it(test.name, () => check(backend, test))
  })
})

const random = new Random(4)
const [rows, steps, features] = [6, 20, 2]
const x = { shape: [rows, steps, features], data: random.uniform(rows * steps * features) }
const y = { shape: [rows, steps, 1], data: random.uniform(rows * steps) }

function streams(backend: Backend, { learningRate = 0.02, stateful = false, rate = 0.2 } = {}) {
  const model = sequential(
    [
      lstm({ units: 4, returnSequences: true, dropout: rate, stateful }),
      dropout({ rate }),
      gru({ units: 3, returnSequences: true }),
      dense({ units: 1 }),
    ],
    { backend },
  )
  model.compile({ optimizer: adam({ learningRate }), loss: 'meanSquaredError' })
  return model.build([null, null, features])
}

const seeing = (callback: Callback['onStepEnd']): Callback => ({ name: 'see', onStepEnd: callback })

eachBackend((backend) => {
  describe('bpttSteps', () => {
    it('carries the states: the loss of the windows is that of whole sequences', async () => {
      const model = streams(backend, { learningRate: 0, rate: 0 })
      const whole = await model.evaluate(x, y)
      for (const bpttSteps of [1, 7, 20, 50]) {
        const steps: number[] = []
        const { history } = await model.fit(x, y, {
          bpttSteps,
          batchSize: 4,
          callbacks: [seeing((run) => void steps.push(run.stepsPerEpoch!))],
        })
        expect(history.loss[0]).toBeCloseTo(whole.loss, 5)
        expect(steps).toEqual(new Array(2 * Math.ceil(20 / bpttSteps)).fill(steps[0]))
      }
    })

    it('evaluates and validates in windows: the numbers of whole sequences', async () => {
      const model = streams(backend, { learningRate: 0, rate: 0 })
      const whole = await model.evaluate(x, y)
      for (const bpttSteps of [1, 7, 50]) {
        const { loss } = await model.evaluate(x, y, { bpttSteps, batchSize: 4 })
        expect(loss).toBeCloseTo(whole.loss, 5)
      }
      const { history } = await model.fit(x, y, { bpttSteps: 7, validationData: [x, y] })
      expect(history.valLoss[0]).toBeCloseTo(whole.loss, 5)
    })

    it('of sequences of unequal length, too', async () => {
      const model = streams(backend, { learningRate: 0, rate: 0 })
      const lengths = [20, 3, 11, 8, 1, 16]
      const cut = (data: ArrayLike<number>, width: number) =>
        lengths.map((length, row) =>
          Array.from({ length }, (_, t) => {
            const at = (row * steps + t) * width
            return Array.from({ length: width }, (_, i) => data[at + i])
          }),
        )
      const [xs, ys] = [cut(x.data, features), cut(y.data, 1)]
      const losses: number[] = []
      await model.fit(xs, ys, {
        bpttSteps: 6,
        batchSize: 6,
        callbacks: [seeing((_, logs) => void losses.push(logs.loss))],
      })
      expect(losses).toHaveLength(4)
      const first = await model.evaluate(
        xs.map((row) => row.slice(0, 6)),
        ys.map((row) => row.slice(0, 6)),
        { batchSize: 6 },
      )
      expect(losses[0]).toBeCloseTo(first.loss, 5)
    })

    it('losses of several outputs are means over all steps that rows have', async () => {
      const inputs = input({ shape: [null, 1] })
      const h = simpleRnn({ units: 2, returnSequences: true }).apply(inputs)
      const outputs = ['a', 'b'].map((name) => dense({ units: 1, name }).apply(h))
      const both = functional({ inputs, outputs, backend: truth })
      both.compile({ optimizer: sgd({ learningRate: 0 }), loss: 'mse', lossWeights: [1, 3] })
      const lengths = [7, 2, 4]
      const xs = lengths.map((n, row) => Array.from({ length: n }, (_, t) => [row - t / 2]))
      const ys = lengths.map((n, row) => Array.from({ length: n }, (_, t) => [row * t]))
      // One batch: the mean over its 13 steps.
      const whole = await both.evaluate(xs, [ys, ys])
      const parts = await both.evaluate(xs, [ys, ys], { bpttSteps: 3 })
      expect(Object.keys(parts)).toEqual(['loss', 'a_loss', 'b_loss'])
      for (const name of Object.keys(whole)) expect(parts[name]).toBeCloseTo(whole[name], 12)
      expect(parts.loss).toBeCloseTo(parts.a_loss + 3 * parts.b_loss, 12)
      const { history } = await both.fit(xs, [ys, ys], { bpttSteps: 3 })
      for (const name of Object.keys(whole)) expect(history[name][0]).toBeCloseTo(whole[name], 12)
    })

    it('with a mask made inside the model, and steps that do not count: the whole loss, too', async () => {
      const lengths = [7, 2, 4, 1]
      const xs = lengths.map((n, row) =>
        Array.from({ length: 7 }, (_, t) => (t < n ? 1 + ((row + t) % 5) : 0)),
      )
      const ys = xs.map((row) => row.map((id) => id % 3))
      const sampleWeight = xs.map((row) => row.map((id) => 0.25 + id / 5))
      const name = 'sparseCategoricalCrossentropy'
      const losses: LossConfig[] = [
        { name },
        { name, ignoreClass: 2 },
        { name, reduction: 'meanWithSampleWeight' },
      ]
      for (const loss of losses) {
        const model = sequential(
          [
            embedding({ inputDim: 6, outputDim: 3, maskZero: true }),
            simpleRnn({ units: 2, returnSequences: true }),
            dense({ units: 3, activation: 'softmax' }),
          ],
          { backend: truth },
        )
        model.compile({ optimizer: sgd({ learningRate: 0 }), loss, metrics: ['accuracy'] })
        // One batch: a mean over its 14 steps that are not masked.
        const whole = await model.evaluate(xs, ys, { sampleWeight })
        for (const bpttSteps of [1, 3, 5]) {
          const parts = await model.evaluate(xs, ys, { sampleWeight, bpttSteps })
          expect(parts.loss).toBeCloseTo(whole.loss, 12)
          expect(parts.accuracy).toBeCloseTo(whole.accuracy, 12)
          const { history } = await model.fit(xs, ys, { sampleWeight, bpttSteps })
          expect(history.loss[0]).toBeCloseTo(whole.loss, 12)
        }
      }
    })

    it('leaves no states behind', async () => {
      const model = streams(backend)
      const before = streams(backend)
      await model.fit(x, y, { bpttSteps: 5 })
      before.parameters.values.values.set(model.parameters.values.values)
      before.parameters.touch()
      const predict = async (m: typeof model) => [...(await (await m.predict(x)).data())]
      expect(await predict(model)).toEqual(await predict(before))
    })
  })

  describe('resuming in the middle of a stream', () => {
    let folder: string
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'refrain-stream-'))
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    const cases: Record<string, [FitOptions, boolean]> = {
      'in windows': [{ bpttSteps: 6, batchSize: 3, epochs: 2 }, false],
      'stateful layers': [{ batchSize: 2, epochs: 3 }, true],
      'stateful layers in windows': [{ bpttSteps: 7, batchSize: 2, epochs: 2 }, true],
    }
    it.each(Object.entries(cases))('%s: the same bits', async (_, [options, stateful]) => {
      const path = join(folder, 'stream.refrain')
      const whole = streams(backend, { stateful })
      await whole.fit(x, y, options)
      const stopped = streams(backend, { stateful })
      const stop = seeing((run) => {
        if (run.iteration === 5) run.stop('here')
      })
      await stopped.fit(x, y, {
        ...options,
        callbacks: [checkpoint({ path, everySteps: 5 }), stop],
      })
      const resumed = streams(backend, { stateful })
      const { history } = await resumed.fit(x, y, { ...options, resume: path })
      expect(history.loss).toHaveLength(options.epochs!)
      expect([...resumed.parameters.values.values]).toEqual([...whole.parameters.values.values])
    })
  })
})

describe('validation of a stateful model', () => {
  it('starts from zeros and leaves the states of training as they were', async () => {
    const run = async (validate: boolean) => {
      const model = streams(truth, { stateful: true })
      const { history } = await model.fit(x, y, {
        epochs: 3,
        batchSize: 2,
        ...(validate && { validationData: [x, y] as const }),
      })
      return { model, history }
    }
    const [with_, without] = [await run(true), await run(false)]
    expect(with_.history.loss).toEqual(without.history.loss)
    with_.model.resetStates()
    const { loss } = await with_.model.evaluate(x, y, { batchSize: 2 })
    expect(with_.history.valLoss.at(-1)).toBe(loss)
  })
})

describe('errors', () => {
  const backend = referenceBackend()

  it('batches of two sizes', async () => {
    const model = streams(backend, { stateful: true })
    await expect(model.predict(x, { batchSize: 4 })).rejects.toThrow(
      'lstm: a stateful layer expected 4 rows, as in the batch before, got 2; ' +
        'use a batchSize that divides the number of rows, or call model.resetStates() before',
    )
  })

  it('shuffling', async () => {
    const model = streams(backend, { stateful: true })
    await expect(model.fit(x, y, { shuffle: true, batchSize: 3 })).rejects.toThrow(
      "fit 'shuffle': a stateful layer needs batches in their order, got true; leave it out",
    )
  })

  it('windows of what cannot be cut', async () => {
    const both = sequential([bidirectional(lstm({ units: 2, returnSequences: true }))], { backend })
    both.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const wide = { shape: [rows, steps, 4], data: random.uniform(rows * steps * 4) }
    await expect(both.fit(x, wide, { bpttSteps: 3 })).rejects.toThrow(
      "fit 'bpttSteps': the layer 'bidirectional' cannot run in windows: it also reads the sequence",
    )
    const pooled = sequential(
      [embedding({ inputDim: 3, outputDim: 2 }), globalAveragePooling1d()],
      { backend },
    )
    pooled.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    await expect(pooled.fit([[1, 2]], [[1, 2]], { bpttSteps: 3 })).rejects.toThrow(
      "the layer 'globalAveragePooling1d' cannot run in windows",
    )
    const last = sequential([lstm({ units: 1 })], { backend })
    last.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const one = { shape: [rows, 1], data: random.uniform(rows) }
    await expect(last.evaluate(x, one, { bpttSteps: 3 })).rejects.toThrow(
      "evaluate 'bpttSteps': expected sequences with a target for each step",
    )
    await expect(last.fit(x, one, { bpttSteps: 3 })).rejects.toThrow(
      "fit 'bpttSteps': expected sequences with a target for each step, " +
        'got rows of shape [20, 2] and [1]',
    )
  })
})
