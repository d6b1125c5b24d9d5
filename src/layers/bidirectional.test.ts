/** Both directions, against Keras's and PyTorch's numbers. */
import { describe, expect, it } from 'vitest'
import { inputsOf, optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { callAll, expectError, runStep, weightsOf } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { type BidirectionalOptions, bidirectional } from './bidirectional.ts'
import { dense } from './dense.ts'
import type { Layer } from './layer.ts'
import { type LstmOptions, lstm } from './lstm.ts'
import type { RecurrentLayer } from './recurrent.ts'
import { layerFromConfig } from './registry.ts'

const weightNames = ['forward', 'backward'].flatMap((direction) =>
  ['Kernel', 'RecurrentKernel', 'Bias'].map((part) => `${direction}${part}`),
)
const stateNames = ['forwardH0', 'forwardC0', 'backwardH0', 'backwardC0']
const outputNames = [
  ...['y', 'yForward', 'yBackward'],
  ...['forwardHT', 'forwardCT', 'backwardHT', 'backwardCT'],
]

/** Runs a case through a chain of layers and compares all that it gives. */
function expectCase(
  backend: Backend,
  fixture: FixtureCase,
  chain: readonly Layer[],
  /** The names of the weights, in order, and of their gradients. */
  weights: readonly (readonly [name: string, gradient: string])[],
) {
  const { arrays } = fixture
  const outputs = outputNames.filter((name) => arrays[name])
  const inputs = ['x', ...stateNames.filter((name) => arrays[name])]
  const values = weights.map(([name]) => arrays[name].data)
  const found = runStep(backend, {
    inputs: inputsOf(fixture, stateNames),
    weights: weightsOf(backend, chain, arrays.x.shape, values),
    seeds: outputs.map((name) => arrays[`g${name}`].data),
    compute: (ctx, tensors) => callAll(ctx, chain, tensors),
  })
  const tolerance = toleranceOf(backend)
  expect(found.shapes).toEqual(outputs.map((name) => arrays[name].shape))
  outputs.forEach((name, i) => {
    expectClose(found.outputs[i], arrays[name].data, tolerance, name)
  })
  inputs.forEach((name, i) => {
    expectClose(found.inputGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
  })
  weights.forEach(([, gradient], i) => {
    expectClose(found.weightGradients[i], arrays[gradient].data, tolerance, gradient)
  })
}

const keras = loadFixture('keras/bidirectional.json')
const pytorch = loadFixture('pytorch/bidirectional.json')

function suite(backend: Backend) {
  describe(`${keras.made_by.program} ${keras.made_by.version}`, () => {
    it('has its cases', () => expect(keras.cases.length).toBeGreaterThanOrEqual(18))
    for (const fixture of keras.cases) {
      it(fixture.name, () => {
        const options = optionsOf(fixture, [
          ...['units', 'activation', 'recurrentActivation', 'returnSequences', 'returnState'],
        ]) as unknown as LstmOptions
        const mergeMode = (fixture.options.mergeMode ?? 'none') as BidirectionalOptions['mergeMode']
        const layer = bidirectional(lstm(options), { mergeMode })
        const weights = weightNames.map((name) => [name, `d${name}`] as const)
        expectCase(backend, fixture, [layer], weights)
      })
    }
  })

  describe(`${pytorch.made_by.program} ${pytorch.made_by.version}`, () => {
    it('has its cases', () => expect(pytorch.cases.length).toBeGreaterThanOrEqual(3))
    for (const fixture of pytorch.cases) {
      it(fixture.name, () => {
        const { units, layers } = fixture.options as { units: number; layers: number }
        const chain = Array.from({ length: layers }, (_, i) =>
          bidirectional(lstm({ units, returnSequences: true, returnState: i === layers - 1 })),
        )
        const weights = chain.flatMap((_, i) => {
          const prefix = layers > 1 ? `layer${i}.` : ''
          return weightNames.map((name) => [`${prefix}${name}`, `${prefix}d${name}`] as const)
        })
        expectCase(backend, fixture, chain, weights)
      })
    }
  })
}

describe('reference float64', () => suite(truth))
eachBackend(suite)

describe('the layer inside', () => {
  it('keeps its options, in both directions and through a file', () => {
    const inner = lstm({ units: 3, dropout: 0.25, unitForgetBias: false, trainable: false })
    const layer = bidirectional(inner, { mergeMode: 'ave', name: 'both' })
    layer.build([[null, null, 2]])
    layer.nameParameters(layer.name)
    expect(layer.parameters.map(({ path, trainable }) => [path, trainable])).toEqual(
      ['forward', 'backward'].flatMap((direction) =>
        ['kernel', 'recurrentKernel', 'bias'].map((part) => [`both/${direction}/${part}`, false]),
      ),
    )
    const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
    expect(again.config).toEqual(layer.config)
    const { layer: config } = layer.config.options as { layer: { options: object } }
    expect(config.options).toMatchObject({ units: 3, dropout: 0.25, unitForgetBias: false })
  })

  it('gives its input shape', () => {
    expect(bidirectional(lstm({ units: 3, inputShape: [null, 2] })).inputShape).toEqual([null, 2])
  })

  it('gives its output shapes', () => {
    const shapes = (options: Partial<LstmOptions>, mergeMode?: BidirectionalOptions['mergeMode']) =>
      bidirectional(lstm({ units: 3, ...options }), { mergeMode }).outputShapes([[null, 7, 2]])
    expect(shapes({})).toEqual([[null, 6]])
    expect(shapes({ returnSequences: true }, 'sum')).toEqual([[null, 7, 3]])
    const state = [null, 3]
    expect(shapes({ returnState: true }, 'none')).toEqual([
      ...[state, state],
      ...[state, state, state, state],
    ])
  })
})

describe('errors', () => {
  it('a layer that is not recurrent', () => {
    expectError(
      () => bidirectional(dense({ units: 2 }) as unknown as RecurrentLayer),
      'BAD_ARGUMENT',
      'bidirectional: expected a recurrent layer such as lstm({ units: 64 }), ' +
        `got { ${Object.keys(dense({ units: 2 })).join(', ')} }`,
    )
  })

  it('a layer that reads backwards', () => {
    expectError(
      () => bidirectional(lstm({ units: 2, goBackwards: true })),
      'BAD_ARGUMENT',
      'bidirectional: expected a layer without goBackwards; ' +
        'it reads the sequence in both directions anyway',
    )
  })

  it('options', () => {
    expectError(
      () => bidirectional(lstm({ units: 2 }), { mergeMode: 'average' as 'ave' }),
      'UNKNOWN_OPTION',
      "bidirectional 'mergeMode': unknown mode 'average'; known: concat, sum, mul, ave, none",
    )
    expectError(
      () => bidirectional(lstm({ units: 2 }), { mergemode: 'sum' } as BidirectionalOptions),
      'UNKNOWN_OPTION',
      "bidirectional: unknown option 'mergemode'; did you mean 'mergeMode'?",
    )
  })
})
