/** The decoder with attention: PyTorch's numbers, masks, steps one by one, gradients, files, errors. */
import { describe, expect, it } from 'vitest'
import { toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { expectGradients, runStep, type Values } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { ParameterSet } from '../tensor/parameter.ts'
import {
  type AttentionDecoder,
  type AttentionDecoderOptions,
  attentionDecoder,
} from './attention-decoder.ts'
import { input } from './input.ts'
import { layerFromConfig } from './registry.ts'

const [rows, steps, keys, features, wide, units] = [3, 4, 5, 2, 4, 3]
const random = new Random(1)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})

function weightsFor(backend: Backend, layer: AttentionDecoder, values?: ArrayLike<number>[]) {
  const state = [null, units]
  layer.build([[null, null, features], [null, null, wide], state, state])
  layer.nameParameters('decoder')
  const set = new ParameterSet(backend, layer.parameters)
  set.claim()
  const draws = new Random(5)
  set.parameters.forEach(({ value, size }, i) => {
    value.values.set(values?.[i] ?? draws.uniform(size))
  })
  return set
}

const weightNames = ['keyKernel', 'outputKernel', 'kernel', 'recurrentKernel', 'bias']
const fixture = loadFixture('pytorch/attention-decoder.json')

eachBackend((backend) => {
  it.each(fixture.cases)('$name, as PyTorch computes it', ({ options, arrays }: FixtureCase) => {
    const layer = attentionDecoder(options as never)
    const weights = weightsFor(
      backend,
      layer,
      weightNames.map((name) => arrays[name].data),
    )
    const { x, memory, mask, h0, c0 } = arrays
    const found = runStep(backend, {
      inputs: [x, { ...memory, mask: mask.data }, h0, c0],
      weights,
      seeds: ['gy', 'ghT', 'gcT', 'gscores'].map((name) => arrays[name].data),
      compute: (ctx, inputs) => layer.call(ctx, inputs),
    })
    const tolerance = toleranceOf(backend)
    ;['y', 'hT', 'cT', 'scores'].forEach((name, i) => {
      expectClose(found.outputs[i], arrays[name].data, tolerance)
    })
    const gradients = [...found.inputGradients, ...found.weightGradients]
    ;['x', 'memory', 'h0', 'c0', ...weightNames].forEach((name, i) => {
      expectClose(gradients[i], arrays[`d${name}`].data, tolerance)
    })
  })
})

const kinds: Record<string, AttentionDecoderOptions> = {
  'input feeding': { units, width: 2 },
  'input feeding, dropout': { units, dropout: 0.4 },
  'no input feeding, dropout': { units, width: 2, dropout: 0.4, inputFeeding: false },
}

describe.each(Object.entries(kinds))('%s', (_name, options) => {
  const mask = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0]
  const memoryMask = [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1]
  const inputs = () => [
    { ...floats(rows, steps, features), mask },
    { ...floats(rows, keys, wide), mask: memoryMask },
    floats(rows, units),
    floats(rows, units),
  ]

  it('has the gradients of finite differences', () => {
    const layer = attentionDecoder(options)
    expectGradients({
      inputs: inputs(),
      weights: weightsFor(truth, layer),
      compute: (ctx, given) => layer.call(ctx, given),
      training: true,
      random: { seed: 8, step: 2 },
    })
  })

  it('masked steps leave states and outputs, and do not count', () => {
    const layer = attentionDecoder(options)
    const weights = weightsFor(truth, layer)
    const given = inputs()
    const run = (some: Values[]) =>
      runStep(truth, { inputs: some, weights, compute: (ctx, all) => layer.call(ctx, all) }, false)
    const [y, h] = run(given).outputs
    // Row 1 has two steps; the rest of x may be anything, and so may the memory at masked steps.
    const data = Float64Array.from(given[0].data as ArrayLike<number>)
    data.fill(9, features * (steps + 2), features * 2 * steps)
    const seen = Float64Array.from(given[1].data as ArrayLike<number>)
    seen.fill(9, wide * (keys + 2), wide * 2 * keys)
    const other = run([{ ...given[0], data }, { ...given[1], data: seen }, ...given.slice(2)])
    expectClose(other.outputs[0], y, { relative: 0, absolute: 1e-12 })
    expectClose(other.outputs[1], h, { relative: 0, absolute: 1e-12 })
    const { width } = layer
    const at = (t: number) => y.slice((steps + t) * width, (steps + t + 1) * width)
    expectClose(at(2), at(1), { relative: 0, absolute: 1e-12 })
    expect(other.masks[0]).toEqual(Int32Array.from(mask))
  })

  it('steps one by one give the same', () => {
    const layer = attentionDecoder(options)
    const weights = weightsFor(truth, layer)
    const [x, memory, h, c] = inputs()
    const { outputs } = runStep(
      truth,
      {
        inputs: [{ ...x, mask: null }, memory, h, c],
        weights,
        compute: (ctx, [x, values, h, c]) => {
          const whole = layer.call(ctx, [x, values, h, c])
          const seen = layer.memory(ctx, values)
          let state = { h, c, fed: null } as Parameters<AttentionDecoder['steps']>[3]
          const vectors = []
          for (let t = 0; t < steps; t++) {
            const one = ctx.empty([rows, 1, features])
            for (let b = 0; b < rows; b++) {
              const from = (b * steps + t) * features
              one.values.set(x.values.subarray(from, from + features), b * features)
            }
            const result = layer.steps(ctx, one, seen, state)
            state = result.state
            vectors.push(result.output)
          }
          return [whole[0], whole[2], state.c, ...vectors]
        },
      },
      false,
    )
    const [whole, cell, c2, ...vectors] = outputs
    expectClose(c2, cell, { relative: 0, absolute: 1e-12 })
    const { width } = layer
    vectors.forEach((vector, t) => {
      for (let b = 0; b < rows; b++) {
        const from = (b * steps + t) * width
        expectClose(vector.subarray(b * width, (b + 1) * width), whole.slice(from, from + width), {
          relative: 0,
          absolute: 1e-12,
        })
      }
    })
  })
})

it('stands in files', () => {
  const options = { units: 3, width: 2, inputFeeding: false, dropout: 0.1, name: 'd' }
  const layer = attentionDecoder(options)
  const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
  expect(again.config).toEqual(layer.config)
})

it('refuses what does not fit', () => {
  const x = input({ shape: [null, 2] })
  const memory = input({ shape: [null, 4] })
  const h = input({ shape: [3] })
  const flat = input({ shape: [4] })
  expect(() => attentionDecoder({ units: 0 })).toThrow("attentionDecoder 'units'")
  expect(() => attentionDecoder({ units: 2, feed: true } as never)).toThrow("unknown option 'feed'")
  expect(() => attentionDecoder({ units: 2 }).apply(x, flat)).toThrow('for the memory')
  expect(() =>
    attentionDecoder({ units: 2 }).apply(x, memory, { initialState: { h, c: h } }),
  ).toThrow('expected an initial state of shape [null, 2], got [null, 3]')
})
