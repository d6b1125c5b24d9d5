/**
 * Rows of embeddings that a batch does not use are moved later: the weights must be, bit for bit,
 * those of an optimizer that moves the whole table in every step.
 */
import { createHash } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { availableBackends, createBackend } from '../kernels/backend.ts'
import type { Backend } from '../kernels/kernels.ts'
import { dense, embedding, globalAveragePooling1d, input, lstm } from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import type { Callback } from '../train/callbacks.ts'
import type { Optimizer } from '../train/optimizer.ts'
import { adam, adamW, rmsprop, sgd } from '../train/optimizers.ts'
import { learningRateScheduler } from '../train/rate-callbacks.ts'
import { exponentialDecay } from '../train/schedules.ts'
import './load.ts'
import { model } from './functional.ts'
import { sequential } from './sequential.ts'
import type { FitOptions } from './training.ts'

const words = 2048
const width = 32
const random = new Random(8, 'rows')
/** Small ids far more often than large ones, some never. */
const draw = () => 1 + Math.floor((words - 1) * random.uniform() ** 8)
const bits = (weights: Float32Array | Float64Array) =>
  createHash('sha1').update(new Uint8Array(weights.slice().buffer)).digest('hex')
const x = Array.from({ length: 60 }, () => Array.from({ length: 7 }, draw))
const y = x.map((_, i) => [i % 2])

/** One table read twice, and another that masks. */
function build(backend: Backend) {
  const ids = input({ shape: [null], dtype: 'int32' })
  const shared = embedding({ inputDim: words, outputDim: width, name: 'shared' })
  const other = embedding({ inputDim: words, outputDim: width, maskZero: true, name: 'other' })
  const mean = () => globalAveragePooling1d().apply(shared.apply(ids))
  const initialState = { h: mean(), c: mean() }
  const h = lstm({ units: width }).apply(other.apply(ids), { initialState })
  const outputs = dense({ units: 1, activation: 'sigmoid' }).apply(h)
  return model({ inputs: ids, outputs, backend, seed: 4 })
}

/** The same optimizer, moving whole tables. */
const whole = (optimizer: Optimizer): Optimizer => ({ ...optimizer, idle: null })

/** Weights after every third step and at the end; losses. */
async function train(backend: Backend, optimizer: Optimizer, options: FitOptions = {}) {
  const net = build(backend)
  net.compile({ optimizer, loss: 'binaryCrossentropy' })
  const seen: string[] = []
  const watch: Callback = {
    name: 'watch',
    onStepEnd(run) {
      if (run.iteration % 3 === 0) seen.push(bits(run.readWeights()))
    },
  }
  const callbacks = [watch, ...(options.callbacks ?? [])]
  const { history } = await net.fit(x, y, { epochs: 4, batchSize: 8, ...options, callbacks })
  const weights = net.parameters.values.values.slice()
  return { weights, result: { history, seen, bits: bits(weights) } }
}

const backends = availableBackends()
  .filter(({ available }) => available)
  .map(({ name, variant }) => createBackend(`${name}:${variant}`))

describe.each(backends)('$name $variant', (backend) => {
  const optimizers: [string, () => Optimizer][] = [
    ['adam', () => adam({ learningRate: 0.01 })],
    ['amsgrad', () => adam({ learningRate: 0.01, amsgrad: true })],
    ['adamW', () => adamW({ learningRate: 0.01, clipValue: 1e-4 })],
    ['a schedule', () => adam({ learningRate: rates })],
    ['sgd', () => sgd({ learningRate: 0.1, clipValue: 1e-4 })],
    ['momentum', () => sgd({ learningRate: 0.1, momentum: 0.9 })],
    ['rmsprop', () => rmsprop()],
  ]
  const rates = exponentialDecay({ initialLearningRate: 0.02, decaySteps: 5, decayRate: 0.8 })

  it.each(optimizers)('%s: the weights of whole tables', async (_name, make) => {
    const weights = { 0: 0.5, 1: 2 }
    const rows = await train(backend, make(), { classWeight: weights })
    const all = await train(backend, whole(make()), { classWeight: weights })
    expect(rows.result).toEqual(all.result)
  })

  it('a callback that sets the learning rate', async () => {
    const callbacks = () => [learningRateScheduler((epoch) => [0.01, 0, 0.05, 0.001][epoch])]
    const rows = await train(backend, adam(), { callbacks: callbacks() })
    const all = await train(backend, whole(adam()), { callbacks: callbacks() })
    expect(rows.result).toEqual(all.result)
  })
})

const backend = createBackend('wasm:simd128')

