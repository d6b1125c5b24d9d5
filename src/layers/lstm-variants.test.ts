/** The LSTM's variants against plain loops over their papers' equations, PyTorch and differences. */
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
  type Values,
  weightsOf,
} from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import { Random as TensorRandom } from '../tensor/random.ts'
import { bidirectional } from './bidirectional.ts'
import type { Layer } from './layer.ts'
import { type LstmOptions, lstm } from './lstm.ts'
import { layerFromConfig } from './registry.ts'

const [rows, steps, features, units] = [3, 4, 2, 3]
const random = new Random(31)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})
/** Right padding, a gap, a late start. */
const mask = [1, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1]
const x = floats(rows, steps, features)
const all = { units, returnSequences: true, returnState: true }

const variants: Record<string, Omit<LstmOptions, 'units'>> = {
  peephole: { peephole: true },
  projection: { projection: 2 },
  coupledGates: { coupledGates: true },
  cellClip: { cellClip: 0.2 },
  gateClip: { gateClip: 0.4 },
  layerNormalization: { layerNormalization: true },
  'layerNormalization, no bias': { layerNormalization: true, useBias: false },
  zoneout: { zoneout: { h: 0.3, c: 0.2 } },
  'all at once': {
    peephole: true,
    projection: 2,
    coupledGates: true,
    cellClip: 0.3,
    gateClip: 0.8,
    layerNormalization: true,
    zoneout: 0.25,
  },
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v))

/** v normalised as in Ba et al. 2016, with gain and bias. */
function normalized(v: number[], gain: number[], bias: number[]) {
  const mean = v.reduce((sum, e) => sum + e, 0) / v.length
  const variance = v.reduce((sum, e) => sum + (e - mean) ** 2, 0) / v.length
  return v.map((e, i) => ((e - mean) / Math.sqrt(variance + 1e-3)) * gain[i] + bias[i])
}

/** Predictions of a row of the variants, one number after the other. */
function plainRow(
  x: number[][],
  h: number[],
  c: number[],
  weights: Record<string, { shape: readonly number[]; data: ArrayLike<number> }>,
  options: Omit<LstmOptions, 'units'>,
): number[][] {
  const zoneout = options.zoneout ?? 0
  const { h: zoneH = 0, c: zoneC = 0 } =
    typeof zoneout === 'number' ? { h: zoneout, c: zoneout } : zoneout
  const times = (v: number[], name: string) => {
    const { shape, data } = weights[name]
    return Array.from({ length: shape[1] }, (_, n) =>
      v.reduce((sum, e, k) => sum + e * data[k * shape[1] + n], 0),
    )
  }
  const row = (name: string, length: number, otherwise: number) =>
    weights[name] ? Array.from(weights[name].data) : new Array(length).fill(otherwise)
  const within = (v: number, limit = Infinity) => Math.max(-limit, Math.min(limit, v))
  const { cellClip, gateClip } = options
  const width = (options.coupledGates ? 3 : 4) * units
  const p = row('peepholeKernel', width, 0)
  return x.map((xt) => {
    let [fromX, fromH] = [times(xt, 'kernel'), times(h, 'recurrentKernel')]
    if (options.layerNormalization) {
      const none = new Array(width).fill(0)
      fromX = normalized(fromX, row('inputGain', width, 1), none)
      fromH = normalized(fromH, row('recurrentGain', width, 1), none)
    }
    const b = row('bias', width, 0)
    const z = fromX.map((e, i) => e + fromH[i] + b[i])
    const cell: number[] = []
    const open: number[] = []
    for (let u = 0; u < units; u++) {
      const gate = (sum: number) => sigmoid(within(sum, gateClip))
      const i = gate(z[u] + p[u] * c[u])
      const f = options.coupledGates ? 1 - i : gate(z[units + u] + p[units + u] * c[u])
      const g = Math.tanh(within(z[width - 2 * units + u], gateClip))
      cell[u] = within(f * c[u] + i * g, cellClip)
      open[u] = gate(z[width - units + u] + p[width - 2 * units + u] * cell[u])
    }
    const seen = options.layerNormalization
      ? normalized(cell, row('cellGain', units, 1), row('cellBias', units, 0))
      : cell
    const wide = seen.map((e, u) => open[u] * Math.tanh(e))
    const now = options.projection ? times(wide, 'projectionKernel') : wide
    h = now.map((e, u) => zoneH * h[u] + (1 - zoneH) * e)
    c = cell.map((e, u) => zoneC * c[u] + (1 - zoneC) * e)
    return h
  })
}

