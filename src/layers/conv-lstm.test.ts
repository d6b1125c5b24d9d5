/** The convolutional LSTM: Keras's numbers, gradients, masks, both directions, files, errors. */
import { describe, expect, it } from 'vitest'
import { inputsOf, optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { loadFixture } from '../../test/fixtures/load.ts'
import { bidirectionalNames, expectCase } from '../../test/fixtures/recurrent.ts'
import {
  callAll,
  expectError,
  expectGradients,
  runLayers,
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { bidirectional, type MergeMode } from './bidirectional.ts'
import { type ConvLstm2dOptions, convLstm2d } from './conv-lstm.ts'
import { input } from './input.ts'
import type { Layer } from './layer.ts'
import { layerFromConfig } from './registry.ts'

const fixture = loadFixture('keras/conv-lstm.json')

function suite(backend: Backend) {
  it('has its cases', () => expect(fixture.cases.length).toBe(10))
  it.each(fixture.cases.map((found) => [found.name, found] as const))('$0', (_name, found) => {
    const { arrays } = found
    const names = Object.keys(found.options).filter((name) => name !== 'initialState')
    const options = optionsOf(found, names) as unknown as ConvLstm2dOptions
    const weights = ['kernel', 'recurrentKernel', 'bias'].filter((name) => arrays[name])
    const states = ['h0', 'c0'].filter((name) => arrays[name])
    const result = runLayers(backend, convLstm2d({ ...options, returnState: true }), {
      inputs: inputsOf(found, states),
      weights: weights.map((name) => arrays[name].data),
      seeds: [arrays.gy.data, arrays.ghT.data, arrays.gcT.data],
    })
    const tolerance = toleranceOf(backend)
    const outputs = ['y', 'hT', 'cT']
    expect(result.shapes).toEqual(outputs.map((name) => arrays[name].shape))
    outputs.forEach((name, i) => {
      expectClose(result.outputs[i], arrays[name].data, tolerance, name)
    })
    const inputs = ['x', ...states]
    inputs.forEach((name, i) => {
      expectClose(result.inputGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
    })
    weights.forEach((name, i) => {
      expectClose(result.weightGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
    })
  })
}

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
})

const bothWays = loadFixture('keras/conv-lstm-bidirectional.json')

describe(`${bothWays.made_by.program} ${bothWays.made_by.version}, Bidirectional`, () => {
  const states = ['forwardH0', 'forwardC0', 'backwardH0', 'backwardC0']
  const names = {
    ...bidirectionalNames,
    states,
    outputs: ['y', ...states.map((name) => name.replace('0', 'T'))],
  }
  const suite = (backend: Backend) => {
    it('has its cases', () => expect(bothWays.cases.length).toBe(2))
    it.each(bothWays.cases.map((found) => [found.name, found] as const))('$0', (_name, found) => {
      const { returnSequences = false, mergeMode } = found.options as {
        returnSequences?: boolean
        mergeMode: MergeMode
      }
      const inner = convLstm2d({ filters: 2, kernelSize: 2, returnSequences, returnState: true })
      const layer = bidirectional(inner, { mergeMode })
      expectCase(backend, found, [layer], names, (ctx, inputs) => layer.call(ctx, inputs))
    })
  }
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
})

const random = new Random(3)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
const small = { filters: 2, kernelSize: [2, 1] } as const
const x = { ...floats(2, 3, 3, 2, 1), mask: [1, 0, 1, 0, 0, 0] }

describe('gradients', () => {
  const check = (layer: Layer, ...states: Values[]) =>
    expectGradients({
      inputs: [x, ...states],
      weights: weightsOf(truth, [layer], x.shape),
      compute: (ctx, inputs) => callAll(ctx, [layer], inputs),
      training: true,
      random: { seed: 8, step: 2 },
    })
  const all = { ...small, returnSequences: true, returnState: true }
  const states = (count: number) => Array.from({ length: count }, () => floats(2, 2, 2, 2))

  it('states, mask, backwards', () => {
    check(convLstm2d({ ...all, goBackwards: true }), ...states(2))
    check(convLstm2d({ ...small, learnInitialState: true }))
  })

  it('dropout', () => {
    check(convLstm2d({ ...all, dropout: 0.4, recurrentDropout: 0.3 }))
    check(convLstm2d({ ...small, dropout: 0.4 }))
  })

  it('in both directions', () => {
    check(bidirectional(convLstm2d(all)), ...states(4))
    check(bidirectional(convLstm2d(small), { mergeMode: 'mul' }))
  })
})

describe('in both directions', () => {
  it('channels stand side by side', () => {
    const run = (mergeMode: MergeMode) =>
      runLayers(
        truth,
        bidirectional(convLstm2d({ ...small, returnSequences: true }), { mergeMode }),
        {
          inputs: [x],
        },
      )
    const [both, apart] = [run('concat'), run('none')]
    expect(both.shapes).toEqual([[2, 3, 2, 2, 4]])
    const [forward, backward] = apart.outputs
    const joined = Array.from({ length: forward.length / 2 }, (_, pixel) => [
      ...forward.subarray(2 * pixel, 2 * pixel + 2),
      ...backward.subarray(2 * pixel, 2 * pixel + 2),
    ])
    expect([...both.outputs[0]]).toEqual(joined.flat())
    const frames = input({ shape: [null, 3, 2, 1] })
    expect(bidirectional(convLstm2d(small)).apply(frames).shape).toEqual([null, 2, 2, 4])
  })
})

it('recurrent dropout draws one mask for all steps, and none outside of training', () => {
  const layer = () => convLstm2d({ ...small, dropout: 0.5, recurrentDropout: 0.5 })
  const plain = runLayers(truth, convLstm2d(small), { inputs: [x] }).outputs
  expect(runLayers(truth, layer(), { inputs: [x] }).outputs).toEqual(plain)
  expect(runLayers(truth, layer(), { inputs: [x], training: true }).outputs).not.toEqual(plain)
})

it('starts with ones in the forget gate', () => {
  const layer = convLstm2d(small)
  layer.build([[null, null, 3, 2, 1]])
  const bias = layer.parameters[2]
  const values = new Float64Array(8)
  bias.initializer.fill(values, bias.shape, undefined as never, truth)
  expect([...values]).toEqual([0, 0, 1, 1, 0, 0, 0, 0])
})

it('a file brings it back', () => {
  const layer = convLstm2d({
    filters: 3,
    kernelSize: [3, 2],
    strides: 2,
    padding: 'same',
    recurrentActivation: 'hardSigmoid',
    recurrentDropout: 0.2,
    returnSequences: true,
    unitForgetBias: false,
  })
  for (const one of [layer, bidirectional(layer)]) {
    const again = layerFromConfig(JSON.parse(JSON.stringify(one.config)))
    expect(again.config).toEqual(one.config)
    expect(again.constructor).toBe(one.constructor)
  }
})

describe('errors', () => {
  it('shapes', () => {
    expectError(
      () => convLstm2d(small).apply(input({ shape: [null, null, 2, 1] })),
      'BAD_SHAPE',
      'convLstm2d: expected images of a known size, at least that of a window, got [null, 2] for ' +
        'windows of [2, 1]',
    )
    expectError(
      () => convLstm2d({ ...small, name: 'film' }).apply(input({ shape: [null, 1, 2, 1] })),
      'BAD_SHAPE',
      'film: expected images of a known size, at least that of a window, got [1, 2] for windows of ' +
        '[2, 1]',
    )
    expectError(
      () => convLstm2d(small).apply(input({ shape: [null, 3] })),
      'BAD_SHAPE',
      'convLstm2d: expected an input of 5 dimensions [batch, time, height, width, channels], got ' +
        'shape [null, null, 3]',
    )
    const [frames, state] = [input({ shape: [null, 3, 2, 1] }), input({ shape: [3, 2, 2] })]
    expectError(
      () => convLstm2d(small).apply(frames, { initialState: { h: state, c: state } }),
      'BAD_SHAPE',
      'convLstm2d: expected an initial state of shape [null, 2, 2, 2], got [null, 3, 2, 2]',
    )
  })

  it('options', () => {
    expectError(
      () => convLstm2d({ ...small, kernelsize: 3 } as never),
      'UNKNOWN_OPTION',
      "convLstm2d: unknown option 'kernelsize'; did you mean 'kernelSize'?",
    )
    expectError(
      () => convLstm2d({ ...small, padding: 'casual' as 'same' }),
      'UNKNOWN_OPTION',
      "convLstm2d 'padding': unknown padding 'casual'; known: valid, same",
    )
  })
})