describe('rows that are not used', () => {
  const table = () => embedding({ inputDim: words, outputDim: width })
  const compiled = (layer: ReturnType<typeof table>, optimizer: Optimizer) => {
    const net = sequential([layer, lstm({ units: 4 }), dense({ units: 1 })], { backend, seed: 1 })
    net.compile({ optimizer, loss: 'mse' })
    return net
  }
  const tableOf = (layer: ReturnType<typeof table>) => layer.getWeights()[0].data
  const bitsOf = (layer: ReturnType<typeof table>) => bits(tableOf(layer))

  it('stay as they are with sparse: true, their moments too', async () => {
    const layer = table()
    const net = compiled(layer, adam({ learningRate: 0.01, sparse: true })).build([null, null])
    const before = tableOf(layer)
    await net.fit(
      [
        [1, 2],
        [3, 3],
      ],
      [1, 2],
      { epochs: 3, batchSize: 1, shuffle: false },
    )
    const after = tableOf(layer)
    await net.fit([[3, 3]], [2], { epochs: 5 })
    const last = tableOf(layer)
    const rowOf = (values: ArrayLike<number>, row: number) =>
      Array.from(values).slice(row * width, (row + 1) * width)
    for (const row of [0, 4, words - 1]) expect(rowOf(last, row)).toEqual(rowOf(before, row))
    for (const row of [1, 2, 3]) expect(rowOf(after, row)).not.toEqual(rowOf(before, row))
    expect(rowOf(last, 1)).toEqual(rowOf(after, 1))
    expect(rowOf(last, 3)).not.toEqual(rowOf(after, 3))
  })

  it('are up to date wherever weights are read or written', async () => {
    const runs = []
    for (const change of [(o: Optimizer) => o, whole]) {
      const layer = table()
      const net = compiled(layer, change(adam({ learningRate: 0.01 })))
      await net.fit(x, y, { epochs: 1, batchSize: 8 })
      const found: unknown[] = [bitsOf(layer)]
      found.push(await (await net.predict(x)).data(), await net.evaluate(x, y))
      // A step of another model with the layer, in between.
      const other = compiled(layer, change(adam({ learningRate: 0.02 })))
      for (let i = 0; i < 3; i++) {
        await other.fit(x.slice(0, 9), y.slice(0, 9), { batchSize: 3 })
        await net.fit(x.slice(20, 40), y.slice(20, 40), { batchSize: 4 })
      }
      found.push(bitsOf(layer))
      await net.fit(x, y, { batchSize: 8 })
      layer.setWeights([tableOf(layer).map((weight) => weight / 2)])
      await net.fit(x.slice(0, 9), y.slice(0, 9), { batchSize: 3 })
      net.compile({ optimizer: change(adamW()), loss: 'mse' })
      await net.fit(x, y, { batchSize: 8 })
      found.push(bitsOf(layer))
      layer.trainable = false
      net.compile({ optimizer: change(adam()), loss: 'mse' })
      await net.fit(x, y, { batchSize: 8 })
      runs.push([...found, bitsOf(layer), bits(net.parameters.values.values)])
    }
    expect(runs[0]).toEqual(runs[1])
  })

  it('a resumed run ends as the uninterrupted one', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'refrain-')), 'a.refrain')
    const stop: Callback = {
      name: 'stop',
      onStepEnd(run) {
        if (run.iteration !== 13) return
        run.save(path)
        run.stop('enough')
      },
    }
    const optimizer = () => adamW({ learningRate: 0.01 })
    const { result } = await train(backend, optimizer())
    await train(backend, optimizer(), { callbacks: [stop] })
    const resumed = await train(backend, optimizer(), { resume: path })
    expect(resumed.result.bits).toBe(result.bits)
    const again = await train(backend, whole(optimizer()), { resume: path })
    expect(again.result.bits).toBe(result.bits)
  })

  it.each([{ clipNorm: 0.01 }, { globalClipNorm: 0.02 }])(
    '%o: norms but for rounding',
    async (clip) => {
      const optimizer = () => adam({ learningRate: 0.001, epsilon: 1e-3, ...clip })
      const rows = await train(backend, optimizer())
      const all = await train(backend, whole(optimizer()))
      let most = 0
      rows.weights.forEach((weight, i) => {
        most = Math.max(most, Math.abs(weight - all.weights[i]))
      })
      expect(most).toBeLessThan(1e-6)
      const free = await train(backend, adam({ learningRate: 0.001, epsilon: 1e-3 }))
      expect(free.result.bits).not.toBe(rows.result.bits)
    },
  )

  it('more steps than may be put off', async () => {
    const runs = []
    for (const change of [(o: Optimizer) => o, whole]) {
      const net = compiled(table(), change(sgd()))
      const layer = net.layers[0] as ReturnType<typeof table>
      net.compile({ optimizer: change(adam({ learningRate: 0.01 })), loss: 'mse' })
      const rows = x.map((row) => row.slice(0, 1))
      await net.fit(rows, y, { batchSize: 1, epochs: 18 })
      runs.push(bitsOf(layer))
    }
    expect(runs[0]).toEqual(runs[1])
  })

  it.each([
    ['rmsprop', () => rmsprop()],
    ['momentum', () => sgd({ momentum: 0.9 })],
  ])(
    'a step that failed does not hinder %s, which moves whole tables',
    async (_name, optimizer) => {
      const runs = []
      for (const failing of [true, false]) {
        const layer = table()
        const net = compiled(layer, adam({ learningRate: 0.01 }))
        await net.fit(x, y, { batchSize: 8 })
        if (failing) await expect(net.fit([[5, words]], [1])).rejects.toThrow('expected ids from 0')
        net.compile({ optimizer: optimizer(), loss: 'mse' })
        const before = bitsOf(layer)
        await net.fit(x, y, { batchSize: 8 })
        expect(bitsOf(layer)).not.toBe(before)
        runs.push(bitsOf(layer))
        // The old optimizer's memory has nothing that refers to it.
        for (const { settle, usedRows } of net.parameters.parameters) {
          expect([settle, usedRows]).toEqual([null, null])
        }
      }
      expect(runs[0]).toBe(runs[1])
    },
  )

  it('fail with the weights of the step before where a gradient is not finite', async () => {
    const layer = table()
    const net = compiled(layer, adam({ learningRate: 0.01 }))
    await net.fit(x, y, { batchSize: 8 })
    const before = bitsOf(layer)
    await expect(net.fit([[5, 6]], [[3e38]])).rejects.toThrow(
      'the weights are those before this step',
    )
    expect(bitsOf(layer)).toBe(before)
  })
})