/** Initial states of a layer's widths. */
const statesOf = ({ projection = units }: Partial<LstmOptions>) => [
  floats(rows, projection),
  floats(rows, units),
]

describe.each(Object.entries(variants))('%s', (_name, options) => {
  eachBackend((backend) => {
    it('predicts what the equations say', () => {
      const layer = lstm({ ...all, ...options })
      const [h0, c0] = statesOf(options)
      const set = weightsOf(backend, [layer], x.shape)
      const weights = Object.fromEntries(layer.getWeights().map((weight) => [weight.name, weight]))
      const { outputs } = runStep(
        backend,
        { inputs: [x, h0, c0], weights: set, compute: (ctx, given) => layer.call(ctx, given) },
        false,
      )
      const part = ({ shape, data }: Values, row: number) => {
        const size = data.length / shape[0]
        return Array.from(data).slice(row * size, (row + 1) * size)
      }
      const expected = Array.from({ length: rows }, (_, row) => {
        const flat = part(x, row)
        const sequence = Array.from({ length: steps }, (_, t) =>
          flat.slice(t * features, (t + 1) * features),
        )
        return plainRow(sequence, part(h0, row), part(c0, row), weights, options)
      })
      expectClose(outputs[0], expected.flat(2), toleranceOf(backend), 'h')
    })
  })

  it.each([
    ['prediction', false],
    ['training', true],
  ] as const)('gradients, %s', (_name, training) => {
    const check = (layers: Layer[], inputs: Values[]) =>
      expectGradients({
        inputs,
        weights: weightsOf(truth, layers, x.shape),
        compute: (ctx, given) => callAll(ctx, layers, given),
        training,
        random: { seed: 3, step: 5 },
      })
    const states = statesOf(options)
    const dropout = { dropout: 0.3, recurrentDropout: 0.2, recurrentKernelDropout: 0.2 }
    check([lstm({ ...all, ...options })], [x, ...states])
    check([lstm({ ...all, ...options, ...dropout })], [{ ...x, mask }, ...states])
    check([lstm({ ...all, ...options, goBackwards: true })], [{ ...x, mask }])
    check([bidirectional(lstm({ units, ...options }))], [{ ...x, mask }])
  })

  it('gives a masked step the output before it, and skips it', () => {
    const layer = lstm({ ...all, ...options })
    const run = (input: Values) => runLayers(truth, layer, { inputs: [input] }).outputs
    // The second row counts at steps 0, 2 and 3.
    const [masked, ...states] = run({ ...x, mask })
    const width = masked.length / rows / steps
    const at = (t: number) => Array.from(masked.subarray((4 + t) * width, (5 + t) * width))
    expect(at(1)).toEqual(at(0))
    const data = Array.from(x.data)
    const short = [...data.slice(8, 10), ...data.slice(12, 16)]
    const [dense, ...others] = run({ shape: [1, 3, features], data: short })
    expect([...at(0), ...at(2), ...at(3)]).toEqual(Array.from(dense))
    states.forEach((state, i) => {
      const size = state.length / rows
      expect(state.subarray(size, 2 * size)).toEqual(others[i])
    })
  })

  it('comes back from its configuration, with the widths of its states', () => {
    const layer = lstm({ ...all, ...options, recurrentKernelDropout: 0.1 })
    const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
    expect(again.config).toEqual(layer.config)
    const h = options.projection ?? units
    expect(layer.outputShapes([[null, null, 2]])).toEqual([
      [null, null, h],
      [null, h],
      [null, units],
    ])
  })
})

const fixture = loadFixture('pytorch/lstm-projection.json')

