/** Models of several inputs and outputs: whole trainings by Keras, names, ragged data, checkpoints. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { camel } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, type Tolerance } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import {
  add,
  concatenate,
  crf,
  dense,
  globalAveragePooling1d,
  input,
  layerNormalization,
  lstm,
  permute,
  reshape,
} from '../layers/index.ts'
import { checkpoint, earlyStopping } from '../train/callbacks.ts'
import { ctc } from '../train/ctc-loss.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { model } from './functional.ts'
import { loadRefrain } from './load.ts'
import { sequential } from './sequential.ts'
import type { CompileOptions } from './training.ts'

const fixture = loadFixture('keras/outputs.json')
const near: Tolerance = { relative: 2e-5, ofLargest: 2e-5 }

/** The fixture's model: inputs a and b, outputs tags (a class a step) and score. */
function twoOutputs(backend: Backend = truth, steps: number | null = 4) {
  const a = input({ shape: [steps, 2], name: 'a' })
  const b = input({ shape: [2], name: 'b' })
  const shared = dense({ units: 3, activation: 'tanh', name: 'both' })
  const h = lstm({ units: 3, returnSequences: true, name: 'rec' }).apply(a)
  const twice = concatenate({ name: 'twice' }).apply([b, b])
  const long = reshape({ targetShape: [1, 4], name: 'long' }).apply(twice)
  const turned = permute({ dims: [2, 1], name: 'turn' }).apply(long)
  const two = steps === null ? h : concatenate({ name: 'two' }).apply([h, turned])
  const seen = shared.apply(two)
  const tags = dense({ units: 3, activation: 'softmax', name: 'tags' }).apply(seen)
  const mean = globalAveragePooling1d({ name: 'mean' }).apply(seen)
  const end = concatenate({ name: 'end' }).apply([mean, b])
  const score = dense({ units: 1, name: 'score' }).apply(end)
  return model({ inputs: [a, b], outputs: [tags, score], backend, seed: 5 })
}

/** Keras's names in camel case, those of options alone: outputs keep theirs. */
function camelLosses(given: unknown): never {
  if (typeof given === 'string') return camel(given) as never
  if (Array.isArray(given)) return given.map(camelLosses) as never
  return Object.fromEntries(
    Object.entries(given as object).map(([name, loss]) => [name, camelLosses(loss)]),
  ) as never
}

async function checkCase(backend: Backend, { arrays, options }: FixtureCase) {
  const net = twoOutputs(backend).build()
  for (const layer of net.layers) {
    layer.setWeights(layer.parameters.map((p) => arrays[`initial/${layer.name}/${p.name}`]))
  }
  net.compile({
    optimizer: adam({ learningRate: 0.02 }),
    loss: camelLosses(options.loss),
    ...(options.lossWeights ? { lossWeights: options.lossWeights as never } : {}),
    ...(options.metrics ? { metrics: options.metrics as never } : {}),
  })
  const { a, b, tags, score, tagsWeight, scoreWeight } = arrays
  const { history } = await net.fit([a, b], [tags, score], {
    epochs: 4,
    batchSize: 4,
    shuffle: false,
    validationSplit: 0.3,
    ...(tagsWeight ? { sampleWeight: [tagsWeight, scoreWeight] } : {}),
  })
  const ours = (name: string) =>
    name.replace('val_loss', 'valLoss').replace(/mae$/, 'meanAbsoluteError')
  const expected = Object.keys(arrays).filter((key) => key.startsWith('history/'))
  expect(Object.keys(history).sort()).toEqual(expected.map((key) => ours(key.slice(8))).sort())
  for (const key of expected) {
    expectClose(history[ours(key.slice(8))], arrays[key].data, near, key)
  }
  for (const layer of net.layers) {
    for (const { name, data } of layer.getWeights()) {
      expectClose(data, arrays[`final/${layer.name}/${name}`].data, near, `${layer.name}/${name}`)
    }
  }
  const predicted = await net.predict({ b, a })
  for (const [i, tensor] of predicted.entries()) {
    const wanted = arrays[`prediction${i}`]
    expect(tensor.shape).toEqual(wanted.shape)
    expectClose(await tensor.data(), wanted.data, near, `prediction ${i}`)
  }
}

