/** Lambda layers, and the operations that they and cells use, against algebra and differences. */
import { describe, expect, it } from 'vitest'
import {
  eachKindOfBackend,
  expectError,
  expectGradients,
  runLayers,
  runStep,
  type Values,
} from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { input } from './input.ts'
import { type LambdaFunction, lambda } from './lambda.ts'
import { type Operations, operations } from './operations.ts'
import { layerFromConfig } from './registry.ts'

const random = new Random(61)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
const positive = (...shape: number[]): Values => {
  const { data } = floats(...shape)
  return { shape, data: Array.from(data, (value) => Math.abs(value) + 0.3) }
}

type Compute = (ops: Operations, ...inputs: Tensor[]) => Tensor | Tensor[]

/** Inputs, what is computed, and the same of one row's numbers in plain TypeScript, if it is short. */
const table: Record<string, [Values[], Compute, ((...rows: number[][]) => number[])?]> = {
  linear: [[floats(2, 3), floats(3, 2)], (ops, x, kernel) => ops.linear(x, kernel)],
  'add, with a number': [
    [floats(2, 3), floats(2, 3)],
    (ops, a, b) => ops.add(a, 2, b),
    (a, b) => a.map((v, i) => v + 2 + b[i]),
  ],
  'subtract from a number': [
    [floats(2, 3)],
    (ops, a) => ops.subtract(1, a),
    (a) => a.map((v) => 1 - v),
  ],
  'multiply by a row': [[floats(2, 2, 3), floats(3)], (ops, a, row) => ops.multiply(row, a)],
  'add a column': [[floats(2, 2, 3), floats(2, 2, 1)], (ops, a, column) => ops.add(a, column)],
  'multiply, with numbers': [
    [floats(2, 3), floats(2, 3)],
    (ops, a, b) => ops.multiply(2, a, b, 0.5),
    (a, b) => a.map((v, i) => v * b[i]),
  ],
  divide: [
    [floats(2, 3), positive(2, 3)],
    (ops, a, b) => ops.divide(a, b),
    (a, b) => a.map((v, i) => v / b[i]),
  ],
  'divide by a number, and a number': [
    [positive(2, 3)],
    (ops, a) => ops.add(ops.divide(a, 4), ops.divide(2, a)),
    (a) => a.map((v) => v / 4 + 2 / v),
  ],
  maximum: [
    [floats(2, 3), floats(2, 3)],
    (ops, a, b) => ops.maximum(a, b),
    (a, b) => a.map((v, i) => Math.max(v, b[i])),
  ],
  'minimum with a number': [
    [floats(2, 3)],
    (ops, a) => ops.minimum(a, 0.1),
    (a) => a.map((v) => Math.min(v, 0.1)),
  ],
  'sigmoid, tanh, relu': [
    [floats(2, 3)],
    (ops, a) => ops.add(ops.sigmoid(a), ops.tanh(a), ops.relu(a)),
    (a) => a.map((v) => 1 / (1 + Math.exp(-v)) + Math.tanh(v) + Math.max(v, 0)),
  ],
  softmax: [[floats(2, 3)], (ops, a) => ops.softmax(a)],
  activate: [[floats(2, 3)], (ops, a) => ops.activate('softsign', a)],
  'exp, log, sqrt': [
    [positive(2, 3)],
    (ops, a) => ops.add(ops.exp(a), ops.log(a), ops.sqrt(a)),
    (a) => a.map((v) => Math.exp(v) + Math.log(v) + Math.sqrt(v)),
  ],
  'square, abs': [
    [floats(2, 3)],
    (ops, a) => ops.add(ops.square(a), ops.abs(a)),
    (a) => a.map((v) => v * v + Math.abs(v)),
  ],
  clip: [
    [floats(2, 3)],
    (ops, a) => ops.clip(a, -0.3, 0.4),
    (a) => a.map((v) => Math.max(-0.3, Math.min(0.4, v))),
  ],
  'sum, mean': [
    [floats(2, 3)],
    (ops, a) => ops.concatenate([ops.sum(a), ops.mean(a)]),
    (a) => [a[0] + a[1] + a[2], (a[0] + a[1] + a[2]) / 3],
  ],
  normalize: [[floats(2, 3)], (ops, a) => ops.normalize(a, 0.01)],
  'split, columns': [[floats(2, 6)], (ops, a) => [ops.columns(a, 1, 2), ...ops.split(a, 3)]],
  reshape: [[floats(2, 6)], (ops, a) => ops.reshape(a, [3, 4])],
  dropout: [[floats(4, 6)], (ops, a) => ops.dropout(a, 0.4)],
}

