/** Layers that merge, shape, mask and normalize: Keras's numbers, central differences, errors. */
import { describe, expect, it } from 'vitest'
import { optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import {
  expectError,
  expectGradients,
  runLayers,
  runStep,
  type Values,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import { ParameterSet } from '../tensor/parameter.ts'
import { Random as Draws } from '../tensor/random.ts'
import { l1 } from '../tensor/regularizers.ts'
import { batchNormalization } from './batch-normalization.ts'
import { dense } from './dense.ts'
import { dropout } from './dropout.ts'
import { flatten } from './flatten.ts'
import { input } from './input.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import { masking } from './masking.ts'
import { add, average, concatenate, maximum, minimum, multiply, subtract } from './merge.ts'
import { gaussianNoise, spatialDropout1d } from './noise.ts'
import { layerNormalization } from './normalization.ts'
import { layerFromConfig } from './registry.ts'
import { permute, repeatVector, reshape } from './reshape.ts'
import { timeDistributed } from './time-distributed.ts'

const fixture = loadFixture('keras/graph.json')

const makers: Record<string, (options: never) => Layer> = {
  ...{ add, average, concatenate, maximum, minimum, multiply, subtract },
  ...{ masking, permute, repeatVector, reshape, batchNormalization, layerNormalization },
  ...{ dense, flatten, lstm },
}

const notOptions = ['layer', 'training', 'inputs', 'inner']

function layerOf(test: FixtureCase): Layer {
  const { layer, inner } = test.options
  const names = Object.keys(test.options).filter((name) => !notOptions.includes(name))
  const options = optionsOf(test, names) as never
  return inner
    ? timeDistributed(makers[inner as string](options))
    : makers[layer as string](options)
}

/** Builds a layer of any number of inputs and gives it weights. */
function weightsFor(
  backend: Backend,
  layer: Layer,
  shapes: readonly (readonly number[])[],
  values: (name: string, size: number) => ArrayLike<number>,
): ParameterSet {
  layer.build(shapes)
  layer.nameParameters(layer.kind)
  const set = new ParameterSet(backend, layer.parameters)
  set.claim()
  for (const { name, value, size } of set.parameters) value.values.set(values(name, size))
  return set
}

function checkCase(backend: Backend, test: FixtureCase) {
  const { arrays, options } = test
  const layer = layerOf(test)
  const names = Array.from({ length: options.inputs as number }, (_, i) => i)
  const inputs: Values[] = names.map((i) => ({
    ...arrays[`x${i}`],
    mask: arrays[`mask${i}`]?.data,
  }))
  const capital = (name: string) => name[0].toUpperCase() + name.slice(1)
  const given = (name: string) => arrays[`initial${capital(name)}`] ?? arrays[name]
  const shapes = inputs.map(({ shape }) => shape)
  const weights = weightsFor(backend, layer, shapes, (name) => given(name).data)
  const tolerance = toleranceOf(backend)
  let context: Context | undefined
  const found = runStep(backend, {
    inputs,
    weights,
    seeds: [arrays.gy.data],
    training: options.training as boolean,
    compute: (ctx, tensors) => {
      context = ctx
      return layer.call(ctx, tensors)
    },
  })
  expect(layer.outputShapes(shapes)).toEqual([arrays.y.shape])
  expect(found.shapes).toEqual([arrays.y.shape])
  expectClose(found.outputs[0], arrays.y.data, tolerance, 'y')
  names.forEach((i) => {
    expectClose(found.inputGradients[i], arrays[`dx${i}`].data, tolerance, `dx${i}`)
  })
  expect(found.masks).toEqual([arrays.maskOut ? Int32Array.from(arrays.maskOut.data) : null])
  context!.finishStep()
  weights.parameters.forEach(({ name, trainable, value }, i) => {
    if (trainable) {
      expectClose(found.weightGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
    } else {
      expectClose(value.values, arrays[name].data, tolerance, name)
    }
  })
}

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const suite = (backend: Backend) => {
    for (const test of fixture.cases) it(test.name, () => checkCase(backend, test))
  }
  it('has its cases', () => expect(fixture.cases.length).toBeGreaterThanOrEqual(73))
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
})

const random = new Random(3)
const floats = (shape: readonly number[], mask: number[] | null = null): Values => {
  const size = shape.reduce((product, length) => product * length, 1)
  return { shape, data: random.uniform(size), mask }
}
const [gaps, late] = [
  [1, 0, 1, 0, 1, 1, 0, 0, 0],
  [0, 1, 1, 1, 1, 0, 0, 0, 0],
]
const nine = { name: 'constant', value: 9 } as const
const sequence: [number, number, number] = [3, 3, 2]

describe('gradients against central differences', () => {
  const check = (layer: Layer, inputs: Values[], training = false) => {
    const shapes = inputs.map(({ shape }) => shape)
    expectGradients({
      inputs,
      weights: weightsFor(truth, layer, shapes, (name, size) =>
        random.uniform(size, name === 'movingVariance' ? 0.5 : -1, 1),
      ),
      compute: (ctx, tensors) => layer.call(ctx, tensors),
      training,
      random: { seed: 4, step: 2 },
    })
  }

  it.each([add(), subtract(), multiply(), average(), maximum(), minimum()])('$kind', (layer) => {
    check(layer, [floats([4, 3]), floats([4, 3])])
    check(layer, [floats(sequence, gaps), floats(sequence, late)])
    check(layer, [floats([3, 1, 2]), floats(sequence)])
    check(layer, [floats([3, 2]), floats([3, 3, 1], gaps)])
  })

  it.each([add(), multiply(), average(), maximum(), minimum(), concatenate()])(
    '$kind of one tensor given three times',
    (layer) => {
      expectGradients({
        inputs: [floats([2, 3])],
        compute: (ctx, [x]) => layer.call(ctx, [x, x, x]),
      })
    },
  )

  it.each([-1, 1, 2])('concatenate, axis %i', (axis) => {
    check(concatenate({ axis }), [floats(sequence, gaps), floats(sequence), floats(sequence, late)])
  })

  it.each([repeatVector(4), reshape({ targetShape: [2, -1] }), permute({ dims: [1] }), flatten()])(
    '$kind',
    (layer) => check(layer, [floats([3, 4])]),
  )

  it('permute', () => check(permute({ dims: [3, 1, 2] }), [floats([2, 3, 2, 3])]))

  it('masking', () => {
    const x = floats(sequence, gaps)
    ;(x.data as Float64Array).fill(0.5, 2, 6)
    // A masked step that moves is masked no more; its differences would be those of a jump.
    const { inputGradients } = runLayers(truth, masking({ maskValue: 0.5 }), {
      inputs: [x],
      seeds: [new Float64Array(18).fill(1)],
    })
    expect([...inputGradients[0].subarray(0, 8)]).toEqual([1, 1, 0, 0, 0, 0, 1, 1])
    check(masking(), [floats(sequence, late)])
  })

  it.each([
    ['both', {}],
    ['no scale', { scale: false }],
    ['no center', { center: false }],
    ['another epsilon', { epsilon: 0.3 }],
  ])('normalization, %s', (_name, options) => {
    for (const training of [true, false]) {
      for (const mask of [null, gaps, new Array(9).fill(0)]) {
        check(batchNormalization(options), [floats(sequence, mask)], training)
      }
      check(batchNormalization({ ...options, trainable: false }), [floats([4, 3])], training)
    }
    check(layerNormalization(options), [floats(sequence, gaps)])
    check(layerNormalization({ ...options, trainable: false }), [floats(sequence, gaps)])
    check(layerNormalization(options), [floats([2, 2, 2, 3])])
    check(layerNormalization({ ...options, axis: [3, 1] }), [floats([2, 2, 2, 3])])
    check(batchNormalization({ ...options, axis: 1 }), [floats([3, 2, 2])], true)
    check(batchNormalization({ ...options, axis: 2 }), [floats([3, 3, 2, 2], gaps)], true)
    // Where both corrections are at their limits they are the constants that the gradient takes them for.
    const renormClipping = { rmin: 1.7, rmax: 1.7, dmax: 1e-3 }
    for (const mask of [null, gaps]) {
      const layer = batchNormalization({ ...options, renorm: true, renormClipping })
      check(layer, [floats(sequence, mask)], true)
    }
  })

  it.each([gaussianNoise({ stddev: 0.5 }), spatialDropout1d({ rate: 0.4 })])('$kind', (layer) => {
    check(layer, [floats(sequence, gaps)], true)
  })

  it.each([
    ['lstm', lstm({ units: 2 }), [2, 2, 3, 2]],
    ['permute', permute({ dims: [3, 1, 2] }), [2, 2, 2, 3, 2]],
    ['batchNormalization', batchNormalization(), [2, 3, 2, 2]],
  ])('timeDistributed %s', (_name, layer, shape) => {
    check(timeDistributed(layer), [floats(shape)], true)
  })

  it('timeDistributed batchNormalization of frames, mask', () => {
    check(timeDistributed(batchNormalization()), [floats([3, 3, 2, 2], gaps)], true)
  })
})

describe('noise', () => {
  const run = (layer: Layer, x: Values, step: number, training = true) =>
    runLayers(truth, layer, { inputs: [x], training, random: { seed: 1, step } })

  it('is normal, is another in each step, and acts in training alone', () => {
    const x = { shape: [20, 50, 4], data: new Float64Array(4000) }
    const noise = gaussianNoise({ stddev: 0.5 })
    const [values] = run(noise, x, 1).outputs
    const mean = values.reduce((sum, value) => sum + value, 0) / 4000
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4000
    expect(mean).toBeCloseTo(0, 1)
    expect(Math.sqrt(variance)).toBeCloseTo(0.5, 1)
    expect(run(noise, x, 1).outputs).toEqual([values])
    expect(run(noise, x, 2).outputs).not.toEqual([values])
    expect(run(noise, x, 1, false).outputs).toEqual([new Float64Array(4000)])
  })

  it('of whole features drops all of their steps', () => {
    const [rows, steps, features] = [30, 5, 8]
    const x = { shape: [rows, steps, features], data: new Float64Array(1200).fill(3) }
    const layer = spatialDropout1d({ rate: 0.25 })
    const [values] = run(layer, x, 1).outputs
    const first = values.filter((_, i) => Math.floor(i / features) % steps === 0)
    expect(new Set(first)).toEqual(new Set([0, 4]))
    expect(first.filter((value) => value === 0).length / first.length).toBeCloseTo(0.25, 1)
    values.forEach((value, i) => {
      const row = Math.floor(i / (steps * features))
      expect(value).toBe(first[row * features + (i % features)])
    })
    expect(run(layer, x, 1, false).outputs).toEqual([x.data])
    const shaped = dropout({ rate: 0.25, noiseShape: [null, 1, null] })
    expect(run(shaped, x, 1).outputs).toEqual([values])
    expect(run(shaped, x, 1, false).outputs).toEqual([x.data])
  })

  it('of whole rows or steps, by noiseShape', () => {
    const [rows, steps, features] = [30, 5, 8]
    const x = { shape: [rows, steps, features], data: new Float64Array(1200).fill(3) }
    const ofRows = run(dropout({ rate: 0.25, noiseShape: [rows, 1, 1] }), x, 1).outputs[0]
    const ofSteps = run(dropout({ rate: 0.25, noiseShape: [1, null, 1] }), x, 1).outputs[0]
    const kept = new Set([0, 4])
    expect(new Set(ofRows)).toEqual(kept)
    ofRows.forEach((value, i) => {
      expect(value).toBe(ofRows[i - (i % (steps * features))])
    })
    ofSteps.forEach((value, i) => {
      expect(kept).toContain(value)
      expect(value).toBe(ofSteps[(i % (steps * features)) - (i % features)])
    })
    for (const noiseShape of [[null, 1], [null, 2, null], 3 as never]) {
      const layer = dropout({ rate: 0.5, noiseShape })
      expect(() => layer.build([[null, 5, 8]])).toThrow(
        "dropout 'noiseShape': expected a length for each dimension of [null, 5, 8], its own, null or 1",
      )
    }
  })
})

it('batchNormalization inside timeDistributed sees no masked steps', () => {
  const x = floats([3, 3, 2], gaps)
  const run = (layer: Layer) =>
    runLayers(truth, layer, { inputs: [x], training: true, seeds: [random.uniform(18)] })
  const [found, expected] = [timeDistributed(batchNormalization()), batchNormalization()].map(run)
  expect(found.outputs).toEqual(expected.outputs)
  expect(found.masks).toEqual(expected.masks)
})

describe('moving statistics', () => {
  it('of renorm begin where those of inference do', () => {
    const layer = batchNormalization({ renorm: true, movingVarianceInitializer: nine })
    layer.build([[null, 1]])
    const initial = layer.parameters.map(({ name, shape, initializer }) => {
      const values = new Float64Array(1)
      initializer.fill(values, shape, new Draws(1, name), truth)
      return [name, values[0]]
    })
    expect(Object.fromEntries(initial)).toEqual({
      ...{ gamma: 1, beta: 0, movingMean: 0, movingVariance: 9 },
      ...{ movingStddev: 3, renormMean: 0, renormStddev: 3 },
    })
  })

  it('stay as they are where the layer, or one around it, is not trainable', () => {
    for (const layer of [
      batchNormalization({ trainable: false }),
      timeDistributed(batchNormalization(), { trainable: false }),
    ]) {
      const weights = weightsFor(truth, layer, [[2, 3, 2]], (_, size) => random.uniform(size, 0, 1))
      const before = weights.values.values.slice()
      runStep(truth, {
        inputs: [floats([2, 3, 2])],
        weights,
        training: true,
        compute: (ctx, tensors) => {
          const outputs = layer.call(ctx, tensors)
          ctx.finishStep()
          return outputs
        },
      })
      expect(weights.values.values).toEqual(before)
    }
  })

  it('wait for the end of the step', () => {
    const layer = batchNormalization({ momentum: 0.5 })
    const weights = weightsFor(truth, layer, [[2, 1]], () => [1])
    runStep(truth, {
      inputs: [{ shape: [2, 1], data: [2, 6] }],
      weights,
      training: true,
      compute: (ctx, tensors) => {
        const outputs = layer.call(ctx, tensors)
        expect(weights.parameters.map(({ value }) => value.values[0])).toEqual([1, 1, 1, 1])
        ctx.finishStep()
        return outputs
      },
    })
    // Mean 4 and variance 4, each half and half with 1.
    expect(weights.parameters.map(({ name, value }) => [name, value.values[0]])).toEqual([
      ['gamma', 1],
      ['beta', 1],
      ['movingMean', 2.5],
      ['movingVariance', 2.5],
    ])
  })
})

it('configurations make the same layers again', () => {
  const layers = [
    ...[add(), subtract(), multiply(), average(), maximum(), minimum()],
    ...[concatenate({ axis: 1 }), masking({ maskValue: 2 }), repeatVector(3)],
    ...[reshape({ targetShape: [-1, 2] }), permute({ dims: [2, 1] })],
    ...[gaussianNoise({ stddev: 0.1 }), spatialDropout1d({ rate: 0.2 })],
    dropout({ rate: 0.2, noiseShape: [null, 1, null] }),
    layerNormalization({ epsilon: 0.1, center: false, gammaInitializer: 'zeros' }),
    batchNormalization({ momentum: 0.9, scale: false, movingMeanInitializer: 'ones' }),
    layerNormalization({ axis: [1, -1], gammaRegularizer: 'l2', betaConstraint: 'nonNeg' }),
    batchNormalization({ axis: 1, betaRegularizer: 'l1', activityRegularizer: 'l2' }),
    batchNormalization({ renorm: true, renormClipping: { rmax: 3 }, renormMomentum: 0.9 }),
    timeDistributed(timeDistributed(layerNormalization())),
  ]
  for (const layer of layers) {
    layer.name = 'given'
    expect(layerFromConfig(JSON.parse(JSON.stringify(layer.config))).config).toEqual(layer.config)
  }
})

it('gamma and beta have regularizers and constraints', () => {
  const options = { gammaRegularizer: 'l1', betaConstraint: 'nonNeg' } as const
  for (const layer of [layerNormalization(options), batchNormalization(options)]) {
    layer.build([[null, 3]])
    const [gamma, beta] = layer.parameters
    expect(gamma.regularizer).toEqual(l1())
    expect([beta.regularizer, gamma.constraint]).toEqual([null, null])
    expect(beta.constraint).not.toBeNull()
  }
})

describe('errors', () => {
  const [a, b] = [input({ shape: [4, 3] }), input({ shape: [4, 2] })]
  it.each([
    [
      () => add().apply([a]),
      'BAD_SHAPE',
      'add: expected at least 2 inputs, got 1; write add().apply([a, b])',
    ],
    [
      () => add().apply(a as never),
      'BAD_ARGUMENT',
      'add.apply: expected an array of symbolic values, got { shape, dtype, node, name }; ' +
        'write add().apply([a, b])',
    ],
    [
      () => subtract().apply([a, a, a]),
      'BAD_SHAPE',
      'subtract: expected 2 inputs, got 3; write subtract().apply([a, b])',
    ],
    [
      () => multiply().apply([a, b]),
      'BAD_SHAPE',
      'multiply: expected inputs of one shape, got [null, 4, 3] and [null, 4, 2]; ' +
        'dimensions of length 1 are repeated',
    ],
    [
      () => concatenate({ axis: 1 }).apply([a, b]),
      'BAD_SHAPE',
      'concatenate: expected inputs that differ in dimension 1 alone, got [null, 4, 3] and [null, 4, 2]',
    ],
    [
      () => concatenate({ axis: 3 }).apply([a, b]),
      'BAD_ARGUMENT',
      "concatenate 'axis': expected a dimension after the batch of 3, got 3",
    ],
    [
      () => add().apply([a, input({ shape: [4, 3], dtype: 'int32' })]),
      'BAD_ARGUMENT',
      "add: expected numbers (dtype float), got token ids (dtype int32); write input({ shape, dtype: 'float' })",
    ],
    [
      () => permute({ dims: [1, 3] }),
      'BAD_ARGUMENT',
      "permute 'dims': expected the numbers from 1 on in some order, got [1, 3]; " +
        'dims: [2, 1] swaps time and features',
    ],
    [
      () => reshape({ targetShape: [5] }).apply(a),
      'BAD_SHAPE',
      'reshape: expected an input of 5 elements for the shape [5], got [4, 3]',
    ],
    [
      () => reshape({ targetShape: [-1, -1] }),
      'BAD_ARGUMENT',
      "reshape 'targetShape': expected positive whole numbers, one of which may be -1, got [-1, -1]",
    ],
    [
      () => repeatVector(2).apply(a),
      'BAD_SHAPE',
      'repeatVector: expected an input of 2 dimensions [batch, features], got shape [null, 4, 3]',
    ],
    [
      () => layerNormalization({ axis: [2, -1] }).apply(a),
      'BAD_ARGUMENT',
      "layerNormalization 'axis': expected dimensions after the batch, each once, of an input of shape " +
        '[null, 4, 3], got [2, -1]; axis: -1 are the features',
    ],
    [
      () => batchNormalization({ axis: 0 }).apply(a),
      'BAD_ARGUMENT',
      "batchNormalization 'axis': expected dimensions after the batch, each once, of an input of shape " +
        '[null, 4, 3], got [0]; axis: -1 are the features',
    ],
    [
      () => layerNormalization({ axis: 1 }).apply(input({ shape: [null, 3] })),
      'BAD_SHAPE',
      'layerNormalization: the dimension 1, along its axis, must be known, got an input of shape ' +
        '[null, null, 3]; axis: -1 normalizes the features, of sequences of any length',
    ],
    [
      () => {
        const shared = layerNormalization({ axis: 1 })
        shared.apply(b)
        shared.apply(a)
        shared.apply(input({ shape: [5, 3] }))
      },
      'BAD_SHAPE',
      "layerNormalization: the layer's weights are for [4] along its axis, got an input of shape " +
        '[null, 5, 3]; a shared layer takes inputs of one width',
    ],
    [
      () => {
        const layer = batchNormalization({ axis: 1, name: 'normal' })
        runLayers(truth, layer, { inputs: [floats(sequence, gaps)], training: true })
      },
      'BAD_ARGUMENT',
      "normal 'axis': statistics of each time step cannot leave out masked steps; " +
        'axis: -1 takes those of the features',
    ],
    [
      () => batchNormalization({ renormClipping: { rmin: 2, rmax: 1 } }),
      'BAD_ARGUMENT',
      "batchNormalization 'renormClipping': expected rmin of at most rmax, got { rmin, rmax }",
    ],
    [
      () => batchNormalization({ renormClipping: { dmin: 2 } as never }),
      'UNKNOWN_OPTION',
      "batchNormalization 'renormClipping': unknown option 'dmin'; did you mean 'rmin'?",
    ],
    [
      () => gaussianNoise({ stddev: 2 }),
      'BAD_ARGUMENT',
      "gaussianNoise 'stddev': expected a finite number from 0 to 1, got 2",
    ],
    [
      () =>
        timeDistributed(lstm({ units: 2, returnState: true })).apply(input({ shape: [2, 4, 3] })),
      'BAD_ARGUMENT',
      'timeDistributed: expected a layer of one output, lstm has 3',
    ],
  ] as const)('%#', (call, code, message) => {
    expectError(call, code, message)
  })
})
