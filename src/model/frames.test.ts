/** Models of sequences of images, and with attention: trained, saved, streamed. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import {
  attention,
  type Conv1dOptions,
  conv1d,
  conv2d,
  convLstm2d,
  dense,
  flatten,
  globalAveragePooling1d,
  globalMaxPooling2d,
  input,
  type Layer,
  lstm,
  luongAttention,
  maxPooling1d,
  maxPooling2d,
  timeDistributed,
} from '../layers/index.ts'
import { maxNorm } from '../tensor/constraints.ts'
import { l1, l2 } from '../tensor/regularizers.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { model } from './functional.ts'
import { gradientFlow } from './gradient-flow.ts'
import { loadRefrain } from './load.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'

const [rows, steps, side] = [24, 4, 6]

/** A bright bar that wanders to the left (0) or to the right (1), in noise: [rows, steps, side, side, 1]. */
function films() {
  const random = new Random(7)
  const data = Float32Array.from(random.uniform(rows * steps * side * side, 0, 0.2))
  const labels = Array.from({ length: rows }, (_, row) => row % 2)
  labels.forEach((label, row) => {
    for (let t = 0; t < steps; t++) {
      const column = label ? 1 + t : side - 2 - t
      for (let y = 0; y < side; y++) data[((row * steps + t) * side + y) * side + column] += 1
    }
  })
  return { x: { shape: [rows, steps, side, side, 1], data }, y: labels.map((label) => [label]) }
}

/** Trains until the labels are learned; then the model comes back from its file. */
async function learns(net: Model, { x, y }: { x: unknown; y: number[][] }, epochs: number) {
  net.compile({
    optimizer: adam({ learningRate: 0.02 }),
    loss: 'binaryCrossentropy',
    metrics: ['accuracy'],
  })
  const history = await net.fit(x as never, y, { epochs, batchSize: 8 })
  expect(history.history.accuracy.at(-1)).toBe(1)
  const path = join(await mkdtemp(join(tmpdir(), 'refrain-')), 'net.refrain')
  await net.save(path)
  const again = await loadRefrain(path)
  const [before, after] = [await net.predict(x as never), await again.predict(x as never)]
  expect(after).toEqual(before)
}

const output = () => dense({ units: 1, activation: 'sigmoid' })

