/** The networks of docs/recipes.md, as they stand there: what they compute, and that they learn. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as refrain from '../src/index.ts'
import { truth } from '../src/kernels/backends.case.ts'
import { expectClose, Random } from '../src/kernels/kernels.case.ts'
import { expectGradients, weightsOf } from './harness.ts'

const text = readFileSync(new URL('../docs/recipes.md', import.meta.url), 'utf8')

/** Runs the code under a heading and gives what these of its names stand for. */
function recipe(title: string, ...names: string[]): Record<string, refrain.Model> {
  const section = text.slice(text.indexOf(`## ${title}`))
  const code = /```ts\n([\s\S]*?)```/.exec(section)![1]
  const body = code.replace(/import (\{[\s\S]*?\}) from 'refrain'/g, 'const $1 = refrain')
  return new Function('refrain', `${body}; return { ${names.join(', ')} }`)(refrain)
}

const random = new Random(2)
const floats = (...shape: number[]) => ({
  shape,
  data: Float32Array.from(random.uniform(shape.reduce((product, length) => product * length, 1))),
})
const { adam, add, lstm } = refrain

/** Fits y, and returns the loss of the first epoch and of the last. */
async function losses(net: refrain.Model, x: unknown, y: unknown, epochs = 60, loss = 'mse') {
  net.compile({ optimizer: adam({ learningRate: 0.02 }), loss: loss as 'mse' })
  const { history } = await net.fit(x as never, y as never, { epochs, batchSize: 4 })
  return [history.loss[0], history.loss.at(-1)!]
}

describe('residual recurrence', () => {
  const { net } = recipe('Residual recurrence', 'net')
  net.build([null, null, 3])
  const [rows, steps] = [2, 5]
  const x = floats(rows, steps, 3)

  it('each layer adds to what it was given', async () => {
    const [first, ...others] = net.layers.filter(({ kind }) => kind === 'lstm')
    /** What a layer of the net makes of a value, by itself. */
    const alone = async (layer: refrain.Layer, value: { shape: number[]; data: Float32Array }) => {
      const only = refrain.input({ shape: [null, value.shape[2]] })
      const outputs = (layer as ReturnType<typeof lstm>).apply(only) as refrain.SymbolicTensor
      const y = await refrain.model({ inputs: only, outputs }).predict(value)
      return { shape: [...y.shape], data: (await y.data()) as Float32Array }
    }
    let y = await alone(first, x)
    for (const layer of others) {
      const { data } = await alone(layer, y)
      y = { shape: y.shape, data: y.data.map((value, i) => value + data[i]) }
    }
    const [kernel, bias] = net.layers.at(-1)!.getWeights()
    const expected = Array.from({ length: rows * steps }, (_, row) =>
      Array.from(kernel.data).reduce((sum, w, i) => sum + w * y.data[row * 8 + i], bias.data[0]),
    )
    const found = (await ((await net.predict(x)) as refrain.Tensor).data()) as Float32Array
    expectClose(found, expected, { relative: 1e-5, absolute: 1e-6 })
  })

  it('streams as a plain stack does', async () => {
    const whole = (await ((await net.predict(x)) as refrain.Tensor).data()) as Float32Array
    const state = net.initialState(rows)
    for (let t = 0; t < steps; t++) {
      const now = [0, 1].flatMap((row) => [...x.data.subarray(...at(row * steps + t))])
      const { y } = net.step(now, state)
      expectClose(y, [whole[t], whole[steps + t]], { relative: 1e-5, absolute: 1e-6 })
    }
  })
  const at = (step: number) => [3 * step, 3 * step + 3] as const

  it('gradients go through both terms, with masks', () => {
    const layers = [0, 1].map(() => lstm({ units: 2, returnSequences: true }))
    const input = { ...floats(2, 3, 2), mask: [1, 1, 1, 1, 1, 0] }
    const sum = add()
    expectGradients({
      inputs: [input],
      weights: weightsOf(truth, layers, input.shape),
      compute: (ctx, [x]) =>
        layers.reduce(([y], layer) => sum.call(ctx, [y, ...layer.call(ctx, [y])]), [x]),
    })
  })
})

it('attention over a sequence', async () => {
  const { net, weights } = recipe('Attention over a sequence', 'net', 'weights')
  const x = floats(8, 5, 3)
  const labels = Array.from({ length: 8 }, (_, row) => [row % 2])
  const [before, after] = await losses(net, x, labels)
  expect(after).toBeLessThan(before / 3)
  expect(((await weights.predict(x)) as refrain.Tensor).shape).toEqual([8, 5, 5])
})

it('encoder and decoder learn to turn sentences round', async () => {
  const { net } = recipe('Encoder and decoder', 'net')
  const sentences = Array.from({ length: 8 }, (_, row) =>
    Array.from({ length: 2 + (row % 3) }, (_, t) => 2 + ((3 * row + 5 * t) % 8)),
  )
  const turned = sentences.map((sentence) => sentence.toReversed())
  const late = turned.map((sentence) => [1, ...sentence.slice(0, -1)])
  const pad = (rows: number[][]) => rows.map((row) => [...row, 0, 0, 0, 0].slice(0, 4))
  const next = pad(turned)
  const [before, after] = await losses(
    net,
    [pad(sentences), pad(late)],
    next,
    80,
    'sparseCategoricalCrossentropy',
  )
  expect(after).toBeLessThan(before / 3)
})

it('sequences of images', async () => {
  const nets = Object.values(recipe('Sequences of images', 'apart', 'together'))
  const x = floats(8, 3, 8, 8, 1)
  const labels = Array.from({ length: 8 }, (_, row) => [row % 2])
  for (let i = 0; i < x.data.length; i++) x.data[i] += labels[Math.floor(i / 192)][0]
  for (const net of nets) {
    const [before, after] = await losses(net, x, labels, 40)
    expect(after).toBeLessThan(before / 3)
  }
})