describe(`whole trainings by ${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  describe('reference float64', () => {
    for (const test of fixture.cases) it(test.name, () => checkCase(truth, test))
  })
  eachBackend((backend) => {
    for (const test of fixture.cases) it(test.name, () => checkCase(backend, test))
  })
})

const rows = 12
const length = (i: number) => 1 + ((i * 5) % 7)
const a = Array.from({ length: rows }, (_, i) =>
  Array.from({ length: length(i) }, (_, t) => [Math.sin(i + t), Math.cos(2 * i - t)]),
)
const b = a.map((_, i) => [i / rows, (i % 3) - 1])
const tags = a.map((row) => row.map(([x]) => (x > 0.3 ? 2 : x > -0.3 ? 1 : 0)))
const score = b.map(([x, y]) => [x - y])
const losses = ['sparseCategoricalCrossentropy', 'mse'] as const
const compileOptions: CompileOptions = { loss: losses, metrics: { tags: ['accuracy'] } }

async function trained(options: CompileOptions, x: unknown, y: unknown, fit = {}) {
  const net = twoOutputs(truth, null)
  net.compile({ optimizer: adam({ learningRate: 0.05 }), ...options })
  const given = { epochs: 3, batchSize: 4, ...fit }
  const { history } = await net.fit(x as never, y as never, given)
  return { net, history, weights: net.parameters.values.values.slice() }
}

describe('ragged data', () => {
  it('trains, validates and predicts; padding changes nothing', async () => {
    const { net, history } = await trained(compileOptions, [a, b], [tags, score], {
      epochs: 30,
      validationData: { x: { a, b }, y: { tags, score } },
    })
    expect(Object.keys(history)).toEqual([
      ...['loss', 'tags_loss', 'score_loss', 'tags_accuracy'],
      ...['valLoss', 'val_tags_loss', 'val_score_loss', 'val_tags_accuracy'],
    ])
    expect(history.loss.at(-1)).toBeLessThan(history.loss[0] / 2)
    const [byStep, byRow] = await net.predict([a, b])
    expect([byStep.shape, byRow.shape]).toEqual([
      [rows, 7, 3],
      [rows, 1],
    ])
    for (const row of [0, 5, 9]) {
      const [alone, one] = await net.predict([[a[row]], [b[row]]])
      const n = length(row) * 3
      const together = (await byStep.data()).slice(row * 21, row * 21 + 21)
      expectClose(together.slice(0, n), await alone.data(), near)
      expect([...together.slice(n)]).toEqual(new Array(21 - n).fill(0))
      expectClose((await byRow.data()).slice(row, row + 1), await one.data(), near)
    }
    const logs = await net.evaluate({ b, a }, [tags, score], { batchSize: 12 })
    expect(logs.loss).toBeCloseTo(logs.tags_loss + logs.score_loss, 12)
  })
})

it('the graph of docs/models.md trains on ragged frames', async () => {
  const frames = input({ shape: [null, 2], name: 'frames' })
  const speaker = input({ shape: [2], name: 'speaker' })
  const h = dense({ units: 4 }).apply(frames)
  const r = lstm({ units: 4, returnSequences: true }).apply(h)
  const residual = layerNormalization().apply(add().apply([h, r]))
  const end = concatenate().apply([lstm({ units: 4 }).apply(residual), speaker])
  const phones = dense({ units: 3, activation: 'softmax', name: 'phones' }).apply(residual)
  const mood = dense({ units: 1, activation: 'sigmoid', name: 'mood' }).apply(end)
  const net = model({ inputs: [frames, speaker], outputs: [phones, mood], backend: truth, seed: 1 })
  net.compile({
    optimizer: adam({ learningRate: 0.03 }),
    loss: { phones: 'sparseCategoricalCrossentropy', mood: 'binaryCrossentropy' },
    lossWeights: { phones: 1, mood: 0.2 },
    metrics: { phones: ['accuracy'] },
  })
  const moods = b.map(([x]) => [x > 0.5 ? 1 : 0])
  const { history } = await net.fit([a, b], { phones: tags, mood: moods }, { epochs: 60 })
  expect(history.phones_accuracy.at(-1)).toBeGreaterThan(0.9)
  expect(history.mood_loss.at(-1)).toBeLessThan(0.2)
  expect(history.loss[9]).toBeCloseTo(history.phones_loss[9] + 0.2 * history.mood_loss[9], 12)
})

describe('names and lists', () => {
  it('say the same', async () => {
    const lossWeights = [0.5, 2]
    const list = await trained({ ...compileOptions, lossWeights }, [a, b], [tags, score])
    const named = await trained(
      {
        loss: { score: losses[1], tags: losses[0] },
        lossWeights: { score: 2, tags: 0.5 },
        metrics: [['accuracy'], null],
      },
      { b, a },
      { score, tags },
    )
    expect(named).toMatchObject({ history: list.history, weights: list.weights })
    const { loss, tags_loss, score_loss } = list.history
    expect(loss[2]).toBeCloseTo(0.5 * tags_loss[2] + 2 * score_loss[2], 12)
  })

  it('one loss and one array of weights serve all outputs', async () => {
    const x = input({ shape: [2], name: 'x' })
    const outputs = ['left', 'right'].map((name) => dense({ units: 1, name }).apply(x))
    const make = async (loss: CompileOptions['loss'], sampleWeight: unknown) => {
      const net = model({ inputs: x, outputs, backend: truth })
      net.compile({ loss })
      return net.evaluate(b, [score, score], { sampleWeight: sampleWeight as never })
    }
    const weights = b.map((_, i) => i / 5)
    const one = await make('mse', weights)
    expect(await make(['mse', 'mse'], [weights, weights])).toEqual(one)
    expect(await make({ left: 'mse', right: 'mse' }, { left: weights, right: weights })).toEqual(
      one,
    )
    expect(await make('mse', { left: weights })).not.toEqual(one)
  })

  it('an output without a loss is not trained, nor has numbers', async () => {
    const both = await trained(
      { loss: [null, 'mse'], metrics: [null, ['mae']] },
      [a, b],
      { score },
      { validationSplit: 0.25 },
    )
    expect(Object.keys(both.history)).toEqual([
      ...['loss', 'score_meanAbsoluteError', 'valLoss', 'val_score_meanAbsoluteError'],
    ])
    const list = await trained({ loss: { score: 'mse' } }, [a, b], [null, score], {
      validationSplit: 0.25,
    })
    expect(list.weights).toEqual(both.weights)
  })

  it('a tensor that is two outputs has the sum of two gradients', async () => {
    const x = input({ shape: [2] })
    const train = async (outputs: number, loss: CompileOptions['loss']) => {
      const h = dense({ units: 1, name: 'h' }).apply(x)
      const all = Array.from({ length: outputs }, () => h)
      const net = model({ inputs: x, outputs: all, backend: truth })
      expect(net.outputNames).toEqual(['h', 'h_1'].slice(0, outputs))
      net.compile({ loss, lossWeights: outputs === 1 ? [2] : [1, 1], optimizer: 'sgd' })
      await net.fit(b, outputs === 1 ? score : [score, score], { epochs: 2 })
      return net.parameters.values.values.slice()
    }
    expectClose(await train(2, 'mse'), await train(1, 'mse'), { relative: 1e-12 })
  })

  it.each([
    ['mse', () => dense({ units: 3 }), a.map((row) => row.map(([x]) => [x, 1, 0]))],
    ['sparseCategoricalCrossentropy', () => dense({ units: 3, activation: 'softmax' }), tags],
    ['crf', () => crf(), tags],
    ['ctc', () => dense({ units: 3 }), a.map((_, i) => (length(i) > 3 ? [1, 2] : [1]))],
  ] as const)('the weight of %s is a factor of the gradient', async (name, last, y) => {
    const train = async (weight: number, learningRate: number) => {
      const loss = name === 'ctc' ? ctc() : name
      const layers = [lstm({ units: 3, returnSequences: true }), last()]
      const net = sequential(layers, { backend: truth, seed: 2 })
      net.compile({ loss, lossWeights: [weight], optimizer: sgd({ learningRate }) })
      const { history } = await net.fit(a, y as never, { epochs: 2, seed: 1 })
      return { weights: net.parameters.values.values, history }
    }
    const [one, three] = [await train(1, 0.3), await train(3, 0.1)]
    expectClose(three.weights, one.weights, { relative: 1e-9, absolute: 1e-12 })
    expectClose(
      three.history.loss,
      one.history.loss.map((value) => 3 * value),
      { relative: 1e-9 },
    )
  })

  it('of inputs without names are numbered', async () => {
    const inputs = [2, 3].map((n) => input({ shape: [n] }))
    const net = model({ inputs, outputs: concatenate().apply(inputs), backend: truth })
    expect(net.inputNames).toEqual(['input', 'input_1'])
    const y = await net.predict({ input_1: [[3, 4, 5]], input: [[1, 2]] })
    expect([...(await y.data())]).toEqual([1, 2, 3, 4, 5])
  })

  it('stop early by the number of one output', async () => {
    const { history } = await trained(compileOptions, [a, b], [tags, score], {
      epochs: 50,
      validationSplit: 0.25,
      callbacks: [earlyStopping({ monitor: 'val_score_loss', minDelta: 10 })],
    })
    expect(history.loss.length).toBe(2)
  })
})

describe('files', () => {
  it('keep losses, weights and metrics; checkpoints go on to the same bits', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'refrain-')), 'two.refrain')
    const options: CompileOptions = { ...compileOptions, lossWeights: { tags: 0.5, score: 2 } }
    const whole = await trained(options, [a, b], [tags, score], { epochs: 4 })
    await trained(options, [a, b], [tags, score], {
      epochs: 4,
      callbacks: [
        checkpoint({ path, everySteps: 5 }),
        {
          name: 'stop',
          onStepEnd: (run: { iteration: number; stop(why: string): void }) => {
            if (run.iteration === 5) run.stop('enough')
          },
        },
      ],
    })
    const resumed = await trained(options, [a, b], [tags, score], { epochs: 4, resume: path })
    expect(resumed).toMatchObject({ history: whole.history, weights: whole.weights })
    await whole.net.save(path)
    const loaded = await loadRefrain(path, { backend: truth })
    expect(loaded.compiled!.outputs).toEqual(whole.net.compiled!.outputs)
    expect(await loaded.evaluate([a, b], { tags, score })).toEqual(
      await whole.net.evaluate([a, b], [tags, score]),
    )
  })
})

describe('errors', () => {
  const net = () => {
    const made = twoOutputs(truth, null)
    made.compile({ loss: losses })
    return made
  }
  const compile = (options: unknown) => () => twoOutputs(truth).compile(options as never)
  const fitting = (x: unknown, y: unknown, options = {}) =>
    net().fit(x as never, y as never, options)
  it.each([
    [compile({ loss: ['mse'] }), "compile 'loss': expected 2 (tags, score), got 1"],
    [
      compile({ loss: { tags: 'mse', scores: 'mse' } }),
      "compile 'loss': unknown option 'scores'; did you mean 'score'?",
    ],
    [compile({ loss: [null, null] }), "compile 'loss': expected a loss, got none"],
    [
      compile({ loss: 'mse', lossWeights: [1, 'a'] }),
      "compile 'lossWeights' of 'score': expected a finite number, got 'a'",
    ],
    [
      compile({ loss: 'mse', lossWeights: 2 }),
      "compile 'lossWeights': expected a list or an object by name, got 2",
    ],
    [
      compile({ loss: 'mse', metrics: ['mae'] }),
      "compile 'metrics', a list for each output: expected 2 (tags, score), got 1",
    ],
    [
      compile({ loss: { score: 'mse' }, metrics: { tags: 'mae' } }),
      "compile 'metrics': the output 'tags' has no loss, so it has no targets to measure by",
    ],
  ])('compile %#', (call, text) => {
    expect(call).toThrow(text)
  })

  it.each([
    [[a, b], [tags], "fit 'y': expected an array of 2 (tags, score) or an object by name, got […]"],
    [[a, b], { tags }, "fit 'y': expected targets for 'score'"],
    [[a, b], { tags, skore: score }, "fit 'y': unknown option 'skore'; did you mean 'score'?"],
    [{ a }, [tags, score], "fit 'x': expected data for 'b'"],
    [[a, b.slice(1)], [tags, score], "fit 'x' 'b': expected 12 rows, got 11"],
    [[a, b], [tags, score.slice(1)], "fit 'y' 'score': expected 12 rows, got 11"],
    [
      [a, b],
      [tags.map((row) => row.map(() => 3)), score],
      "fit 'y' 'tags': expected class numbers from 0 to 2, got 3 in row 0",
    ],
  ])('fit %#', async (x, y, text) => {
    await expect(fitting(x, y)).rejects.toThrow(text.replace('[…]', ''))
  })

  it('class weights are for one output', async () => {
    await expect(fitting([a, b], [tags, score], { classWeight: { 1: 2 } })).rejects.toThrow(
      "fit 'classWeight': it is for one output, the model has 2; give sampleWeight, by output",
    )
  })
})
