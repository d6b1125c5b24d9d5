/** Operators as other programs write them, in graphs made here: ONNX Runtime (web build 1.30) beside what is read. */
import { describe, expect, it } from 'vitest'
import type { AnyModel } from '../../model/file.ts'
import { type AttributeValue, type Dimension, GraphBuilder } from './builder.ts'
import { encodeModel } from './proto.ts'
import { readOnnx } from './read.ts'
import { expectEqual, type Given, numbers, predicted, run, session } from './runtime.case.ts'

/** A graph with inputs [T,B,3] unless said otherwise. */
class Graph extends GraphBuilder {
  #seed = 1

  weights(...dims: number[]): string {
    return this.floats('w', dims, numbers(dims, this.#seed++).data as Float32Array)
  }

  /** An LSTM of 4 units on x of `width` features. */
  lstm(
    x: string,
    attributes: Record<string, AttributeValue> = {},
    { width = 3, sides = 1, peepholes = false, states = ['', ''], lengths = '' } = {},
  ): string[] {
    const inputs = [
      x,
      this.weights(sides, 16, width),
      this.weights(sides, 16, 4),
      this.weights(sides, 32),
      lengths,
      ...states,
      ...(peepholes ? [this.weights(sides, 12)] : []),
    ]
    return this.nodes('LSTM', inputs, 3, { hidden_size: 4, ...attributes })
  }

  /** A value as an output, of any shape. */
  show(name: string, value: string): void {
    this.output(name, value, [])
  }

  bytes(opset = 14): Promise<Uint8Array> {
    const graph = this.finish('made') as { output: { name: string }[] }
    const output = graph.output.map(({ name }) => ({ name, type: { tensorType: { elemType: 1 } } }))
    return encodeModel({
      irVersion: 8,
      opsetImport: [{ domain: '', version: opset }],
      graph: { ...graph, output },
    })
  }
}

const any: Dimension[] = ['t', 'b', 3]

/** [T,B,…] as [B,T,…]. */
function turned({
  shape: [a, b, ...rest],
  data,
}: {
  shape: readonly number[]
  data: ArrayLike<unknown>
}): Given {
  const inner = rest.reduce((all, length) => all * length, 1)
  const out = Float32Array.from(data as ArrayLike<number>, (_, i) => {
    const [y, x] = [Math.floor(i / (a * inner)), Math.floor(i / inner) % a]
    return data[(x * b + y) * inner + (i % inner)] as number
  })
  return { shape: [b, a, ...rest], data: out }
}

/** Compares; `turn` says which inputs and outputs have time before the batch. */
async function same(
  graph: Graph,
  inputs: Given[],
  turn: { inputs?: boolean[]; outputs?: boolean[] } = {},
  opset = 14,
): Promise<AnyModel> {
  const bytes = await graph.bytes(opset)
  const open = await session(bytes)
  const expected = await run(open, inputs)
  const model = (await readOnnx(bytes, 'x.onnx', {})) as AnyModel
  const given = inputs.map((one, i) => ((turn.inputs?.[i] ?? true) ? turned(one) : one))
  const found = await predicted(model, given.slice(0, model.inputNames.length))
  for (const [i, { dims, data }] of expected.entries()) {
    const one = { shape: [...dims], data: data as Float32Array }
    const { shape, data: values } = found[i]
    expectEqual({ dims: shape, data: values }, turn.outputs?.[i] ? turned(one) : one, `output ${i}`)
  }
  return model
}

const x = numbers([5, 2, 3])

describe('recurrent operators', () => {
  it.each([
    [{}, {}],
    [{ clip: { float: 0.4 }, input_forget: 1 }, {}],
    [{}, { peepholes: true }],
    [
      {
        activations: ['HardSigmoid', 'LeakyRelu', 'LeakyRelu'],
        activation_alpha: { floats: [0.2, 0.2, 0.2] },
        activation_beta: { floats: [0.5] },
      },
      {},
    ],
  ])('LSTM %j %j', async (attributes, more) => {
    const g = new Graph()
    const [y, , c] = g.lstm(g.input('x', 'float', any), attributes, more)
    g.show('y', g.node('Squeeze', [y, g.ints([1])]))
    g.show('c', g.node('Squeeze', [c, g.ints([0])]))
    await same(g, [x], { outputs: [true, false] })
  })

  it('backwards, its steps in the order of time', async () => {
    const g = new Graph()
    const [y, h] = g.lstm(g.input('x', 'float', any), { direction: 'reverse' })
    g.show('y', g.node('Squeeze', [y, g.ints([1])]))
    g.show('h', g.node('Squeeze', [h, g.ints([0])]))
    await same(g, [x], { outputs: [true, false] })
  })

  it('both directions with activations of their own, sides used by themselves', async () => {
    const g = new Graph()
    const activations = ['Sigmoid', 'Tanh', 'Tanh', 'Sigmoid', 'Softsign', 'Softsign']
    const options = { direction: 'bidirectional', activations }
    const [y, h, c] = g.lstm(g.input('x', 'float', any), options, { sides: 2 })
    const side = (value: string, axis: number, d: number) =>
      g.node('Squeeze', [
        g.node('Slice', [value, g.ints([d]), g.ints([d + 1]), g.ints([axis])]),
        g.ints([axis]),
      ])
    g.show('backward', side(y, 1, 1))
    g.show('last', side(h, 0, 0))
    g.show('cell', side(c, 0, 1))
    const turned = g.node('Transpose', [y], { perm: [2, 0, 1, 3] })
    g.show('both', g.node('Reshape', [turned, g.ints([0, 0, -1])]))
    await same(g, [x], { outputs: [true] })
  })

  it('a constant initial state is a learned one', async () => {
    const g = new Graph()
    const row = numbers([4], 9).data as Float32Array
    const h = g.floats('h', [1, 2, 4], Float32Array.of(...row, ...row))
    const [y] = g.lstm(g.input('x', 'float', any), {}, { states: [h, ''] })
    g.show('y', g.node('Squeeze', [y, g.ints([1])]))
    const model = await same(g, [x], { outputs: [true] })
    expect(model.layers[0].config.options.learnInitialState).toBe(true)
  })

  it('states and lengths that are inputs', async () => {
    const g = new Graph()
    const [given, h, c] = [
      g.input('x', 'float', any),
      g.input('h', 'float', [1, 'b', 4]),
      g.input('c', 'float', [1, 'b', 4]),
    ]
    const [, last] = g.lstm(given, {}, { states: [h, c] })
    g.show('h', g.node('Squeeze', [last, g.ints([0])]))
    const states = [numbers([1, 2, 4], 3), numbers([1, 2, 4], 4)]
    const model = (await readOnnx(await g.bytes(), 'x.onnx', {})) as AnyModel
    expect(model.graph!.inputs.map(({ shape }) => shape)).toEqual([
      [null, null, 3],
      [null, 4],
      [null, 4],
    ])
    const [expected] = await run(await session(await g.bytes()), [x, ...states])
    const flat = states.map(({ data }) => ({ shape: [2, 4], data }))
    const [found] = await predicted(model, [turned(x), ...flat])
    expectEqual(expected, found, 'h')
  })

  it('GRU and RNN with their attributes', async () => {
    for (const resetAfter of [0, 1]) {
      const g = new Graph()
      const given = g.input('x', 'float', any)
      const weights = [g.weights(2, 12, 3), g.weights(2, 12, 4), g.weights(2, 24)]
      const direction = 'bidirectional'
      const options = { hidden_size: 4, direction, linear_before_reset: resetAfter }
      const [, h] = g.nodes('GRU', [given, ...weights], 2, options)
      const both = g.node('Transpose', [h], { perm: [1, 0, 2] })
      g.show('h', g.node('Reshape', [both, g.ints([-1, 8])]))
      const rnn = [g.weights(1, 4, 3), g.weights(1, 4, 4), g.weights(1, 8)]
      const elu = { hidden_size: 4, activations: ['Elu'], activation_alpha: { floats: [1] } }
      const [steps] = g.nodes('RNN', [given, ...rnn], 2, elu)
      g.show('y', g.node('Squeeze', [steps, g.ints([1])]))
      await same(g, [x], { outputs: [false, true] })
    }
  })

  it.each([
    [{ activations: ['Sigmoid', 'Tanh', 'Relu'] }, /other activations for the candidate/],
    [{ activations: ['Sigmoid', 'ThresholdedRelu', 'Tanh'] }, /the activation ThresholdedRelu/],
    [{ direction: 'sideways' }, /LSTM '.*' has the direction sideways/],
    [{ hidden_size: 5 }, /has weights \[1,16,3\], not \[1,20,3\]/],
  ])('%j is refused', async (attributes, expected) => {
    const g = new Graph()
    const [y] = g.lstm(g.input('x', 'float', any), attributes as never)
    g.show('y', y)
    await expect(readOnnx(await g.bytes(), 'x.onnx', {})).rejects.toThrow(expected)
  })

  it('clip of a GRU, which Refrain has for LSTMs alone, is refused by its name', async () => {
    const g = new Graph()
    const weights = [g.weights(1, 12, 3), g.weights(1, 12, 4)]
    const given = [g.input('x', 'float', any), ...weights]
    g.show('y', g.nodes('GRU', given, 1, { hidden_size: 4, clip: { float: 1 } })[0])
    await expect(readOnnx(await g.bytes(), 'x.onnx', {})).rejects.toThrow(
      /GRU 'GRU' has the limit clip 1/,
    )
  })

  it('layout 1 has the batch in front', async () => {
    const [first, second] = await Promise.all(
      [0, 1].map(async (layout) => {
        const g = new Graph()
        const [y] = g.lstm(
          g.input('x', 'float', any),
          { layout, direction: 'bidirectional' },
          { sides: 2 },
        )
        const perm = layout === 0 ? [2, 0, 1, 3] : [0, 1, 2, 3]
        g.show('y', g.node('Reshape', [g.node('Transpose', [y], { perm }), g.ints([0, 0, 8])]))
        const model = (await readOnnx(await g.bytes(), 'x.onnx', {})) as AnyModel
        return predicted(model, [turned(x)])
      }),
    )
    expect(second).toEqual(first)
  })
})

describe('operators around them', () => {
  it('constants by which features are scaled', async () => {
    const g = new Graph()
    const given = g.input('x', 'float', any)
    const scaled = g.node('Mul', [g.node('Sub', [given, g.weights(3)]), g.weights(1, 1, 3)])
    const [y] = g.lstm(g.node('Div', [scaled, g.number(3)]))
    const steps = g.node('Squeeze', [y, g.ints([1])])
    g.show('y', g.node('Sub', [g.number(1), g.node('Add', [steps, g.weights(4)])]))
    await same(g, [x], { outputs: [true] })
  })

  it('the first and last steps, a range of steps, some features', async () => {
    const g = new Graph()
    const [y] = g.lstm(
      g.input('x', 'float', [5, 'b', 3]),
      { direction: 'bidirectional' },
      { sides: 2 },
    )
    const flat = g.node('Reshape', [
      g.node('Transpose', [y], { perm: [0, 2, 1, 3] }),
      g.ints([0, 0, 8]),
    ])
    const cut = (axis: number, from: number, to: number) =>
      g.node('Slice', [flat, ...[[from], [to], [axis]].map((v) => g.ints(v))])
    g.show('first', g.node('Squeeze', [cut(0, 0, 1), g.ints([0])]))
    g.show('last', g.node('Squeeze', [cut(0, -1, 9), g.ints([0])]))
    g.show('middle', cut(0, 1, -1))
    g.show('features', cut(2, 2, 5))
    await same(g, [x], { outputs: [false, false, true, true] })
  })

  it('the first and last steps of a sequence of open length', async () => {
    const g = new Graph()
    const [y] = g.lstm(g.input('x', 'float', any), { direction: 'bidirectional' }, { sides: 2 })
    const flat = g.node('Reshape', [
      g.node('Transpose', [y], { perm: [0, 2, 1, 3] }),
      g.ints([0, 0, 8]),
    ])
    g.show('last', g.node('Gather', [flat, g.ints([-1])], { axis: 0 }))
    g.show('first', g.node('Gather', [flat, g.ints([0])], { axis: 0 }))
    const model = (await readOnnx(await g.bytes(), 'x.onnx', {})) as AnyModel
    const [last, first] = await run(await session(await g.bytes()), [x])
    const found = await predicted(model, [turned(x)])
    expectEqual({ dims: [2, 8], data: last.data as Float32Array }, found[0], 'last')
    expectEqual({ dims: [2, 8], data: first.data as Float32Array }, found[1], 'first')
  })

  it('a batch of one, which shapes name by its number', async () => {
    const g = new Graph()
    const [, h] = g.lstm(g.input('x', 'float', [5, 1, 3]))
    const row = g.node('Reshape', [h, g.ints([1, -1])])
    g.show('y', g.node('Reshape', [g.node('Gemm', [row, g.weights(4, 6)]), g.ints([1, 3, 2])]))
    const model = await same(g, [numbers([5, 1, 3])])
    const [{ shape }] = await predicted(model, [numbers([3, 5, 3])])
    expect(shape).toEqual([3, 3, 2])
  })

  it('a loop over steps that was unrolled', async () => {
    const g = new Graph()
    const [y] = g.lstm(g.input('x', 'float', [5, 'b', 3]))
    const steps = g.node('Squeeze', [y, g.ints([1])])
    const [kernel, bias] = [g.weights(4, 2), g.weights(2)]
    const each = Array.from({ length: 5 }, (_, t) => {
      const step = g.node('Squeeze', [
        g.node('Slice', [steps, ...[[t], [t + 1], [0]].map((v) => g.ints(v))]),
        g.ints([0]),
      ])
      const sums = g.node('Add', [g.node('MatMul', [step, kernel]), bias])
      return g.node('Unsqueeze', [g.node('Tanh', [sums]), g.ints([1])])
    })
    g.show('y', g.node('Concat', each, { axis: 1 }))
    const model = await same(g, [x])
    expect(model.layers.map(({ kind }) => kind)).toEqual(['lstm', 'dense'])
  })
})