describe('operations', () => {
  it.each(Object.entries(table))('%s: finite differences', (_name, [inputs, compute]) => {
    expectGradients({
      inputs,
      compute: (ctx, given) => [compute(operations(ctx), ...given)].flat(),
      training: true,
    })
  })

  eachKindOfBackend((backend) => {
    const plain = Object.entries(table).filter(([, [, , expected]]) => expected)
    it.each(plain)('%s', (_name, [inputs, compute, expected]) => {
      const { outputs } = runStep(
        backend,
        { inputs, compute: (ctx, given) => [compute(operations(ctx), ...given)].flat() },
        false,
      )
      const rows = inputs[0].shape[0]
      const rowOf = ({ data }: Values, row: number) => {
        const width = data.length / rows
        return Array.from(data).slice(row * width, (row + 1) * width)
      }
      const wanted = Array.from({ length: rows }, (_, row) =>
        expected!(...inputs.map((one) => rowOf(one, row))),
      )
      const tolerance = { relative: 1e-5, ofLargest: 1e-6, absolute: 1e-6 }
      expectClose(outputs[0], wanted.flat(), tolerance, 'y')
    })
  })

  it('dropout does nothing outside of training', () => {
    const x = floats(2, 3)
    const run = (training: boolean) =>
      runStep(
        truth,
        { inputs: [x], training, compute: (ctx, [a]) => [operations(ctx).dropout(a, 0.5)] },
        false,
      ).outputs[0]
    expect(Array.from(run(false))).toEqual(Array.from(x.data))
    expect(Array.from(run(true))).not.toEqual(Array.from(x.data))
  })

  it('have their errors', () => {
    const run = (compute: Compute) =>
      runStep(truth, {
        inputs: [floats(2, 3), floats(2, 2)],
        compute: (ctx, given) => [compute(operations(ctx), ...given)].flat(),
      })
    expectError(
      () => run((ops, a, b) => ops.add(a, b)),
      'BAD_SHAPE',
      'operations.add: expected shape [2, 3], got [2, 2]',
    )
    expectError(
      () => run((ops) => ops.multiply(2, 3)),
      'BAD_ARGUMENT',
      'operations.multiply: expected a tensor, got numbers',
    )
    expectError(
      () => run((ops, a) => ops.split(a, 2)),
      'BAD_SHAPE',
      'operations.split: expected a last dimension that 2 divides, got shape [2, 3]',
    )
    expectError(
      () => run((ops, a) => ops.activate('tahn' as never, a)),
      'UNKNOWN_OPTION',
      "operations.activate: unknown activation 'tahn'; did you mean 'tanh'?",
    )
  })
})

describe('lambda', () => {
  const double: LambdaFunction = ({ x, ops }) => ops.multiply(x, 2)
  const mask = [1, 1, 0, 1, 0, 0]
  const x = { ...floats(2, 3, 2), mask }

  it('computes, with gradients', () => {
    const found = runLayers(truth, lambda({ name: 'double', call: double }), { inputs: [x] })
    expect(Array.from(found.outputs[0])).toEqual(Array.from(x.data, (value) => 2 * value))
    expectGradients({
      inputs: [x, floats(2, 3, 2)],
      compute: (ctx, inputs) =>
        lambda({
          name: 'both',
          call: ({ inputs: [a, b], ops }) => ops.multiply(ops.tanh(a), b),
        }).call(ctx, inputs),
    })
  })

  it('drops the mask unless told to keep it, also that of its input itself', () => {
    const masksOf = (call: LambdaFunction, keepMask?: boolean) =>
      runLayers(truth, lambda({ name: 'f', call, keepMask }), { inputs: [x] }).masks[0]
    for (const call of [double, ({ x }) => x] as LambdaFunction[]) {
      expect(masksOf(call)).toBe(null)
      expect(masksOf(call, true)).toEqual(Int32Array.from(mask))
    }
  })

  it('finds its shape', () => {
    const shape = (call: LambdaFunction, ...given: (number | null)[][]) =>
      lambda({ name: 'f', call }).outputShapes(given)[0]
    expect(shape(double, [null, null, 4])).toEqual([null, null, 4])
    expect(shape(({ x, ops }) => ops.sum(x), [null, 7, 4])).toEqual([null, 7, 1])
    const join: LambdaFunction = ({ inputs, ops }) => ops.concatenate(inputs)
    expect(shape(join, [null, 4], [null, 3])).toEqual([null, 7])
    const [a, b] = [input({ shape: [null, 2] }), input({ shape: [null, 2] })]
    expect(lambda({ name: 'join', call: join }).apply([a, b]).shape).toEqual([null, null, 4])
    const told = lambda({ name: 'f', call: double, outputShape: ([x]) => [...x, 1] })
    expect(told.outputShapes([[null, 2]])).toEqual([[null, 2, 1]])
    expectError(
      () => shape(({ x, ops }) => ops.split(x, 2)[0], [null, 3]),
      'BAD_ARGUMENT',
      'f: its shape could not be found by a trial: operations.split: expected a last dimension ' +
        'that 2 divides, got shape [2, 3]; give lambda the option outputShape: (inputs) => shape',
    )
  })

  it('comes back from its configuration, the function by its name', () => {
    const layer = lambda({ name: 'double', call: double, keepMask: true })
    const config = JSON.parse(JSON.stringify(layer.config))
    const again = layerFromConfig(config, { double })
    expect(again.config).toEqual(layer.config)
    expect(runLayers(truth, again, { inputs: [x] })).toEqual(
      runLayers(truth, layer, { inputs: [x] }),
    )
    expectError(
      () => layerFromConfig(config),
      'BAD_FILE',
      "the function of the lambda layer 'double' is missing; your own come by " +
        'loadModel(path, { customLayers: { double } })',
    )
  })

  it('has its errors', () => {
    expectError(
      () => lambda({ call: double } as never),
      'BAD_ARGUMENT',
      expect.stringContaining("lambda: expected a name and a function 'call'") as never,
    )
    expectError(
      () => runLayers(truth, lambda({ name: 'f', call: (() => 3) as never }), { inputs: [x] }),
      'BAD_ARGUMENT',
      expect.stringContaining('expected a tensor of call, got 3') as never,
    )
  })
})
