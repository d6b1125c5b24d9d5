/** Convolutions and pooling: Keras's numbers, gradients, masks, files, errors. */
import { describe, expect, it } from 'vitest'
import { optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
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
import { conv1d, conv2d } from './conv.ts'
import { flatten } from './flatten.ts'
import { input } from './input.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import {
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
} from './pooling.ts'
import { layerFromConfig } from './registry.ts'
import { timeDistributed } from './time-distributed.ts'
import { averagePooling1d, averagePooling2d, maxPooling1d, maxPooling2d } from './window-pooling.ts'

const makers: Record<string, (options: never) => Layer> = {
  conv1d,
  conv2d,
  maxPooling1d,
  maxPooling2d,
  averagePooling1d,
  averagePooling2d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  timeDistributed: (options) => timeDistributed(conv2d(options)),
}

const fixture = loadFixture('keras/conv.json')

function layerOf(found: FixtureCase): Layer {
  const names = Object.keys(found.options).filter((name) => name !== 'layer')
  return makers[found.options.layer as string](optionsOf(found, names) as never)
}

function suite(backend: Backend) {
  it('has its cases', () => expect(fixture.cases.length).toBe(31))
  it.each(fixture.cases.map((found) => [found.name, found] as const))('$0', (_name, found) => {
    const { arrays } = found
    const weights = ['kernel', 'bias'].filter((name) => arrays[name])
    const result = runLayers(backend, layerOf(found), {
      inputs: [arrays.x],
      weights: weights.map((name) => arrays[name].data),
      seeds: [arrays.gy.data],
    })
    const tolerance = toleranceOf(backend)
    expect(result.shapes).toEqual([arrays.y.shape])
    expectClose(result.outputs[0], arrays.y.data, tolerance, 'y')
    expectClose(result.inputGradients[0], arrays.dx.data, tolerance, 'dx')
    weights.forEach((name, i) => {
      expectClose(result.weightGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
    })
  })
}

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
})

const random = new Random(11)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})

describe('gradients', () => {
  const check = (layers: Layer[], x: Values) =>
    expectGradients({
      inputs: [x],
      weights: weightsOf(truth, layers, x.shape),
      compute: (ctx, inputs) => callAll(ctx, layers, inputs),
    })

  it('over time', () => {
    const x = floats(2, 6, 4)
    check([conv1d({ filters: 2, kernelSize: 3, padding: 'causal', dilationRate: 2 })], x)
    check([conv1d({ filters: 4, kernelSize: 2, strides: 2, groups: 2, activation: 'tanh' })], x)
    check([conv1d({ filters: 3, kernelSize: 1, activation: 'softmax' }), maxPooling1d()], x)
    check([averagePooling1d({ poolSize: 3, strides: 2, padding: 'same' }), lstm({ units: 2 })], x)
    check([globalAveragePooling1d({ keepdims: true })], x)
  })

  it('over images', () => {
    const x = floats(2, 4, 5, 2)
    check([conv2d({ filters: 2, kernelSize: [2, 3], padding: 'same' }), maxPooling2d()], x)
    check([conv2d({ filters: 2, kernelSize: 2, useBias: false }), globalMaxPooling2d()], x)
    check([averagePooling2d({ strides: 1 }), globalAveragePooling2d({ keepdims: true })], x)
  })

  it('over sequences of images', () => {
    const frames = (layer: Layer) => timeDistributed(layer)
    const x = { ...floats(2, 3, 3, 3, 2), mask: [1, 1, 0, 1, 0, 1] }
    const convolution = conv2d({ filters: 3, kernelSize: 2, activation: 'tanh' })
    check([frames(convolution), frames(maxPooling2d()), frames(flatten()), lstm({ units: 2 })], x)
  })
})

describe('masks', () => {
  const x = { ...floats(2, 4, 3), mask: [1, 1, 1, 0, 1, 0, 0, 0] }
  it.each([conv1d({ filters: 2, kernelSize: 2 }), maxPooling1d(), averagePooling1d()])(
    'have no influence on $kind and end there, as in Keras',
    (layer) => {
      const { masks, outputs } = runLayers(truth, layer, { inputs: [x] })
      expect(masks).toEqual([null])
      const { mask: _, ...plain } = x
      expect(outputs).toEqual(runLayers(truth, layer, { inputs: [plain] }).outputs)
    },
  )

  it('pass through timeDistributed', () => {
    const frames = { ...floats(2, 4, 2, 2, 1), mask: x.mask }
    const layer = timeDistributed(conv2d({ filters: 1, kernelSize: 2 }))
    expect(runLayers(truth, layer, { inputs: [frames] }).masks).toEqual([Int32Array.from(x.mask)])
  })
})

