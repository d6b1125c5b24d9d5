/** Both directions, against Keras's and PyTorch's numbers. */
import { describe, expect, it } from 'vitest'
import { inputsOf, optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import {
  callAll,
  eachKindOfBackend,
  expectError,
  runLayers,
  runStep,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { type BidirectionalOptions, bidirectional } from './bidirectional.ts'
import { dense } from './dense.ts'
import { gru } from './gru.ts'
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

const twoKinds = loadFixture('keras/two-kinds.json')

describe(`${twoKinds.made_by.program} ${twoKinds.made_by.version}, backward_layer`, () => {
  it('has its cases', () => expect(twoKinds.cases).toHaveLength(3))
  eachKindOfBackend((backend) => {
    it.each(twoKinds.cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
      const { arrays } = one
      const { returnSequences, mergeMode, units } = one.options as Record<string, never>
      const shared = { returnSequences, returnState: true } as const
      const backwardLayer = gru({ units, ...shared, goBackwards: true })
      const layer = bidirectional(lstm({ units: 3, ...shared }), { mergeMode, backwardLayer })
      const weights = Object.keys(arrays).filter((name) => /^w\d/.test(name))
      const outputs = ['y', 'f0', 'f1', 'f2']
      const found = runStep(backend, {
        inputs: inputsOf(one),
        weights: weightsOf(
          backend,
          [layer],
          arrays.x.shape,
          weights.map((name) => arrays[name].data),
        ),
        seeds: outputs.map((name) => arrays[`g${name}`].data),
        compute: (ctx, inputs) => layer.call(ctx, inputs),
      })
      const check = (name: string, values: ArrayLike<number>) =>
        expectClose(values, arrays[name].data, toleranceOf(backend), name)
      for (const [i, name] of outputs.entries()) check(name, found.outputs[i])
      for (const [i, name] of weights.entries()) check(`d${name}`, found.weightGradients[i])
      check('dx', found.inputGradients[0])
      const { config } = layer
      expect(layerFromConfig(JSON.parse(JSON.stringify(config))).config).toEqual(config)
    })
  })

  it('takes initial states of both kinds, and gives the shapes', () => {
    const state = (width: number) => ({ shape: [2, width], data: new Float64Array(2 * width) })
    const backwardLayer = gru({ units: 2, goBackwards: true, returnState: true })
    const layer = bidirectional(lstm({ units: 3, returnState: true }), { backwardLayer })
    const x = { shape: [2, 4, 1], data: Float64Array.from({ length: 8 }, (_, i) => Math.sin(i)) }
    const run = (...states: ReturnType<typeof state>[]) =>
      runLayers(truth, layer, { inputs: [x, ...states] })
    expect(layer.outputShapes([[null, null, 1]])).toEqual([
      [null, 5],
      [null, 3],
      [null, 3],
      [null, 2],
    ])
    expect(run(state(3), state(3), state(2)).outputs).toEqual(run().outputs)
  })

  it('has its errors', () => {
    const make = (backwardLayer: unknown, mergeMode?: 'sum') => () =>
      bidirectional(lstm({ units: 3 }), { backwardLayer: backwardLayer as never, mergeMode })
    const where = "bidirectional 'backwardLayer': expected"
    expectError(make(gru({ units: 2 })), 'BAD_ARGUMENT', `${where} a layer with goBackwards: true`)
    expectError(
      make(gru({ units: 2, goBackwards: true, returnSequences: true })),
      'BAD_ARGUMENT',
      `${where} returnSequences: false, as the other layer has it`,
    )
    expectError(
      make(3),
      'BAD_ARGUMENT',
      `${where} a recurrent layer such as lstm({ units: 64, goBackwards: true }), got 3`,
    )
    expectError(
      () => make(gru({ units: 2, goBackwards: true }), 'sum')().outputShapes([[null, null, 1]]),
      'BAD_SHAPE',
      "bidirectional: mergeMode 'sum' expected outputs of one width, got 3 and 2; " +
        "mergeMode: 'concat' joins outputs of any widths",
    )
  })
})

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
