/** The layers that are not recurrent, against Keras's numbers; dropout by its definition; errors. */
import { describe, expect, it } from 'vitest'
import { inputsOf, optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { callAll, expectError, runLayers, runStep, weightsOf } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import { activationCodes, type Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { type ActivationName, activation } from './activation.ts'
import { type DenseOptions, dense } from './dense.ts'
import { type DropoutOptions, dropout } from './dropout.ts'
import { type EmbeddingOptions, embedding } from './embedding.ts'
import { flatten } from './flatten.ts'
import type { Layer } from './layer.ts'
import { lstm } from './lstm.ts'
import { globalAveragePooling1d, globalMaxPooling1d } from './pooling.ts'
import { layerFromConfig } from './registry.ts'
import { timeDistributed } from './time-distributed.ts'

const weightNames = ['kernel', 'bias', 'embeddings']

/** The layers of a case. */
function layersOf(fixture: FixtureCase): Layer[] {
  const make = (kind: unknown): Layer => {
    switch (kind) {
      case 'dense': {
        const options = optionsOf(fixture, ['units', 'activation', 'useBias'])
        return dense(options as unknown as DenseOptions)
      }
      case 'activation':
        return activation(optionsOf(fixture, ['activation']).activation as ActivationName)
      case 'embedding': {
        const options = optionsOf(fixture, ['inputDim', 'outputDim', 'maskZero'])
        return embedding(options as unknown as EmbeddingOptions)
      }
      case 'timeDistributed':
        return timeDistributed(make(fixture.options.inner))
      case 'globalAveragePooling1d':
        return globalAveragePooling1d()
      case 'globalMaxPooling1d':
        return globalMaxPooling1d()
      case 'flatten':
        return flatten()
      default:
        throw new Error(`no layer ${kind}`)
    }
  }
  const { layer, then } = fixture.options
  return then ? [make(layer), make(then)] : [make(layer)]
}

const fixture = loadFixture('keras/layers.json')

function suite(backend: Backend) {
  it('has its cases', () => expect(fixture.cases.length).toBeGreaterThanOrEqual(49))
  for (const fixtureCase of fixture.cases) {
    it(fixtureCase.name, () => {
      const { arrays } = fixtureCase
      const layers = layersOf(fixtureCase)
      const weights = weightNames.filter((name) => arrays[name])
      const [x] = inputsOf(fixtureCase)
      const found = runLayers(backend, layers, {
        inputs: [{ ...x, dtype: layers[0].inputType }],
        weights: weights.map((name) => arrays[name].data),
        seeds: [arrays.gy.data],
      })
      const tolerance = toleranceOf(backend)
      expect(found.shapes).toEqual([arrays.y.shape])
      expectClose(found.outputs[0], arrays.y.data, tolerance, 'y')
      if (arrays.dx) expectClose(found.inputGradients[0], arrays.dx.data, tolerance, 'dx')
      weights.forEach((name, i) => {
        expectClose(found.weightGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
      })
    })
  }
}

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
})

describe('masks', () => {
  const x = { shape: [2, 3, 2], data: new Random(1).uniform(12), mask: [1, 1, 0, 1, 0, 1] }
  const masksAfter = (...layers: Layer[]) =>
    runLayers(truth, layers, { inputs: [x], training: true }).masks

  it.each([
    dense({ units: 4 }),
    dense({ units: 4, activation: 'relu' }),
    activation('tanh'),
    activation('linear'),
    dropout({ rate: 0.5 }),
    dropout({ rate: 0 }),
    timeDistributed(dense({ units: 1 })),
    lstm({ units: 2, returnSequences: true }),
  ])('pass through $kind', (layer) => {
    expect(masksAfter(layer)).toEqual([Int32Array.from(x.mask)])
  })

  it.each([globalAveragePooling1d(), globalMaxPooling1d(), flatten(), lstm({ units: 2 })])(
    'end at $kind',
    (layer) => {
      expect(masksAfter(layer)).toEqual([null])
    },
  )

  it('come from maskZero, and join a mask that is there', () => {
    const ids = { shape: [2, 3], dtype: 'int32', data: [3, 0, 1, 0, 0, 2] } as const
    const masks = (maskZero: boolean, mask: number[] | null) =>
      runLayers(truth, embedding({ inputDim: 4, outputDim: 2, maskZero }), {
        inputs: [{ ...ids, mask }],
      }).masks
    expect(masks(false, null)).toEqual([null])
    expect(masks(true, null)).toEqual([Int32Array.of(1, 0, 1, 0, 0, 1)])
    expect(masks(false, [1, 1, 0, 1, 1, 1])).toEqual([Int32Array.of(1, 1, 0, 1, 1, 1)])
    expect(masks(true, [1, 1, 0, 1, 1, 1])).toEqual([Int32Array.of(1, 0, 0, 0, 0, 1)])
  })

  it('globalMaxPooling1d sees valid steps only, and gives 0 for none', () => {
    const data = [1, 2, 3, -1, -2, -3]
    const pool = (mask: number[]) =>
      runLayers(truth, globalMaxPooling1d(), { inputs: [{ shape: [2, 3, 1], data, mask }] })
    expect(pool([1, 1, 0, 0, 1, 1]).outputs[0]).toEqual(Float64Array.of(2, -2))
    expect(pool([1, 1, 1, 0, 0, 0]).outputs[0]).toEqual(Float64Array.of(3, 0))
  })
})

describe('dropout', () => {
  const n = 20_000
  const run = (backend: Backend, rate: number, { seed = 1, step = 0, training = true } = {}) =>
    runLayers(backend, dropout({ rate }), {
      inputs: [{ shape: [4, n / 4], data: new Float64Array(n).fill(2) }],
      seeds: [new Float64Array(n).fill(3)],
      training,
      random: { seed, step },
    })

  it.each([0.1, 0.5, 0.75])('rate %d: that share is 0, the expectation stays', (rate) => {
    const { outputs, inputGradients } = run(truth, rate)
    const kept = outputs[0].filter((y) => y !== 0)
    for (const y of kept) expect(y).toBeCloseTo(2 / (1 - rate), 12)
    const deviation = Math.sqrt((rate * (1 - rate)) / n)
    expect(Math.abs(1 - kept.length / n - rate)).toBeLessThan(4 * deviation)
    const mean = outputs[0].reduce((sum, y) => sum + y, 0) / n
    expect(Math.abs(mean - 2)).toBeLessThan((4 * 2 * deviation) / (1 - rate))
    // The gradient goes back by the same mask.
    expectClose(
      inputGradients[0],
      outputs[0].map((y) => y * 1.5),
      { relative: 1e-15 },
    )
  })

  it('differs by seed, by step and by use', () => {
    const [y] = run(truth, 0.5).outputs
    expect(run(truth, 0.5).outputs[0]).toEqual(y)
    expect(run(truth, 0.5, { seed: 2 }).outputs[0]).not.toEqual(y)
    expect(run(truth, 0.5, { step: 1 }).outputs[0]).not.toEqual(y)
    const twice = runStep(truth, {
      inputs: [{ shape: [1, 64], data: new Float64Array(64).fill(1) }],
      compute: (ctx, x) => [0, 1].flatMap(() => callAll(ctx, [dropout({ rate: 0.5 })], x)),
      training: true,
    })
    expect(twice.outputs[0]).not.toEqual(twice.outputs[1])
  })

  it('does nothing outside of training', () => {
    const { outputs, inputGradients } = run(truth, 0.5, { training: false })
    expect(new Set(outputs[0])).toEqual(new Set([2]))
    expect(new Set(inputGradients[0])).toEqual(new Set([3]))
  })

  const expected = run(referenceBackend(), 0.3)
  eachBackend((backend) => {
    it('has the same bits', () => expect(run(backend, 0.3)).toEqual(expected))
  })
})

describe('a file brings back', () => {
  it.each([
    dense({ units: 4, activation: 'relu', useBias: false, kernelInitializer: 'heNormal' }),
    activation({ activation: 'softsign', name: 'soft' }),
    embedding({ inputDim: 5, outputDim: 2, maskZero: true }),
    dropout({ rate: 0.5 }),
    flatten(),
    globalAveragePooling1d(),
    globalMaxPooling1d({ name: 'highest' }),
    timeDistributed(dense({ units: 2 })),
    lstm({
      units: 3,
      recurrentDropout: 0.5,
      goBackwards: true,
      recurrentInitializer: { name: 'orthogonal', gain: 2 },
    }),
  ])('$kind', (layer) => {
    const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
    expect(again.config).toEqual(layer.config)
    expect(again.constructor).toBe(layer.constructor)
  })

  it('no layer that does not exist', () => {
    const make = (kind: string) => () => layerFromConfig({ kind, name: 'a', options: {} })
    const own = '(your own come by loadModel(path, { customLayers: { lsmt } }))'
    expectError(make('lsmt'), 'BAD_FILE', `unknown layer 'lsmt'; did you mean 'lstm'? ${own}`)
    expect(make('constructor')).toThrow(
      /^unknown layer 'constructor'; known: activation, .*dense, /,
    )
  })
})

describe('errors', () => {
  const known = [...Object.keys(activationCodes), 'softmax', 'logSoftmax'].join(', ')
  it.each([
    [
      () => dense({ units: 0 }),
      'BAD_ARGUMENT',
      "dense 'units': expected a whole number of at least 1, got 0",
    ],
    [
      () => dense({ units: '8' as unknown as number }),
      'BAD_ARGUMENT',
      "dense 'units': expected a whole number of at least 1, got '8'",
    ],
    [
      () => dense(8 as unknown as DenseOptions),
      'BAD_ARGUMENT',
      'dense: expected an object of options, got 8; write dense({ … })',
    ],
    [
      () => dense({ units: 8, activaton: 'relu' } as DenseOptions),
      'UNKNOWN_OPTION',
      "dense: unknown option 'activaton'; did you mean 'activation'?",
    ],
    [
      () => dense({ units: 8, activation: 'sigmod' as 'sigmoid' }),
      'UNKNOWN_OPTION',
      "dense 'activation': unknown activation 'sigmod'; did you mean 'sigmoid'?",
    ],
    [
      () => activation('constructor' as 'relu'),
      'UNKNOWN_OPTION',
      `activation 'activation': unknown activation 'constructor'; known: ${known}`,
    ],
    [
      () => dense({ units: 8, kernelInitializer: 'glorot' as 'glorotNormal' }),
      'UNKNOWN_OPTION',
      "dense 'kernelInitializer': unknown initializer 'glorot'; known: zeros, ones, constant, " +
        'randomUniform, randomNormal, truncatedNormal, glorotUniform, glorotNormal, heUniform, ' +
        'heNormal, lecunUniform, lecunNormal, varianceScaling, orthogonal, identity',
    ],
    [
      () => dropout({ rate: 1 }),
      'BAD_ARGUMENT',
      "dropout 'rate': expected a number from 0 to below 1, got 1",
    ],
    [
      () => dropout({ rate: Number.NaN }),
      'BAD_ARGUMENT',
      "dropout 'rate': expected a number from 0 to below 1, got NaN",
    ],
    [
      () => dropout({} as DropoutOptions),
      'BAD_ARGUMENT',
      "dropout 'rate': expected a number from 0 to below 1, got undefined",
    ],
    [
      () => embedding({ inputDim: 5, outputdim: 3 } as unknown as EmbeddingOptions),
      'UNKNOWN_OPTION',
      "embedding: unknown option 'outputdim'; did you mean 'outputDim'?",
    ],
    [
      () => timeDistributed('dense' as unknown as Layer),
      'BAD_ARGUMENT',
      "timeDistributed: expected a layer such as dense({ units: 8 }), got 'dense'",
    ],
  ] as const)('%s', (call, code, message) => expectError(call, code, message))

  it('a wrong rank', () => {
    const shapes = (layer: Layer, shape: (number | null)[]) => () => layer.outputShapes([shape])
    expectError(
      shapes(globalAveragePooling1d(), [null, 3]),
      'BAD_SHAPE',
      'globalAveragePooling1d: expected an input of 3 dimensions [batch, time, features], got shape ' +
        '[null, 3]; a recurrent layer before this one would need returnSequences: true',
    )
    expectError(
      shapes(timeDistributed(dense({ units: 1 })), [null, 3]),
      'BAD_SHAPE',
      'timeDistributed: expected an input of at least 3 dimensions [batch, time, …], ' +
        'got shape [null, 3]',
    )
    expectError(
      shapes(flatten({ name: 'flat' }), [null, null, 3]),
      'BAD_SHAPE',
      'flat: expected known dimensions after the batch, got [null, null, 3]; ' +
        'pool over time instead, or give sequences of a fixed length',
    )
    expectError(
      shapes(dense({ units: 1 }), [null, null]),
      'BAD_SHAPE',
      "dense: the input's last dimension must be known, got shape [null, null]",
    )
  })

  it.each([4, -1])('an id out of range: %i', (id) => {
    const layer = embedding({ inputDim: 4, outputDim: 2, name: 'words' })
    const inputs = [{ shape: [2, 3], dtype: 'int32', data: [3, 0, 1, 0, id, 2] }] as const
    expectError(
      () => runLayers(truth, layer, { inputs }),
      'BAD_DATA',
      `words: expected ids from 0 to 3, got ${id} at position 1 of a row; ` +
        'raise inputDim, or map unknown tokens to a reserved id',
    )
  })

  it('apply of a tensor', () => {
    expectError(
      () => dense({ units: 1 }).apply([1, 2] as never),
      'BAD_ARGUMENT',
      "dense.apply: expected the result of input() or of another layer's apply, got [1, 2]",
    )
  })

  it('weights that do not fit leave the old ones', () => {
    const layer = dense({ units: 2, name: 'head' })
    weightsOf(truth, [layer], [1, 2])
    const before = layer.getWeights()
    expectError(
      () => layer.setWeights([[1, 2, 3, 4], [1]]),
      'BAD_SHAPE',
      "head.setWeights: expected shape [2] for 'bias', got [1]",
    )
    expect(layer.getWeights()).toEqual(before)
  })
})