describe('a file brings back', () => {
  it.each<Layer>([
    conv1d({ filters: 4, kernelSize: 3, padding: 'causal', dilationRate: 2, activation: 'relu' }),
    conv2d({ filters: 4, kernelSize: [3, 2], strides: 2, groups: 2, useBias: false }),
    maxPooling1d({ poolSize: 3 }),
    averagePooling1d({ strides: 1, padding: 'same' }),
    maxPooling2d({ poolSize: [2, 3] }),
    averagePooling2d(),
    globalAveragePooling2d({ keepdims: true }),
    globalMaxPooling2d(),
    timeDistributed(conv2d({ filters: 1, kernelSize: 2 })),
  ])('$kind', (layer) => {
    const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
    expect(again.config).toEqual(layer.config)
    expect(again.constructor).toBe(layer.constructor)
  })
})

describe('shapes', () => {
  const [sequence, image] = [input({ shape: [null, 4] }), input({ shape: [28, 30, 1] })]

  it('follow from the options', () => {
    expect(conv1d({ filters: 8, kernelSize: 5 }).apply(sequence).shape).toEqual([null, null, 8])
    const frames = timeDistributed(conv2d({ filters: 8, kernelSize: 3, strides: [1, 2] }))
    const frame = input({ shape: [null, 28, 30, 1] })
    expect(frames.apply(frame).shape).toEqual([null, null, 26, 14, 8])
    expect(maxPooling2d({ padding: 'same', poolSize: 4 }).apply(image).shape).toEqual([
      ...[null, 7, 8, 1],
    ])
  })

  it('that do not fit', () => {
    expectError(
      () => conv2d({ filters: 2, kernelSize: [3, 31], name: 'eye' }).apply(image),
      'BAD_SHAPE',
      'eye: a window of [3, 31] does not fit into an input of shape [null, 28, 30, 1]; ' +
        "use padding 'same', or larger inputs",
    )
    expectError(
      () => runLayers(truth, conv1d({ filters: 1, kernelSize: 5 }), { inputs: [floats(1, 4, 2)] }),
      'BAD_SHAPE',
      "conv1d: a window of 5 does not fit into an input of shape [null, 4, 2]; use padding 'same', " +
        'or larger inputs',
    )
    expectError(
      () => conv2d({ filters: 1, kernelSize: 2 }).apply(sequence),
      'BAD_SHAPE',
      'conv2d: expected an input of 4 dimensions [batch, height, width, channels], got shape ' +
        '[null, null, 4]',
    )
    expectError(
      () => conv1d({ filters: 3, kernelSize: 2, groups: 3 }).apply(sequence),
      'BAD_ARGUMENT',
      "conv1d 'groups': 4 channels are not divisible by 3",
    )
  })
})

describe('options', () => {
  it.each<[() => unknown, 'BAD_ARGUMENT' | 'UNKNOWN_OPTION', string]>([
    [
      () => conv1d({ filters: 1, kernelSize: 2, padding: 'casual' as 'causal' }),
      'UNKNOWN_OPTION',
      "conv1d 'padding': unknown padding 'casual'; did you mean 'causal'?",
    ],
    [
      () => conv2d({ filters: 1, kernelSize: [2, 2, 2] as never }),
      'BAD_ARGUMENT',
      "conv2d 'kernelSize': expected a whole number or [height, width], got [2, 2, 2]",
    ],
    [
      () => maxPooling1d({ poolSize: 0 }),
      'BAD_ARGUMENT',
      "maxPooling1d 'poolSize': expected a whole number of at least 1, got 0",
    ],
    [
      () => averagePooling2d({ poolsize: 2 } as never),
      'UNKNOWN_OPTION',
      "averagePooling2d: unknown option 'poolsize'; did you mean 'poolSize'?",
    ],
    [
      () => conv2d({ filters: 3, kernelSize: 2, groups: 2 }),
      'BAD_ARGUMENT',
      "conv2d 'groups': 3 filters are not divisible by 2",
    ],
  ])('%#', (call, code, message) => expectError(call, code, message))
})
