/** The LSTM layer, against PyTorch's and Keras's numbers, and what only a layer can get wrong. */
import { describe, expect, it } from 'vitest'
import { inputsOf, optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { runLayers, runStep, type StepResult, type Values, weightsOf } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { Random as TensorRandom } from '../tensor/random.ts'
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
      for (const [path, Layer] of Object.entries(classes)) {
        it(`${fixture.name}, ${path}`, () => {
          const layer = new Layer({ units, returnSequences: true, returnState: true })
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
        ...['returnSequences', 'returnState', 'goBackwards'],
      ]) as unknown as LstmOptions
      const zeroMasked = fixture.options.zeroOutputForMask === true
      if (zeroMasked && !options.returnSequences) {
        it.skip(`${fixture.name}: only a sequence has masked outputs here`, () => {})
        continue
      }
      for (const [path, Layer] of Object.entries(classes)) {
        if (path === 'fused' && !new Lstm(options).path(false).fused) continue
        it(`${fixture.name}, ${path}`, () => {
          const direct = zeroMasked ? { reverse: false, zeroMasked } : undefined
          expectCase(backend, fixture, runCase(backend, fixture, new Layer(options), direct))
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
    const outputOf = (weights: Float64Array[]) =>
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

  it('move with the layer to another backend', () => {
    const layer = lstm({ units: 5 })
    const wanted = runLayers(referenceBackend(), lstm({ units: 5 }), { inputs, weights: before })
    for (const backend of [truth, referenceBackend()]) {
      const weights = weightsOf(backend, [layer], inputs[0].shape, before)
      const found = runStep(backend, {
        inputs,
        weights,
        compute: (ctx, x) => layer.call(ctx, x),
      })
      expectClose(found.outputs[0], wanted.outputs[0], { relative: 1e-5, ofLargest: 1e-6 })
    }
  })
})