describe('sequences of images', () => {
  const each = (layer: Layer) => timeDistributed(layer)
  const models: Record<string, () => Layer[]> = {
    'convolutions of each image, then an LSTM': () => [
      each(conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' })),
      each(maxPooling2d()),
      each(flatten()),
      lstm({ units: 8 }),
      output(),
    ],
    'a convolutional LSTM': () => [
      convLstm2d({ filters: 3, kernelSize: 3, padding: 'same' }),
      flatten(),
      output(),
    ],
  }
  it.each(Object.entries(models))('%s learns', async (_name, layers) => {
    await learns(sequential(layers() as never, { seed: 3 }), films(), 12)
  })

  it('step by step, a stream gives what the whole sequence gives', async () => {
    const { x } = films()
    const net = sequential(
      [
        each(conv2d({ filters: 2, kernelSize: 3 })),
        convLstm2d({ filters: 2, kernelSize: 2, returnSequences: true }),
        each(globalMaxPooling2d()),
        lstm({ units: 3, returnSequences: true }),
      ],
      { seed: 5 },
    ).build([null, null, side, side, 1])
    const whole = (await (await net.predict(x)).data()) as Float32Array
    const size = side * side
    const state = net.initialState(rows)
    for (let t = 0; t < steps; t++) {
      const frames = new Float32Array(rows * size)
      for (let row = 0; row < rows; row++) {
        const first = (row * steps + t) * size
        frames.set(x.data.subarray(first, first + size), row * size)
      }
      const { y } = net.step(frames, state)
      const expected = Array.from(
        { length: rows * 3 },
        (_, i) => whole[(Math.floor(i / 3) * steps + t) * 3 + (i % 3)],
      )
      expectClose(y, expected, { relative: 1e-5, absolute: 1e-6 }, `step ${t}`)
    }
  })
})

it('gradientFlow sees the steps of a convolutional LSTM', async () => {
  const { x } = films()
  const layers = [convLstm2d({ filters: 2, kernelSize: 3 }), flatten()]
  const net = sequential(layers as never, { seed: 3 }).build([null, steps, side, side, 1])
  net.compile({ loss: 'mse' })
  const output = (await (await net.predict(x)).data()) as Float32Array
  const zeros = { shape: [rows, output.length / rows], data: new Float32Array(output.length) }
  const [flow] = (await gradientFlow(net, x, zeros)).layers
  expect([flow.h.length, flow.c?.length]).toEqual([steps, steps])
  // The loss is the mean of the last h², so its gradient there is 2 h / N.
  expect(flow.h[steps - 1]).toBeCloseTo((2 * Math.hypot(...output)) / output.length, 6)
  expect(flow.h[0]).toBeGreaterThan(0)
})

it('what looks along the whole sequence takes no single steps', () => {
  const net = sequential([conv1d({ filters: 1, kernelSize: 2, name: 'look' })]).build([
    null,
    null,
    1,
  ])
  expect(() => net.step([1])).toThrow(/look.*it needs the whole sequence/)
})

it('regularizers and constraints count for convolutions', async () => {
  const [rows, filters] = [3, 2]
  const random = new Random(4)
  const x = { shape: [rows, 4, 2], data: Float32Array.from(random.uniform(rows * 8)) }
  const y = { shape: [rows, 3, filters], data: new Float32Array(rows * 3 * filters) }
  const make = (rules: Partial<Conv1dOptions>) => {
    const net = sequential([conv1d({ filters, kernelSize: 2, ...rules })], { seed: 3 })
    net.build([null, 4, 2]).compile({ optimizer: sgd({ learningRate: 0.1 }), loss: 'mse' })
    return net
  }
  const plain = make({})
  const ruled = make({
    kernelRegularizer: l2({ l2: 0.1 }),
    activityRegularizer: l1({ l1: 0.2 }),
    kernelConstraint: maxNorm({ maxValue: 0.3, axis: [0, 1] }),
  })
  const kernel = plain.layers[0].getWeights()[0].data as Float32Array
  const output = (await (await plain.predict(x)).data()) as Float32Array
  const weights = kernel.reduce((sum, w) => sum + 0.1 * w * w, 0)
  const activity = output.reduce((sum, v) => sum + (0.2 * Math.abs(v)) / rows, 0)
  const [without, within] = [await plain.evaluate(x, y), await ruled.evaluate(x, y)]
  expect(within.loss - without.loss).toBeCloseTo(weights + activity, 5)
  await ruled.fit(x, y, { epochs: 1 })
  const after = ruled.layers[0].getWeights()[0].data
  for (let f = 0; f < filters; f++) {
    const norm = Math.hypot(...[0, 1, 2, 3].map((i) => after[i * filters + f]))
    expect(norm).toBeLessThan(0.3001)
  }
})

describe('attention over a sequence', () => {
  /** Where, among zeros, is the 1? Its neighbour's second number is the label. */
  function sequences() {
    const random = new Random(9)
    const places = random.integers(rows, 6)
    const data = new Float32Array(rows * 8 * 2)
    const y = Array.from({ length: rows }, (_, row) => [row % 2])
    y.forEach(([label], row) => {
      data[(row * 8 + places[row]) * 2] = 1
      data[(row * 8 + places[row]) * 2 + 1] = label ? 1 : -1
    })
    return { x: { shape: [rows, 8, 2], data }, y }
  }

  it('of an LSTM learns, and shows its weights', async () => {
    const x = input({ shape: [null, 2] })
    const seen = lstm({ units: 6, returnSequences: true }).apply(x)
    const { output: context, scores } = attention({
      useScale: true,
      returnAttentionScores: true,
    }).apply([seen, seen])
    const y = output().apply(globalAveragePooling1d().apply(context))
    const net = model({ inputs: x, outputs: y, seed: 3 })
    const data = sequences()
    await learns(net, data, 30)
    const [weights] = [await model({ inputs: x, outputs: scores }).predict(data.x)]
    expect(weights.shape).toEqual([rows, 8, 8])
    const values = (await weights.data()) as Float32Array
    for (let row = 0; row < rows * 8; row++) {
      const sum = values.subarray(row * 8, row * 8 + 8).reduce((a, b) => a + b)
      expect(sum).toBeCloseTo(1, 5)
    }
  })

  it('of convolutions learns', async () => {
    const x = input({ shape: [8, 2] })
    const seen = conv1d({ filters: 6, kernelSize: 3, padding: 'causal', activation: 'tanh' }).apply(
      x,
    )
    const pooled = maxPooling1d().apply(seen)
    const context = luongAttention({ score: 'concat' }).apply([pooled, seen])
    const y = output().apply(flatten().apply(context))
    await learns(model({ inputs: x, outputs: y, seed: 3 }), sequences(), 30)
  })
})
