/** The LSTM layer, against PyTorch's and Keras's numbers, and what only a layer can get wrong. */
import { describe, expect, it } from 'vitest'
import { inputsOf, optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import {
  expectError,
  runLayers,
  runStep,
  type StepResult,
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { wasmBackend, whyNoWasm } from '../kernels/wasm/wasm.ts'
import type { Context } from '../tensor/context.ts'
import { Random as TensorRandom } from '../tensor/random.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { bidirectional } from './bidirectional.ts'
import type { Layer } from './layer.ts'
import { Lstm, type LstmOptions, lstm } from './lstm.ts'

const weightNames = ['kernel', 'recurrentKernel', 'bias']
const stateNames = ['h0', 'c0']

/** An LSTM whose fused path is barred. */
class ComposedLstm extends Lstm {
  override path() {
    return { fused: false, reason: 'barred' }
  }
}

const classes = { fused: Lstm, composed: ComposedLstm }

/** The case's outputs and gradients, against what a run found. */
function expectCase(backend: Backend, fixture: FixtureCase, found: StepResult): void {
  const { arrays } = fixture
  const outputs = ['y', 'hT', 'cT'].filter((name) => arrays[name])
  const gradients = weightNames.filter((name) => arrays[name])
  const inputs = ['x', ...stateNames.filter((name) => arrays[name])]
  const tolerance = toleranceOf(backend)
  const check = (name: string, values: ArrayLike<number>) => {
    expectClose(values, arrays[name].data, tolerance, name)
  }
  expect(found.outputs).toHaveLength(outputs.length)
  outputs.forEach((name, i) => {
    expect(found.shapes[i], name).toEqual(arrays[name].shape)
    check(name, found.outputs[i])
  })
  inputs.forEach((name, i) => {
    check(`d${name}`, found.inputGradients[i])
  })
  gradients.forEach((name, i) => {
    check(`d${name}`, found.weightGradients[i])
  })
}

/** Runs a case through `layer.call`, or through `layer.output` where that alone can say it. */
function runCase(
  backend: Backend,
  fixture: FixtureCase,
  layer: Lstm,
  direct?: { reverse: boolean; zeroMasked: boolean },
): StepResult {
  const { arrays } = fixture
  const weights = weightNames.filter((name) => arrays[name]).map((name) => arrays[name].data)
  return runStep(backend, {
    inputs: inputsOf(fixture, stateNames),
    weights: weightsOf(backend, [layer], arrays.x.shape, weights),
    seeds: ['gy', 'ghT', 'gcT'].filter((name) => arrays[name]).map((name) => arrays[name].data),
    compute(ctx, [x, ...initial]) {
      if (!direct) return layer.call(ctx, [x, ...initial])
      const { output, states } = layer.output(ctx, x, initial, direct)
      return layer.returnState ? [output, ...states] : [output]
    },
  })
}

const onTruthToo = (suite: (backend: Backend) => void) => {
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
}

const pytorch = loadFixture('pytorch/lstm.json')
const keras = loadFixture('keras/lstm.json')
const computed = keras.cases.filter(({ options }) => !options.initialWeights)

onTruthToo((backend) => {
  describe(`${pytorch.made_by.program} ${pytorch.made_by.version}`, () => {
    it('has its cases', () => expect(pytorch.cases.length).toBeGreaterThanOrEqual(13))
    for (const fixture of pytorch.cases) {
      const { units, reverse } = fixture.options as { units: number; reverse: boolean }
      for (const [path, Class] of Object.entries(classes)) {
        it(`${fixture.name}, ${path}`, () => {
          const layer = new Class({ units, returnSequences: true, returnState: true })
          // PyTorch's outputs are in time order, and zero at padded steps.
          const found = runCase(backend, fixture, layer, { reverse, zeroMasked: true })
          expectCase(backend, fixture, found)
        })
      }
    }
  })

  describe(`${keras.made_by.program} ${keras.made_by.version}`, () => {
    it('has its cases', () => expect(computed.length).toBeGreaterThanOrEqual(49))
    for (const fixture of computed) {
      const options = optionsOf(fixture, [
        'units',
        ...['activation', 'recurrentActivation', 'useBias', 'dropout', 'recurrentDropout'],
        ...['returnSequences', 'returnState', 'goBackwards', 'zeroOutputForMask'],
      ]) as unknown as LstmOptions
      for (const [path, Class] of Object.entries(classes)) {
        if (path === 'fused' && !new Lstm(options).path(false).fused) continue
        it(`${fixture.name}, ${path}`, () => {
          expectCase(backend, fixture, runCase(backend, fixture, new Class(options)))
        })
      }
    }
  })
})

describe('initial bias, as Keras', () => {
  const cases = keras.cases.filter(({ options }) => options.initialWeights)
  it('has its cases', () => expect(cases).toHaveLength(5))
  it.each(cases.map((fixture) => [fixture.name, fixture] as const))('%s', (_name, fixture) => {
    const { units, unitForgetBias, biasInitializer } = fixture.options as Record<string, never>
    const initializer =
      typeof biasInitializer === 'object' && biasInitializer
        ? { name: 'constant' as const, value: (biasInitializer as { constant: number }).constant }
        : biasInitializer
    const layer = lstm({ units, unitForgetBias, biasInitializer: initializer })
    layer.build([[null, 2, 2]])
    const bias = layer.parameters[2]
    const values = new Float32Array(bias.size)
    bias.initializer.fill(values, bias.shape, new TensorRandom(0, 'bias'), truth)
    expect(Array.from(values)).toEqual(fixture.arrays.bias.data)
  })
})

describe('path', () => {
  it('is fused for tanh and sigmoid', () => {
    const fused = { fused: true, reason: '' }
    expect(lstm({ units: 2 }).path(true)).toEqual(fused)
    expect(lstm({ units: 2, dropout: 0.5 }).path(true)).toEqual(fused)
    expect(lstm({ units: 2, recurrentDropout: 0.5 }).path(false)).toEqual(fused)
  })

  it('says why not', () => {
    expect(lstm({ units: 2, activation: 'relu' }).path(false)).toEqual({
      fused: false,
      reason:
        "activation 'relu', recurrentActivation 'sigmoid': the fused kernel has tanh and sigmoid",
    })
    expect(lstm({ units: 2, recurrentActivation: 'hardSigmoid' }).path(true).reason).toBe(
      "activation 'tanh', recurrentActivation 'hardSigmoid': the fused kernel has tanh and sigmoid",
    )
    expect(lstm({ units: 2, recurrentDropout: 0.5 }).path(true)).toEqual({
      fused: false,
      reason: 'recurrentDropout: the fused kernel has no masks on h',
    })
  })
})

/** x [B,T,I] of random numbers. */
const sequence = (seed: number, shape: readonly [number, number, number]): Values => ({
  shape,
  data: new Random(seed).uniform(shape[0] * shape[1] * shape[2]),
})

describe('packed weights', () => {
  const inputs = [sequence(1, [2, 3, 4])]
  const random = new Random(2)
  const draw = () => [random.uniform(4 * 20), random.uniform(5 * 20), random.uniform(20)]
  const [before, after] = [draw(), draw()]

  eachBackend((backend) => {
    const outputOf = (weights: ArrayLike<number>[]) =>
      runLayers(backend, lstm({ units: 5 }), { inputs, weights }).outputs

    it('follow setWeights', () => {
      const layer = lstm({ units: 5 })
      const weights = weightsOf(backend, [layer], inputs[0].shape, before)
      const run = () =>
        runStep(backend, { inputs, weights, compute: (ctx, x) => layer.call(ctx, x) }, false)
          .outputs
      expect(run()).toEqual(outputOf(before))
      layer.setWeights(after)
      expect(run()).toEqual(outputOf(after))
    })

    it('serve a backward pass after a prediction, and a prediction after that', () => {
      const layer = lstm({ units: 5 })
      const weights = weightsOf(backend, [layer], inputs[0].shape, before)
      const step = {
        inputs,
        weights,
        compute: (ctx: Context, x: readonly Tensor[]) => layer.call(ctx, x),
      }
      const predicted = () => runStep(backend, step, false).outputs
      expect(predicted()).toEqual(outputOf(before))
      const trained = () => {
        const { outputs, inputGradients, weightGradients } = runStep(backend, step)
        return { outputs, inputGradients, weightGradients }
      }
      const first = trained()
      expect(first.inputGradients[0].some((x) => x !== 0)).toBe(true)
      layer.setWeights(after)
      expect(predicted()).toEqual(outputOf(after))
      trained()
      layer.setWeights(before)
      expect(trained()).toEqual(first)
      const fresh = lstm({ units: 5 })
      const compute = (ctx: Context, x: readonly Tensor[]) => fresh.call(ctx, x)
      const own = weightsOf(backend, [fresh], inputs[0].shape, before)
      const { outputs, inputGradients, weightGradients } = runStep(backend, {
        ...step,
        weights: own,
        compute,
      })
      expect(first).toEqual({ outputs, inputGradients, weightGradients })
    })

    it.each(weightNames)('follow a step of the optimizer on %s', (name) => {
      const layer = lstm({ units: 5 })
      const weights = weightsOf(backend, [layer], inputs[0].shape, before)
      const run = () =>
        runStep(backend, { inputs, weights, compute: (ctx, x) => layer.call(ctx, x) })
      run()
      const { value, size } = weights.parameters[weightNames.indexOf(name)]
      const gradient = value.gradient!.values
      backend.kernels.sgd(value.values, gradient, null, size, 1, 0.5, 0, 0, 0)
      weights.touch()
      expect(run().outputs).toEqual(outputOf(weights.parameters.map((p) => p.value.values.slice())))
      expect(run().outputs).not.toEqual(outputOf(before))
    })
  })

  it.skipIf(whyNoWasm('simd128'))('move with the layer to another backend', () => {
    const layer = lstm({ units: 5 })
    const run = () => {
      const backend = wasmBackend({ variant: 'simd128' })
      const weights = weightsOf(backend, [layer], inputs[0].shape, before)
      return runStep(backend, { inputs, weights, compute: (ctx, x) => layer.call(ctx, x) }).outputs
    }
    const first = run()
    expect(run()).toEqual(first)
  })
})

describe('goBackwards', () => {
  const mask = [1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0]
  const [x] = [sequence(3, [3, 4, 2])]
  const masksOf = (options: Partial<LstmOptions>) =>
    runLayers(truth, lstm({ units: 2, ...options }), { inputs: [{ ...x, mask }] }).masks

  it('reverses the mask with the outputs', () => {
    expect(masksOf({ returnSequences: true })).toEqual([Int32Array.from(mask)])
    expect(masksOf({ returnSequences: true, goBackwards: true, returnState: true })).toEqual([
      Int32Array.of(0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1),
      null,
      null,
    ])
    expect(masksOf({ goBackwards: true })).toEqual([null])
  })
})

describe('dropout', () => {
  const units = 4
  const features = 24
  const x = sequence(4, [1, 5, features])
  const random = new Random(5)
  const weights = [
    random.uniform(features * 4 * units),
    random.uniform(units * 4 * units),
    random.uniform(4 * units),
  ]
  const state = [1, 2].map(() => ({ shape: [1, units], data: random.uniform(units, 0.5, 1) }))
  const all = { units, returnSequences: true, returnState: true }

  /**
   * Which weights a mask has cut off, seen from their gradients: for the one row of x, a mask on an
   * input is a mask on that input's row of weights. One entry for each weight row and gate.
   */
  const kept = (gradient: Float64Array, rows: number) =>
    Array.from({ length: rows }, (_, row) =>
      [0, 1, 2, 3].map((gate) => {
        const start = row * 4 * units + gate * units
        return gradient.subarray(start, start + units).every((value) => value === 0) ? 0 : 1
      }),
    )

  const scaled = (values: Float64Array, flags: number[][], rate: number) =>
    values.map((value, i) => {
      const flag = flags[Math.floor(i / (4 * units))][Math.floor((i % (4 * units)) / units)]
      return (value * flag) / (1 - rate)
    })

  const run = (layer: Lstm, backend: Backend, given = weights, training = true, seed = 1) =>
    runLayers(backend, layer, {
      inputs: [x, ...state],
      weights: given,
      training,
      random: { seed, step: 3 },
    })

  onTruthToo((backend) => {
    const tolerance = toleranceOf(backend)
    const expectSame = (found: StepResult, wanted: StepResult) => {
      found.outputs.forEach((values, i) => {
        expectClose(values, wanted.outputs[i], tolerance, `output ${i}`)
      })
    }

    it.each([1, 2, 3])('on the inputs: one mask for all steps and gates, seed %i', (seed) => {
      const found = run(new Lstm({ ...all, dropout: 0.4 }), backend, weights, true, seed)
      const flags = kept(found.weightGradients[0], features)
      for (const gates of flags) expect(new Set(gates).size).toBe(1)
      expect(new Set(flags.flat())).toEqual(new Set([0, 1]))
      const [kernel, ...rest] = weights
      expectSame(found, run(new Lstm(all), backend, [scaled(kernel, flags, 0.4), ...rest]))
    })

    it.each([1, 2, 3])('on h: one mask a gate for all steps, seed %i', (seed) => {
      const layer = new Lstm({ ...all, recurrentDropout: 0.4 })
      const found = run(layer, backend, weights, true, seed)
      expect(kept(found.weightGradients[0], features).flat()).not.toContain(0)
      const flags = kept(found.weightGradients[1], units)
      expect(flags.some((gates) => new Set(gates).size === 2)).toBe(true)
      const [kernel, recurrent, bias] = weights
      const plain = [kernel, scaled(recurrent, flags, 0.4), bias]
      expectSame(found, run(new Lstm(all), backend, plain))
    })

    it('on both: masks for each gate', () => {
      const layer = new Lstm({ ...all, dropout: 0.3, recurrentDropout: 0.4 })
      const found = run(layer, backend)
      const ofX = kept(found.weightGradients[0], features)
      const ofH = kept(found.weightGradients[1], units)
      expect(ofX.some((gates) => new Set(gates).size === 2)).toBe(true)
      const [kernel, recurrent, bias] = weights
      const plain = [scaled(kernel, ofX, 0.3), scaled(recurrent, ofH, 0.4), bias]
      expectSame(found, run(new Lstm(all), backend, plain))
    })

    it('does nothing outside of training', () => {
      const layer = new Lstm({ ...all, dropout: 0.3, recurrentDropout: 0.4 })
      const found = run(layer, backend, weights, false)
      expect(found.outputs).toEqual(run(new Lstm(all), backend).outputs)
    })
  })

  it('differs by seed, step, row and layer', () => {
    const inputs = [{ shape: [2, 3, 32], data: new Float64Array(192).fill(1) }]
    const dropped = (seed: number, step: number) => {
      const layers = [lstm({ units: 1, dropout: 0.5 }), lstm({ units: 1, dropout: 0.5 })]
      const found = runStep(truth, {
        inputs,
        weights: weightsOf(truth, [layers[0]], inputs[0].shape),
        training: true,
        random: { seed, step },
        compute(ctx, tensors) {
          weightsOf(truth, [layers[1]], inputs[0].shape)
          return layers.flatMap((layer) => layer.call(ctx, tensors))
        },
        seeds: [Float64Array.of(1, 1), Float64Array.of(0, 0)],
      })
      return found.inputGradients[0].map((value) => (value === 0 ? 0 : 1))
    }
    const mask = dropped(1, 1)
    expect(dropped(1, 1)).toEqual(mask)
    expect(dropped(2, 1)).not.toEqual(mask)
    expect(dropped(1, 2)).not.toEqual(mask)
    for (const t of [1, 2]) expect(mask.slice(t * 32, t * 32 + 32)).toEqual(mask.slice(0, 32))
    expect(mask.slice(96, 128)).not.toEqual(mask.slice(0, 32))
  })

  // With i = o = 1 and f = 0 as linear gates, h is linear in the masks: its expectation is h itself.
  it.each(['dropout', 'recurrentDropout'])('%s leaves the expectation', (option) => {
    const rows = 4000
    const layer = lstm({
      units: 1,
      activation: 'linear',
      recurrentActivation: 'linear',
      [option]: 0.25,
    })
    const inputs = [
      { shape: [rows, 1, 1], data: new Float64Array(rows).fill(2) },
      { shape: [rows, 1], data: new Float64Array(rows).fill(3) },
      { shape: [rows, 1], data: new Float64Array(rows) },
    ]
    // Gates i, f, g, o: kernel, recurrentKernel, bias.
    const weights = [
      [0, 0, 0.5, 0],
      [0, 0, 0.25, 0],
      [1, 0, 0.1, 1],
    ]
    const found = runLayers(truth, layer, { inputs, weights, training: true })
    const mean = found.outputs[0].reduce((sum, h) => sum + h, 0) / rows
    // 2 · 0.5 + 3 · 0.25 + 0.1; a dropped term has standard deviation term · √(p / (1 - p)).
    const deviation = (option === 'dropout' ? 1 : 0.75) * Math.sqrt(0.25 / 0.75)
    expect(new Set(found.outputs[0].map((h) => Math.fround(h))).size).toBe(2)
    expect(Math.abs(mean - 1.85)).toBeLessThan((4 * deviation) / Math.sqrt(rows))
  })
})

describe('errors', () => {
  it.each([
    ['BAD_ARGUMENT', { units: 0 }, "lstm 'units': expected a whole number of at least 1, got 0"],
    [
      'BAD_ARGUMENT',
      { units: 2.5 },
      "lstm 'units': expected a whole number of at least 1, got 2.5",
    ],
    ['BAD_ARGUMENT', {}, "lstm 'units': expected a whole number of at least 1, got undefined"],
    [
      'UNKNOWN_OPTION',
      { units: 2, return_sequences: true },
      "lstm: unknown option 'return_sequences'; did you mean 'returnSequences'?",
    ],
    [
      'UNKNOWN_OPTION',
      { units: 2, activation: 'tahn' },
      "lstm 'activation': unknown activation 'tahn'; did you mean 'tanh'?",
    ],
    [
      'UNKNOWN_OPTION',
      { units: 2, recurrentActivation: 'hard_sigmoid' },
      "lstm 'recurrentActivation': unknown activation 'hard_sigmoid'; did you mean 'hardSigmoid'?",
    ],
    [
      'UNKNOWN_OPTION',
      { units: 2, recurrentInitializer: 'ortogonal' },
      "lstm 'recurrentInitializer': unknown initializer 'ortogonal'; did you mean 'orthogonal'?",
    ],
    [
      'BAD_ARGUMENT',
      { units: 2, dropout: 1 },
      "lstm 'dropout': expected a number from 0 to below 1, got 1",
    ],
    [
      'BAD_ARGUMENT',
      { units: 2, zeroOutputForMask: true },
      "'zeroOutputForMask' is about the outputs of masked steps: the last output is of a step that " +
        'counts; add returnSequences: true',
    ],
    [
      'BAD_ARGUMENT',
      { units: 2, recurrentDropout: -0.1 },
      "lstm 'recurrentDropout': expected a number from 0 to below 1, got -0.1",
    ],
  ] as const)('%s: %j', (code, options, message) => {
    expectError(() => lstm(options as LstmOptions), code, message)
  })

  it('an input that is no sequence', () => {
    expectError(
      () => lstm({ units: 2 }).outputShapes([[null, 3]]),
      'BAD_SHAPE',
      'lstm: expected an input of 3 dimensions [batch, time, features], got shape [null, 3]; ' +
        'a recurrent layer before this one would need returnSequences: true',
    )
    expectError(
      () => lstm({ units: 2 }).outputShapes([[null, 3, null]]),
      'BAD_SHAPE',
      "lstm: the input's last dimension must be known, got shape [null, 3, null]",
    )
  })

  it('initial states that do not fit', () => {
    const inputs = [sequence(1, [2, 3, 4])]
    const state = (...shape: number[]) => ({ shape, data: new Float64Array(shape[0] * shape[1]) })
    const run = (layer: Layer, ...states: Values[]) =>
      runLayers(truth, layer, { inputs: [...inputs, ...states] })
    const reader = () => lstm({ units: 5, name: 'reader' })
    const expected = 'expected an initial state of shape [2, 5]'
    expectError(
      () => run(reader(), state(2, 5), state(2, 4)),
      'BAD_SHAPE',
      `reader: ${expected}, got [2, 4]`,
    )
    expectError(
      () => run(reader(), state(3, 5), state(3, 5)),
      'BAD_SHAPE',
      `reader: ${expected}, got [3, 5]`,
    )
    expectError(
      () => run(reader(), state(2, 5)),
      'BAD_SHAPE',
      'reader: expected 2 initial states or none, got 1',
    )
    const both = bidirectional(reader(), { name: 'both' })
    const right = state(2, 5)
    expectError(
      () => run(both, right, right, right, state(2, 6)),
      'BAD_SHAPE',
      `both: ${expected}, got [2, 6]`,
    )
    expectError(
      () => run(both, right, right),
      'BAD_SHAPE',
      'both: expected 4 initial states or none, got 2',
    )
  })

  it('weights that do not fit', () => {
    const layer = lstm({ units: 2, name: 'reader' })
    expectError(
      () => layer.getWeights(),
      'NOT_BUILT',
      "getWeights: layer 'reader' has no weights yet; " +
        'call model.build([null, …]) first, or fit or predict once',
    )
    weightsOf(truth, [layer], [1, 1, 3])
    const before = layer.getWeights()
    expect(before.map(({ name, shape }) => [name, shape])).toEqual([
      ['kernel', [3, 8]],
      ['recurrentKernel', [2, 8]],
      ['bias', [8]],
    ])
    const [kernel, recurrent, bias] = [24, 16, 8].map((size) => new Float32Array(size))
    expectError(
      () => layer.setWeights([kernel]),
      'BAD_SHAPE',
      'reader.setWeights: expected 3 arrays (kernel, recurrentKernel, bias), got 1',
    )
    expectError(
      () => layer.setWeights([kernel, recurrent, new Float32Array(6)]),
      'BAD_SHAPE',
      "reader.setWeights: expected shape [8] for 'bias', got [6]",
    )
    expectError(
      () => layer.setWeights([kernel, { shape: [8, 2], data: recurrent }, bias]),
      'BAD_SHAPE',
      "reader.setWeights: expected shape [2, 8] for 'recurrentKernel', got [8, 2]",
    )
    expect(layer.getWeights()).toEqual(before)
  })
})
