/** gru and simpleRnn against Keras's and PyTorch's numbers, and what only a layer can get wrong. */
import { describe, expect, it } from 'vitest'
import { optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import {
  bidirectionalNames,
  expectCase,
  singleNames,
  weightNames,
} from '../../test/fixtures/recurrent.ts'
import {
  callAll,
  expectError,
  runLayers,
  runStep,
  type StepResult,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { type BidirectionalOptions, bidirectional } from './bidirectional.ts'
import { Gru, type GruOptions, gru } from './gru.ts'
import type { RecurrentLayer } from './recurrent.ts'
import { layerFromConfig } from './registry.ts'
import { SimpleRnn, type SimpleRnnOptions, simpleRnn } from './simple-rnn.ts'

/** Layers whose fused path is barred. */
class ComposedGru extends Gru {
  override path() {
    return { fused: false, reason: 'barred' }
  }
}
class ComposedRnn extends SimpleRnn {
  override path() {
    return { fused: false, reason: 'barred' }
  }
}

const classes = {
  fused: { gru: Gru, simpleRnn: SimpleRnn },
  composed: { gru: ComposedGru, simpleRnn: ComposedRnn },
}
const paths = ['fused', 'composed'] as const

const onTruthToo = (suite: (backend: Backend) => void) => {
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
}

type Made = (path: keyof typeof classes, more?: object) => Gru | SimpleRnn

/** Makes the case's layer; null if it has no such path. */
function layerOf(fixture: FixtureCase): Made {
  const options = optionsOf(fixture, [
    ...['units', 'activation', 'recurrentActivation', 'resetAfter', 'useBias', 'dropout'],
    ...['recurrentDropout', 'returnSequences', 'returnState', 'goBackwards'],
  ]) as unknown as GruOptions
  const { layer } = fixture.options as { layer: 'gru' | 'simpleRnn' }
  return (path, more = {}) => new classes[path][layer]({ ...options, ...more })
}

/** The paths that the case's layer can take. */
const pathsOf = (make: Made) =>
  paths.filter((path) => path === 'composed' || make(path).path(false).fused)

function kerasSuite(backend: Backend, file: string, count: number): void {
  const { cases, made_by } = loadFixture(file)
  describe(`${made_by.program} ${made_by.version}`, () => {
    it('has its cases', () => expect(cases.length).toBeGreaterThanOrEqual(count))
    for (const fixture of cases) {
      const make = layerOf(fixture)
      for (const path of pathsOf(make)) {
        it(`${fixture.name}, ${path}`, () => {
          if (!('mergeMode' in fixture.options)) {
            const layer = make(path)
            expectCase(backend, fixture, [layer], singleNames, (ctx, x) => layer.call(ctx, x))
            return
          }
          const mergeMode = fixture.options.mergeMode as BidirectionalOptions['mergeMode']
          const layer = bidirectional(make(path), { mergeMode })
          expectCase(backend, fixture, [layer], bidirectionalNames, (ctx, x) => layer.call(ctx, x))
        })
      }
    }
  })
}

const pytorch = loadFixture('pytorch/gru.json')

/** PyTorch's own stacks; states come and go by layer, then direction. */
function pytorchSuite(backend: Backend): void {
  describe(`${pytorch.made_by.program} ${pytorch.made_by.version}`, () => {
    it('has its cases', () => expect(pytorch.cases.length).toBeGreaterThanOrEqual(12))
    for (const fixture of pytorch.cases) {
      const make = layerOf(fixture)
      const options = fixture.options as { layers: number; bidirectional: boolean }
      const directions = options.bidirectional ? ['forward', 'backward'] : ['forward']
      const numbers = Array.from({ length: options.layers }, (_, i) => i)
      const of = (parts: readonly string[]) =>
        numbers.flatMap((i) =>
          directions.flatMap((direction) => parts.map((part) => `layer${i}.${direction}.${part}`)),
        )
      const names = { weights: of(weightNames), states: of(['h0']), outputs: ['y', ...of(['hT'])] }
      for (const path of pathsOf(make)) {
        it(`${fixture.name}, ${path}`, () => {
          const one = () => make(path, { returnSequences: true, returnState: true })
          // What is inside `bidirectional` gives zeros at padded steps, as PyTorch does everywhere.
          const layers = numbers.map(() => (options.bidirectional ? bidirectional(one()) : one()))
          expectCase(backend, fixture, layers, names, (ctx, [x, ...initial]) => {
            const finals = []
            let y = x
            for (const [i, layer] of layers.entries()) {
              const own = initial.slice(i * directions.length, (i + 1) * directions.length)
              const zeroMasked = { reverse: false, zeroMasked: true }
              if (options.bidirectional) {
                const [output, ...states] = layer.call(ctx, [y, ...own])
                y = output
                finals.push(...states)
              } else {
                const found = (layer as RecurrentLayer).output(ctx, y, own, zeroMasked)
                y = found.output
                finals.push(...found.states)
              }
            }
            return [y, ...finals]
          })
        })
      }
    }
  })
}

onTruthToo((backend) => {
  kerasSuite(backend, 'keras/gru.json', 39)
  kerasSuite(backend, 'keras/simple-rnn.json', 33)
  pytorchSuite(backend)
})

describe('dropout', () => {
  const units = 4
  const features = 24
  const random = new Random(5)
  const x = { shape: [1, 5, features] as const, data: random.uniform(5 * features) }
  const state = { shape: [1, units], data: random.uniform(units, 0.5, 1) }
  const all = { units, returnSequences: true, returnState: true }
  const kinds = {
    gru: { gates: 3, biases: 2, make: (options: object) => new Gru({ ...all, ...options }) },
    'gru, reset before': {
      ...{ gates: 3, biases: 1 },
      make: (options: object) => new Gru({ ...all, resetAfter: false, ...options }),
    },
    simpleRnn: {
      ...{ gates: 1, biases: 1 },
      make: (options: object) => new SimpleRnn({ ...all, ...options }),
    },
  }

  onTruthToo((backend) => {
    describe.each(Object.entries(kinds))('%s', (_name, { gates, biases, make }) => {
      const width = gates * units
      const weights = [
        random.uniform(features * width, -0.5, 0.5),
        random.uniform(units * width, -0.5, 0.5),
        random.uniform(biases * width),
      ]
      const run = (options: object, given = weights, training = true) =>
        runLayers(backend, make(options), {
          inputs: [x, state],
          weights: given,
          training,
          random: { seed: 1, step: 3 },
        })
      // For the one row of x, a mask on an input is a mask on that input's row of weights.
      const kept = (gradient: Float64Array, rows: number) =>
        Array.from({ length: rows }, (_, row) =>
          Array.from({ length: gates }, (_, gate) => {
            const start = row * width + gate * units
            return gradient.subarray(start, start + units).every((v) => v === 0) ? 0 : 1
          }),
        )
      const scaled = (values: Float64Array, flags: number[][], rate: number) =>
        values.map((value, i) => {
          const flag = flags[Math.floor(i / width)][Math.floor((i % width) / units)]
          return (value * flag) / (1 - rate)
        })
      const expectSame = (found: StepResult, wanted: StepResult) => {
        found.outputs.forEach((values, i) => {
          expectClose(values, wanted.outputs[i], toleranceOf(backend), `output ${i}`)
        })
      }

      it('on the inputs: one mask for all steps and gates', () => {
        const found = run({ dropout: 0.4 })
        const flags = kept(found.weightGradients[0], features)
        for (const row of flags) expect(new Set(row).size).toBe(1)
        expect(new Set(flags.flat())).toEqual(new Set([0, 1]))
        const [kernel, ...rest] = weights
        expectSame(found, run({}, [scaled(kernel, flags, 0.4), ...rest]))
      })

      it('on both: masks for each gate', () => {
        const found = run({ dropout: 0.3, recurrentDropout: 0.4 })
        const ofX = kept(found.weightGradients[0], features)
        const ofH = kept(found.weightGradients[1], units)
        if (gates > 1) expect(ofX.some((row) => new Set(row).size === 2)).toBe(true)
        expect(new Set(ofH.flat())).toEqual(new Set([0, 1]))
        const [kernel, recurrent, bias] = weights
        const plain = [scaled(kernel, ofX, 0.3), scaled(recurrent, ofH, 0.4), bias]
        expectSame(found, run({}, plain))
      })

      it('does nothing outside of training', () => {
        const found = run({ dropout: 0.3, recurrentDropout: 0.4 }, weights, false)
        expect(found.outputs).toEqual(run({}, weights, false).outputs)
      })
    })
  })
})

describe('packed weights', () => {
  const inputs = [{ shape: [2, 3, 4], data: new Random(1).uniform(24) }]
  eachBackend((backend) => {
    it.each([
      ['gru', () => gru({ units: 5 })],
      ['gru, reset before', () => gru({ units: 5, resetAfter: false })],
      ['simpleRnn', () => simpleRnn({ units: 5 })],
    ])('of %s follow setWeights, predictions and training in turn', (_name, make) => {
      const layer = make()
      const weights = weightsOf(backend, [layer], inputs[0].shape)
      const random = new Random(2)
      const draw = () => weights.parameters.map(({ size }) => random.uniform(size))
      const [before, after] = [draw(), draw()]
      const run = (gradients: boolean) => {
        const compute = layer.call.bind(layer)
        const found = runStep(backend, { inputs, weights, compute }, gradients)
        return [found.outputs, found.inputGradients, gradients && found.weightGradients]
      }
      const fresh = (values: Float64Array[], gradients: boolean) => {
        const own = make()
        const set = weightsOf(backend, [own], inputs[0].shape, values)
        const compute = own.call.bind(own)
        const found = runStep(backend, { inputs, weights: set, compute }, gradients)
        return [found.outputs, found.inputGradients, gradients && found.weightGradients]
      }
      for (const [values, gradients] of [
        [before, false],
        [before, true],
        [after, true],
        [after, false],
        [before, false],
        [before, true],
      ] as const) {
        layer.setWeights(values)
        expect(run(gradients)).toEqual(fresh(values, gradients))
      }
    })
  })
})

describe('options', () => {
  it('pass through a file, alone and in both directions', () => {
    const options: GruOptions = {
      ...{ units: 3, dropout: 0.25, recurrentDropout: 0.1, resetAfter: false, useBias: false },
      ...{ activation: 'relu', recurrentActivation: 'hardSigmoid', kernelInitializer: 'heNormal' },
    }
    for (const layer of [
      gru({ ...options, goBackwards: true, returnState: true }),
      simpleRnn({ units: 2, activation: 'elu', returnSequences: true, dropout: 0.5 }),
      bidirectional(gru(options)),
      bidirectional(simpleRnn({ units: 2, trainable: false })),
    ]) {
      const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
      expect(again.config).toEqual(layer.config)
    }
    const { kernelInitializer, ...plain } = options
    expect(gru(options).options()).toMatchObject(plain)
  })

  it('have Keras defaults', () => {
    const common = {
      ...{ activation: 'tanh', useBias: true, dropout: 0, recurrentDropout: 0 },
      ...{ returnSequences: false, returnState: false, goBackwards: false },
    }
    const gates = { recurrentActivation: 'sigmoid', resetAfter: true }
    expect(gru({ units: 2 }).options()).toMatchObject({ ...common, ...gates })
    expect(simpleRnn({ units: 2 }).options()).toMatchObject(common)
  })

  it('decide the shapes of the weights', () => {
    const shapes = (layer: Gru | SimpleRnn) => {
      layer.build([[null, null, 5]])
      return layer.parameters.map(({ name, shape }) => [name, shape])
    }
    const kernels = [
      ['kernel', [5, 9]],
      ['recurrentKernel', [3, 9]],
    ]
    expect(shapes(gru({ units: 3 }))).toEqual([...kernels, ['bias', [2, 9]]])
    expect(shapes(gru({ units: 3, resetAfter: false }))).toEqual([...kernels, ['bias', [9]]])
    expect(shapes(gru({ units: 3, useBias: false }))).toEqual(kernels)
    expect(shapes(simpleRnn({ units: 3 }))).toEqual([
      ['kernel', [5, 3]],
      ['recurrentKernel', [3, 3]],
      ['bias', [3]],
    ])
  })

  it.each([
    [
      'BAD_ARGUMENT',
      () => gru({} as GruOptions),
      "gru 'units': expected a whole number of at least 1, got undefined",
    ],
    [
      'UNKNOWN_OPTION',
      () => gru({ units: 2, reset_after: true } as GruOptions),
      "gru: unknown option 'reset_after'; did you mean 'resetAfter'?",
    ],
    [
      'UNKNOWN_OPTION',
      () => gru({ units: 2, recurrentActivation: 'sigmod' as 'sigmoid' }),
      "gru 'recurrentActivation': unknown activation 'sigmod'; did you mean 'sigmoid'?",
    ],
    [
      'UNKNOWN_OPTION',
      () => simpleRnn({ units: 2, recurrentDroput: 0.5 } as SimpleRnnOptions),
      "simpleRnn: unknown option 'recurrentDroput'; did you mean 'recurrentDropout'?",
    ],
    [
      'BAD_ARGUMENT',
      () => simpleRnn({ units: 2, dropout: 1 }),
      "simpleRnn 'dropout': expected a number from 0 to below 1, got 1",
    ],
  ] as const)('%s: %s', (code, make, message) => {
    expectError(make, code, message)
  })

  it('a simple RNN has no gates', () => {
    const options = { units: 2, recurrentActivation: 'tanh' } as SimpleRnnOptions
    expect(() => simpleRnn(options)).toThrow("simpleRnn: unknown option 'recurrentActivation'")
  })

  it('an initial state that does not fit', () => {
    const state = (...shape: number[]) => ({ shape, data: new Float64Array(shape[0] * shape[1]) })
    const run = (...states: ReturnType<typeof state>[]) =>
      runLayers(truth, gru({ units: 5, name: 'reader' }), {
        inputs: [{ shape: [2, 3, 4], data: new Float64Array(24) }, ...states],
      })
    expectError(
      () => run(state(2, 4)),
      'BAD_SHAPE',
      'reader: expected an initial state of shape [2, 5], got [2, 4]',
    )
    expectError(
      () => run(state(2, 5), state(2, 5)),
      'BAD_SHAPE',
      'reader: expected 1 initial states or none, got 2',
    )
  })
})

describe('in a chain', () => {
  it('masks pass on', () => {
    const mask = [1, 1, 0, 0, 0, 1]
    const x = { shape: [2, 3, 2], data: new Random(4).uniform(12), mask }
    const layers = [
      gru({ units: 3, returnSequences: true }),
      simpleRnn({ units: 2, returnSequences: true }),
    ]
    const found = runStep(truth, {
      inputs: [x],
      weights: weightsOf(truth, layers, x.shape),
      compute: (ctx, inputs) => callAll(ctx, layers, inputs),
    })
    expect(found.masks).toEqual([Int32Array.from(mask)])
  })
})
