/** Cells: a user's own against the layers that compute the same, stacks, and gradients. */
import { describe, expect, it } from 'vitest'
import { inputsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { loadFixture } from '../../test/fixtures/load.ts'
import {
  callAll,
  eachKindOfBackend,
  expectError,
  expectGradients,
  runLayers,
  runStep,
  type StepResult,
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { bidirectional } from './bidirectional.ts'
import { type Cell, rnn } from './cell.ts'
import { gruCell, lstmCell, simpleRnnCell, stackedRnnCells } from './cells.ts'
import { defineCell } from './define-cell.ts'
import { gru } from './gru.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import type { RecurrentOptions } from './recurrent.ts'
import { layerFromConfig } from './registry.ts'
import { simpleRnn } from './simple-rnn.ts'

const [rows, steps, features, units] = [3, 4, 2, 3]
const random = new Random(51)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
const masks = {
  'no mask': null,
  'right padding': [1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0],
  'gaps, and a row without steps': [1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0],
}

const ownLstm = defineCell({
  name: 'ownLstm',
  stateSizes: ({ units }: { units: number }) => [units, units],
  stateNames: ['h', 'c'],
  weights: ({ inputSize, units }) => ({
    kernel: [inputSize, 4 * units],
    recurrentKernel: { shape: [units, 4 * units], initializer: 'orthogonal' },
    bias: [4 * units],
  }),
  step({ x, states: [h, c], weights, ops }) {
    const fromInput = ops.linear(x, weights.kernel, weights.bias)
    const [i, f, g, o] = ops.split(ops.add(fromInput, ops.linear(h, weights.recurrentKernel)), 4)
    const kept = ops.multiply(ops.sigmoid(f), c)
    const cell = ops.add(kept, ops.multiply(ops.sigmoid(i), ops.tanh(g)))
    const output = ops.multiply(ops.sigmoid(o), ops.tanh(cell))
    return { output, states: [output, cell] }
  },
})

/** Its output, twice as wide, is no state. */
const wide = defineCell({
  name: 'wide',
  stateSizes: ({ units }: { units: number }) => [units],
  outputSize: ({ units }) => 2 * units,
  weights: ({ inputSize, units }) => ({ kernel: [inputSize, units] }),
  step({ x, states: [h], weights, ops }) {
    const next = ops.tanh(ops.add(ops.linear(x, weights.kernel), ops.multiply(0.5, h)))
    return { output: ops.concatenate([next, ops.square(next)]), states: [next] }
  },
})

const near = (backend: Backend) =>
  backend.variant === 'float64'
    ? { relative: 1e-12, ofLargest: 1e-12, absolute: 1e-13 }
    : { relative: 2e-5, ofLargest: 1e-5, absolute: 1e-6 }

function expectSame(backend: Backend, found: StepResult, expected: StepResult) {
  expect(found.shapes).toEqual(expected.shapes)
  expect(found.masks).toEqual(expected.masks)
  const each = (name: string, a: Float64Array[], b: Float64Array[]) =>
    a.forEach((values, i) => {
      expectClose(values, b[i], near(backend), `${name} ${i}`)
    })
  each('output', found.outputs, expected.outputs)
  each('gradient', found.inputGradients, expected.inputGradients)
  each('weight gradient', found.weightGradients, expected.weightGradients)
}

const options: Record<string, RecurrentOptions> = {
  'the last output': {},
  'all outputs and states': { returnSequences: true, returnState: true },
  goBackwards: { returnSequences: true, returnState: true, goBackwards: true },
  zeroOutputForMask: { returnSequences: true, zeroOutputForMask: true },
}

const cells: Record<string, () => Cell> = {
  defineCell: () => ownLstm({ units }),
  lstmCell: () => lstmCell({ units }),
}

const oneState: Record<string, [() => Cell, (options: RecurrentOptions) => Layer]> = {
  gruCell: [() => gruCell({ units }), (options) => gru({ units, ...options })],
  'gruCell, resetAfter false': [
    () => gruCell({ units, resetAfter: false }),
    (options) => gru({ units, resetAfter: false, ...options }),
  ],
  simpleRnnCell: [
    () => simpleRnnCell({ units, activation: 'relu' }),
    (options) => simpleRnn({ units, activation: 'relu', ...options }),
  ],
}

describe.each(Object.entries(masks))('%s', (_name, mask) => {
  const x = { ...floats(rows, steps, features), mask }
  const states = [floats(rows, units), floats(rows, units)]

  describe.each(Object.entries(cells))('%s is what lstm is', (_name, make) => {
    eachBackend((backend) => {
      it.each(Object.entries(options))('%s', (_name, given) => {
        for (const inputs of [[x], [x, ...states]]) {
          const expected = runLayers(backend, lstm({ units, ...given }), { inputs })
          expectSame(backend, runLayers(backend, rnn(make(), given), { inputs }), expected)
        }
      })
    })

    it('bidirectional', () => {
      const both = (layer: Parameters<typeof bidirectional>[0]) =>
        runLayers(truth, bidirectional(layer), { inputs: [x, ...states, ...states] })
      const given = { returnSequences: true, returnState: true }
      expectSame(truth, both(rnn(make(), given)), both(lstm({ units, ...given })))
    })
  })

  describe.each(Object.entries(oneState))('%s is what the layer is', (_name, [cell, layer]) => {
    it.each(Object.entries(options))('%s', (_name, given) => {
      const run = (one: Layer) => runLayers(truth, one, { inputs: [x, states[0]] })
      expectSame(truth, run(rnn(cell(), given)), run(layer(given)))
    })
  })

  it('stackedRnnCells is one lstm after the other', () => {
    const given = { returnSequences: true, returnState: true }
    const stack = rnn(stackedRnnCells([lstmCell({ units }), ownLstm({ units: 2 })]), given)
    const inputs = [x, ...states, floats(rows, 2), floats(rows, 2)]
    const found = runLayers(truth, stack, { inputs })
    const [lower, upper] = [lstm({ units, ...given }), lstm({ units: 2, ...given })]
    const expected = runStep(truth, {
      inputs,
      weights: weightsOf(truth, [lower, upper], x.shape),
      seeds: [4, 0, 1, 2, 3].map((i) => seedsOf(found)[i]),
      compute(ctx, [first, h1, c1, h2, c2]) {
        const [y, ...states] = lower.call(ctx, [first, h1, c1])
        const [z, ...others] = upper.call(ctx, [y, h2, c2])
        return [z, ...states, ...others]
      },
    })
    found.outputs.forEach((values, i) => {
      expectClose(values, expected.outputs[i], near(truth), `output ${i}`)
    })
    expect(stack.stateNames).toEqual(['h.0', 'c.0', 'h.1', 'c.1'])
  })

  it.each([
    ['defineCell', () => rnn(ownLstm({ units }), { returnState: true })],
    ['output apart from the states', () => rnn(wide({ units }), { returnSequences: true })],
    ['learned states', () => rnn(wide({ units }), { learnInitialState: true })],
    ['lstmCell, dropout', () => rnn(lstmCell({ units, dropout: 0.3, recurrentDropout: 0.2 }))],
    [
      'stack',
      () =>
        rnn(stackedRnnCells([wide({ units }), lstmCell({ units: 2, projection: 1 })]), {
          returnState: true,
          goBackwards: true,
        }),
    ],
    ['bidirectional', () => bidirectional(rnn(wide({ units })))],
  ])('gradients: %s', (_name, make) => {
    const layers: Layer[] = [make()]
    expectGradients({
      inputs: [x],
      weights: weightsOf(truth, layers, x.shape),
      compute: (ctx, given) => callAll(ctx, layers, given),
      training: true,
      random: { seed: 6, step: 1 },
    })
  })
})

const seedsOf = (found: StepResult) => found.outputs

const keras = loadFixture('keras/cells.json')

describe(`${keras.made_by.program} ${keras.made_by.version}, StackedRNNCells`, () => {
  it('has its cases', () => expect(keras.cases).toHaveLength(6))
  eachKindOfBackend((backend) => {
    it.each(keras.cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
      const { arrays } = one
      const cells = [lstmCell({ units: 3 }), gruCell({ units: 2 }), simpleRnnCell({ units: 4 })]
      const layer = rnn(stackedRnnCells(cells), { ...one.options, returnState: true })
      const named = (pattern: RegExp) => Object.keys(arrays).filter((name) => pattern.test(name))
      const [weights, states, outputs] = [/^w\d/, /^s\d/, /^(y|f\d)$/].map(named)
      const found = runStep(backend, {
        inputs: inputsOf(one, states),
        weights: weightsOf(
          backend,
          [layer],
          arrays.x.shape,
          weights.map((name) => arrays[name].data),
        ),
        seeds: ['y', 'f0', 'f1', 'f2', 'f3'].map((name) => arrays[`g${name}`].data),
        compute: (ctx, inputs) => layer.call(ctx, inputs),
      })
      const check = (name: string, values: ArrayLike<number>) =>
        expectClose(values, arrays[name].data, toleranceOf(backend), name)
      expect(outputs).toHaveLength(5)
      for (const [i, name] of ['y', 'f0', 'f1', 'f2', 'f3'].entries()) check(name, found.outputs[i])
      for (const [i, name] of weights.entries()) check(`d${name}`, found.weightGradients[i])
      for (const [i, name] of ['x', ...states].entries()) check(`d${name}`, found.inputGradients[i])
    })
  })
})

describe('an output that is no state', () => {
  it('is held where a step is masked, and zero for a row without steps', () => {
    const mask = [0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    const x = { ...floats(rows, steps, features), mask }
    const run = (returnSequences: boolean) =>
      runLayers(truth, rnn(wide({ units }), { returnSequences }), { inputs: [x] }).outputs[0]
    const [all, last] = [run(true), run(false)]
    const at = (row: number, t: number) =>
      Array.from(all.subarray((row * steps + t) * 2 * units, (row * steps + t + 1) * 2 * units))
    const zeros = new Array(2 * units).fill(0)
    expect(at(0, 0)).toEqual(zeros)
    expect(at(0, 2)).toEqual(at(0, 1))
    expect(at(1, 3)).toEqual(zeros)
    expect(at(2, 3)).toEqual(at(2, 0))
    expect(Array.from(last)).toEqual([0, 1, 2].flatMap((row) => at(row, 3)))
  })
})

describe('lstmCell', () => {
  it('has one dropout mask for all steps, and each cell of a stack its own', () => {
    // One row of ones: where the mask is 0, so is the gradient of the kernel's row.
    const x = { shape: [1, 6, 16], data: new Float64Array(96).fill(1) }
    const stack = stackedRnnCells([
      lstmCell({ units: 16, dropout: 0.5 }),
      lstmCell({ units: 2, dropout: 0.5 }),
    ])
    const found = runLayers(truth, rnn(stack), { inputs: [x], training: true })
    const kept = [found.weightGradients[0], found.weightGradients[3]].map((gradient) =>
      Array.from({ length: 16 }, (_, row) => {
        const width = gradient.length / 16
        return gradient.subarray(row * width, (row + 1) * width).every((v) => v === 0) ? 0 : 1
      }),
    )
    for (const flags of kept) expect(new Set(flags)).toEqual(new Set([0, 1]))
    expect(kept[0]).not.toEqual(kept[1])
  })

  it('draws zoneout anew at each step, as lstm does', () => {
    const x = floats(rows, steps, features)
    const zoneout = { h: 0.3, c: 0.6 }
    const run = (layer: Layer) => runLayers(truth, layer, { inputs: [x], training: true })
    const layer = run(lstm({ units, zoneout, returnSequences: true }))
    const cell = run(rnn(lstmCell({ units, zoneout }), { returnSequences: true }))
    expectSame(truth, cell, layer)
    expect(cell.outputs).not.toEqual(run(lstm({ units, returnSequences: true })).outputs)
  })

  it('as a layer of its own takes states and gives them', () => {
    const cell = lstmCell({ units })
    const [x, h, c] = [floats(rows, features), floats(rows, units), floats(rows, units)]
    const found = runLayers(truth, cell, { inputs: [x, h, c] })
    const sequence = { ...x, shape: [rows, 1, features] }
    const plain = runLayers(truth, lstm({ units, returnState: true }), {
      inputs: [sequence, h, c],
    })
    expect(found.outputs).toEqual(plain.outputs)
    expect(runLayers(truth, cell, { inputs: [x] }).shapes).toEqual(found.shapes)
  })
})

describe('configurations', () => {
  it("keep the rules of a cell's weights", () => {
    const regularized = () =>
      lstmCell({ units: 2, kernelRegularizer: 'l2', biasConstraint: 'nonNeg' })
    const layer = bidirectional(rnn(regularized()))
    layer.build([[null, null, 3]])
    const found = layer.parameters.map(({ name, regularizer, constraint }) => [
      name,
      regularizer?.name,
      constraint?.name,
    ])
    const expected = [
      ['kernel', 'l1l2', undefined],
      ['recurrentKernel', undefined, undefined],
      ['bias', undefined, 'nonNeg'],
    ]
    expect(found).toEqual([...expected, ...expected])
    const { config } = rnn(regularized(), { stateful: true })
    expect(layerFromConfig(JSON.parse(JSON.stringify(config))).config).toEqual(config)
  })

  it('come back, own cells by customLayers', () => {
    const layer = bidirectional(
      rnn(
        stackedRnnCells([
          lstmCell({ units: 2, peephole: true }),
          gruCell({ units: 3, dropout: 0.1 }),
          simpleRnnCell({ units: 2 }),
          ownLstm({ units: 4 }),
        ]),
        {
          returnSequences: true,
          learnInitialState: true,
        },
      ),
    )
    const config = JSON.parse(JSON.stringify(layer.config))
    expect(layerFromConfig(config, { ownLstm }).config).toEqual(layer.config)
    const text = (() => {
      try {
        return layerFromConfig(config).kind
      } catch (error) {
        return (error as Error).message
      }
    })()
    expect(text).toMatch(/^unknown layer 'ownLstm'; known: activation, /)
    expect(text).toContain('(your own come by loadModel(path, { customLayers: { ownLstm } }))')
  })
})

describe('errors', () => {
  it('what is no cell', () => {
    expectError(
      () => rnn(lstm({ units: 2 }) as never),
      'BAD_ARGUMENT',
      expect.stringContaining('rnn: expected a cell such as lstmCell({ units: 64 }), got') as never,
    )
    expectError(
      () => rnn([lstmCell({ units: 2 })] as never),
      'BAD_ARGUMENT',
      expect.stringContaining('; write rnn(stackedRnnCells([…]))') as never,
    )
    expectError(
      () => stackedRnnCells([]),
      'BAD_ARGUMENT',
      'stackedRnnCells: expected an array of cells such as [lstmCell({ units: 64 })], got []',
    )
    const one = lstmCell({ units: 2 })
    expectError(
      () => stackedRnnCells([one, one]),
      'BAD_ARGUMENT',
      'stackedRnnCells: a cell stands there twice',
    )
    expectError(
      () => lstmCell({ units: 2, stateful: true } as never),
      'UNKNOWN_OPTION',
      expect.stringContaining("lstmCell: unknown option 'stateful'") as never,
    )
  })

  it('steps that give what they should not', () => {
    const broken = (step: (h: unknown) => unknown) =>
      defineCell({
        name: 'broken',
        stateSizes: () => [2],
        step: ({ states: [h] }) => step(h) as never,
      })
    const x = floats(rows, steps, features)
    const run = (step: (h: unknown) => unknown) =>
      runLayers(truth, rnn(broken(step)({})), { inputs: [x] })
    expectError(
      () => run(() => undefined),
      'BAD_ARGUMENT',
      'broken.step: expected { output, states } with 1 states, got undefined',
    )
    const narrow = defineCell({
      name: 'narrow',
      stateSizes: () => [2],
      step: ({ states: [h], ops }) => ({ output: ops.columns(h, 0, 1), states: [h] }),
    })
    expectError(
      () => runLayers(truth, rnn(narrow({})), { inputs: [x] }),
      'BAD_SHAPE',
      'narrow.step: output: expected shape [3, 2], got [3, 1]',
    )
    expectError(
      () => defineCell({ name: 'empty', stateSizes: () => [], step: () => null as never })({}),
      'BAD_ARGUMENT',
      "empty: expected widths and as many names of states, and the output's width, got " +
        'stateSizes [], stateNames [], outputSize undefined',
    )
  })
})