describe(`${fixture.made_by.program} ${fixture.made_by.version}, proj_size`, () => {
  it('has its cases', () => expect(fixture.cases).toHaveLength(4))
  eachKindOfBackend((backend) => {
    it.each(fixture.cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
      const { arrays } = one
      const { reverse, ...options } = one.options as Record<string, never>
      const layer = lstm({ ...all, units: options.units, projection: options.projection })
      const names = ['kernel', 'recurrentKernel', 'bias', 'projectionKernel']
      const inputs = inputsOf(one, ['h0', 'c0'])
      const found = runStep(backend, {
        inputs,
        weights: weightsOf(
          backend,
          [layer],
          arrays.x.shape,
          names.map((name) => arrays[name].data),
        ),
        seeds: ['gy', 'ghT', 'gcT'].map((name) => arrays[name].data),
        compute(ctx, [x, ...initial]) {
          const { output, states } = layer.output(ctx, x, initial, { reverse, zeroMasked: true })
          return [output, ...states]
        },
      })
      const check = (name: string, values: ArrayLike<number>) =>
        expectClose(values, arrays[name].data, toleranceOf(backend), name)
      for (const [i, name] of ['y', 'hT', 'cT'].entries()) check(name, found.outputs[i])
      names.forEach((name, i) => {
        check(`d${name}`, found.weightGradients[i])
      })
      const given = ['x', 'h0', 'c0'].slice(0, inputs.length)
      for (const [i, name] of given.entries()) check(`d${name}`, found.inputGradients[i])
    })
  })
})

const legacy = loadFixture('tensorflow/lstm.json')

describe(`${legacy.made_by.program} ${legacy.made_by.version}, nn.rnn_cell.LSTMCell`, () => {
  it('has its cases', () => expect(legacy.cases).toHaveLength(4))
  eachKindOfBackend((backend) => {
    it.each(legacy.cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
      const { arrays } = one
      const { projection, ...options } = one.options as Record<string, never>
      const given = projection === null ? options : { ...options, projection }
      const layer = lstm({ ...all, ...(given as unknown as LstmOptions) })
      layer.build([[null, null, arrays.x.shape[2]]])
      const names = layer.parameters.map(({ name }) => name)
      const inputNames = ['x', 'h0', 'c0']
      const found = runStep(backend, {
        inputs: inputNames.map((name) => arrays[name]),
        weights: weightsOf(
          backend,
          [layer],
          arrays.x.shape,
          names.map((name) => arrays[name].data),
        ),
        seeds: ['gy', 'ghT', 'gcT'].map((name) => arrays[name].data),
        compute: (ctx, inputs) => layer.call(ctx, inputs),
      })
      const check = (name: string, values: ArrayLike<number>) =>
        expectClose(values, arrays[name].data, toleranceOf(backend), name)
      for (const [i, name] of ['y', 'hT', 'cT'].entries()) check(name, found.outputs[i])
      for (const [i, name] of names.entries()) check(`d${name}`, found.weightGradients[i])
      for (const [i, name] of inputNames.entries()) check(`d${name}`, found.inputGradients[i])
    })
  })
})

describe('zoneout', () => {
  it('in training keeps about as many old values as its rate says, and takes the others whole', () => {
    const many = 400
    const sequence = { shape: [many, 1, 1], data: new Float64Array(many).fill(1) }
    const before = [1, 2].map(() => ({
      shape: [many, 2],
      data: new Float64Array(2 * many).fill(0.25),
    }))
    const run = (zoneout: LstmOptions['zoneout'], training: boolean) =>
      runLayers(truth, lstm({ units: 2, returnState: true, zoneout }), {
        inputs: [sequence, ...before],
        training,
      }).outputs
    const [, h, c] = run({ h: 0.2, c: 0.4 }, true)
    const [, plainH, plainC] = run(0, true)
    for (const [found, plain, rate] of [
      [h, plainH, 0.2],
      [c, plainC, 0.4],
    ] as const) {
      let kept = 0
      found.forEach((value, i) => {
        if (value === 0.25) kept++
        else expect(value).toBeCloseTo(plain[i], 12)
      })
      const deviation = Math.sqrt((rate * (1 - rate)) / (2 * many))
      expect(Math.abs(kept / (2 * many) - rate)).toBeLessThan(4 * deviation)
    }
  })
})

describe('recurrentKernelDropout', () => {
  const weights = [
    random.uniform(features * 4 * units),
    random.uniform(units * 4 * units),
    random.uniform(4 * units),
  ]
  const options = { ...all, recurrentKernelDropout: 0.4 }
  const run = (layer: Layer, backend = truth, given = weights, training = true) =>
    runLayers(backend, layer, {
      inputs: [x],
      weights: given,
      training,
      random: { seed: 1, step: 3 },
    })

  eachBackend((backend) => {
    it('is one mask on the recurrent kernel, on the fused path', () => {
      const layer = lstm(options)
      expect(layer.path(true)).toEqual({ fused: true, reason: '' })
      const found = run(layer, backend)
      const gradient = found.weightGradients[1]
      expect(gradient.some((value) => value === 0)).toBe(true)
      expect(gradient.some((value) => value !== 0)).toBe(true)
      const dropped = weights[1].map((value, i) => (gradient[i] === 0 ? 0 : value / 0.6))
      const plain = run(lstm(all), backend, [weights[0], dropped, weights[2]])
      const tolerance = toleranceOf(backend)
      found.outputs.forEach((values, i) => {
        expectClose(values, plain.outputs[i], tolerance, `output ${i}`)
      })
      const scaled = plain.weightGradients[1].map((value, i) =>
        gradient[i] === 0 ? 0 : value / 0.6,
      )
      expectClose(gradient, scaled, tolerance, 'gradient')
      expect(run(layer, backend, weights, false).outputs).toEqual(run(lstm(all), backend).outputs)
    })
  })

  it('gradients', () => {
    const layers = [lstm(options)]
    expectGradients({
      inputs: [{ ...x, mask }],
      weights: weightsOf(truth, layers, x.shape),
      compute: (ctx, given) => callAll(ctx, layers, given),
      training: true,
      random: { seed: 3, step: 5 },
    })
  })
})

describe('weights at the start', () => {
  const initial = (options: Partial<LstmOptions>) => {
    const layer = lstm({ units: 2, ...options })
    layer.build([[null, null, 3]])
    return Object.fromEntries(
      layer.parameters.map(({ name, shape, size, initializer }) => {
        const values = new Float32Array(size)
        initializer.fill(values, shape, new TensorRandom(0, name), truth)
        return [name, { shape, values: Array.from(values) }]
      }),
    )
  }

  it('peepholes zero, gains one, biases zero', () => {
    const { peepholeKernel, inputGain, recurrentGain, cellGain, cellBias } = initial({
      peephole: true,
      layerNormalization: true,
    })
    expect(peepholeKernel).toEqual({ shape: [6], values: new Array(6).fill(0) })
    expect(inputGain).toEqual({ shape: [8], values: new Array(8).fill(1) })
    expect(recurrentGain).toEqual(inputGain)
    expect(cellGain).toEqual({ shape: [2], values: [1, 1] })
    expect(cellBias).toEqual({ shape: [2], values: [0, 0] })
  })

  it('coupled gates: three of each, and the same forgetting at first', () => {
    const { kernel, bias, peepholeKernel } = initial({ coupledGates: true, peephole: true })
    expect(kernel.shape).toEqual([3, 6])
    expect(bias).toEqual({ shape: [6], values: [-1, -1, 0, 0, 0, 0] })
    expect(peepholeKernel.shape).toEqual([4])
  })

  it('a projection: narrow state, wide gates', () => {
    const { recurrentKernel, projectionKernel } = initial({ projection: 1 })
    expect(recurrentKernel.shape).toEqual([1, 8])
    expect(projectionKernel.shape).toEqual([2, 1])
  })
})

describe('errors and reasons', () => {
  it('path names the options', () => {
    expect(lstm({ units: 2, projection: 3, zoneout: { c: 0.1 } }).path(false)).toEqual({
      fused: false,
      reason: 'projection, zoneout: the fused kernel has only the plain equations',
    })
    expect(lstm({ units: 2, zoneout: 0, peephole: false }).path(true).fused).toBe(true)
  })

  it.each([
    [{ projection: 0 }, "lstm 'projection': expected a whole number of at least 1, got 0"],
    [{ cellClip: -1 }, "lstm 'cellClip': expected a finite number of at least 0, got -1"],
    [{ zoneout: 1 }, "lstm 'zoneout': expected a number from 0 to below 1, got 1"],
    [
      { recurrentKernelDropout: 2 },
      "lstm 'recurrentKernelDropout': expected a number from 0 to below 1, got 2",
    ],
  ])('%j', (options, message) => {
    expectError(() => lstm({ units: 2, ...options }), 'BAD_ARGUMENT', message)
  })

  it('an unknown state in zoneout', () => {
    expectError(
      () => lstm({ units: 2, zoneout: { x: 0.1 } as never }),
      'UNKNOWN_OPTION',
      "lstm 'zoneout': unknown option 'x'; did you mean 'h'?",
    )
  })

  it('initial states of a projected LSTM have its widths', () => {
    const layer = lstm({ units: 3, projection: 2, name: 'narrow' })
    expectError(
      () => runLayers(truth, layer, { inputs: [x, floats(rows, 3), floats(rows, 3)] }),
      'BAD_SHAPE',
      'narrow: expected an initial state of shape [3, 2], got [3, 3]',
    )
  })
})
