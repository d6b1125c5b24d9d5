/** Attention: Keras's numbers, the papers' scores by algebra, masks, gradients, files, errors. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import { optionsOf, toleranceOf } from '../../test/fixtures/cases.ts'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { expectError, expectGradients, runStep, type Values } from '../../test/harness.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { ParameterSet } from '../tensor/parameter.ts'
import { additiveAttention } from './additive-attention.ts'
import { attention } from './attention.ts'
import type { AttentionOutputs } from './attention-layer.ts'
import { input } from './input.ts'
import type { Layer, SymbolicTensor } from './layer.ts'
import { luongAttention } from './luong-attention.ts'
import { layerFromConfig } from './registry.ts'

const makers = { attention, additiveAttention, luongAttention }
const random = new Random(1)
const floats = (...shape: number[]): Values => ({
  shape,
  data: random.uniform(shape.reduce((product, length) => product * length, 1)),
})

/** Builds a layer for these inputs and gives it weights; random ones if none. */
function weightsFor(
  backend: Backend,
  layer: Layer,
  inputs: readonly Values[],
  values?: readonly ArrayLike<number>[],
) {
  layer.build(inputs.map(({ shape }) => [null, ...shape.slice(1)]))
  layer.nameParameters(layer.kind)
  const set = new ParameterSet(backend, layer.parameters)
  set.claim()
  const draws = new Random(5)
  set.parameters.forEach(({ value, size }, i) => {
    value.values.set(values?.[i] ?? draws.uniform(size))
  })
  return set
}

/** A step of a layer. */
const stepOf = (
  backend: Backend,
  layer: Layer,
  inputs: readonly Values[],
  values?: readonly ArrayLike<number>[],
) => ({
  inputs,
  weights: weightsFor(backend, layer, inputs, values),
  compute: layer.call.bind(layer),
})

const fixture = loadFixture('keras/attention.json')

function suite(backend: Backend) {
  it('has its cases', () => expect(fixture.cases.length).toBe(24))
  it.each(fixture.cases.map((found) => [found.name, found] as const))('$0', (_name, found) => {
    const { options, arrays } = found as FixtureCase
    const layer = makers[options.layer as 'attention']({
      ...optionsOf(found, ['useScale', 'scoreMode', 'useCausalMask']),
      returnAttentionScores: true,
    })
    const inputs = [
      { ...arrays.query, mask: arrays.queryMask?.data },
      { ...arrays.value, mask: arrays.valueMask?.data },
      ...(arrays.key ? [arrays.key] : []),
    ]
    const weights = ['scale', 'concatScoreWeight'].filter((name) => arrays[name])
    const given = weights.map((name) => arrays[name].data)
    const result = runStep(backend, {
      ...stepOf(backend, layer, inputs, given),
      seeds: [arrays.gy.data, arrays.gscores.data],
    })
    const tolerance = toleranceOf(backend)
    expect(result.shapes).toEqual([arrays.y.shape, arrays.scores.shape])
    expectClose(result.outputs[0], arrays.y.data, tolerance, 'y')
    expectClose(result.outputs[1], arrays.scores.data, tolerance, 'scores')
    const names = ['query', 'value', 'key'].slice(0, inputs.length)
    names.forEach((name, i) => {
      expectClose(result.inputGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
    })
    weights.forEach((name, i) => {
      expectClose(result.weightGradients[i], arrays[`d${name}`].data, tolerance, `d${name}`)
    })
    expect(result.masks).toEqual([
      arrays.queryMask ? Int32Array.from(arrays.queryMask.data) : null,
      null,
    ])
  })
}

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  describe('reference float64', () => suite(truth))
  eachBackend(suite)
})

describe("the papers' scores, by algebra", () => {
  const [b, queries, keys, ofQuery, ofKey, width, units] = [2, 3, 4, 2, 3, 2, 5]
  const inputs = [floats(b, queries, ofQuery), floats(b, keys, width), floats(b, keys, ofKey)]
  const [q, value, k] = inputs.map(({ data }) => data)

  /** The output of attention with this score of vectors q and k. */
  function expected(score: (q: number[], k: number[]) => number): number[] {
    const row = (data: ArrayLike<number>, i: number, n: number) =>
      Array.from({ length: n }, (_, d) => data[i * n + d])
    const output: number[] = []
    for (let i = 0; i < b * queries; i++) {
      const first = Math.floor(i / queries) * keys
      const places = Array.from({ length: keys }, (_, j) => first + j)
      const e = places.map((j) => Math.exp(score(row(q, i, ofQuery), row(k, j, ofKey))))
      const sum = e.reduce((a, b) => a + b)
      for (let d = 0; d < width; d++) {
        output.push(places.reduce((y, j, n) => y + (e[n] / sum) * value[j * width + d], 0))
      }
    }
    return output
  }
  /** Σ_j v[j] · w[row, j] for w of `columns` columns. */
  const times = (w: ArrayLike<number>, columns: number, v: number[]) =>
    Array.from({ length: columns }, (_, c) =>
      v.reduce((sum, x, r) => sum + x * w[r * columns + c], 0),
    )
  const dot = (a: ArrayLike<number>, b: number[]) => b.reduce((sum, x, i) => sum + a[i] * x, 0)
  const near = { relative: 1e-12, absolute: 1e-14 }
  const outputOf = (layer: Layer, weights: ArrayLike<number>[]) =>
    runStep(truth, stepOf(truth, layer, inputs, weights)).outputs[0]

  it('general: q·W k', () => {
    const w = random.uniform(ofQuery * ofKey)
    const y = expected((q, k) => dot(times(w, ofKey, q), k))
    expectClose(outputOf(luongAttention(), [w]), y, near)
  })

  it('concat: v·tanh(W [q; k])', () => {
    const [w, v] = [random.uniform((ofQuery + ofKey) * units), random.uniform(units)]
    const y = expected((q, k) => dot(v, times(w, units, [...q, ...k]).map(Math.tanh)))
    expectClose(outputOf(luongAttention({ score: 'concat', units }), [w, v]), y, near)
  })

  it('additive: v·tanh(W q + U k)', () => {
    const [w, u, v] = [ofQuery, ofKey, 1].map((n) => random.uniform(n * units))
    const y = expected((q, k) => {
      const mapped = times(u, units, k)
      return dot(
        v,
        times(w, units, q).map((x, i) => Math.tanh(x + mapped[i])),
      )
    })
    expectClose(outputOf(additiveAttention({ units }), [w, u, v]), y, near)
  })

  it('dot: as Keras', () => {
    const same = [inputs[0], { ...floats(b, keys, ofQuery) }]
    const run = (layer: Layer) => runStep(truth, stepOf(truth, layer, same)).outputs
    expect(run(luongAttention({ score: 'dot' }))).toEqual(run(attention()))
  })
})

describe('gradients', () => {
  const queryMask = [1, 1, 0, 1, 0, 1]
  const valueMask = [1, 0, 1, 1, 0, 0, 0, 0]
  const layers = (): Layer[] => [
    attention({ useScale: true }),
    attention({ scoreMode: 'concat', useScale: true, useCausalMask: true }),
    additiveAttention(),
    additiveAttention({ units: 3, dropout: 0.4 }),
    luongAttention({ dropout: 0.4, useCausalMask: true }),
    luongAttention({ score: 'concat' }),
    luongAttention({ score: 'concat', units: 3, returnAttentionScores: true }),
  ]
  it.each(layers().map((layer, i) => [`${layer.kind} ${i}`, i] as const))('%s', (_name, i) => {
    const [query, value, key] = [floats(2, 3, 2), floats(2, 4, 2), floats(2, 4, 2)]
    const masked = [
      { ...query, mask: queryMask },
      { ...value, mask: valueMask },
    ]
    for (const inputs of [[query, value], [query, value, key], masked, [query, query]]) {
      const step = stepOf(truth, layers()[i], inputs)
      expectGradients({ ...step, training: true, random: { seed: 8, step: 2 } })
    }
  })
})

describe('masks', () => {
  const [query, value] = [floats(1, 2, 2), floats(1, 3, 2)]
  const run = (mask: number[], queryMask: number[] = [1, 1]) =>
    runStep(
      truth,
      stepOf(truth, luongAttention({ score: 'dot', returnAttentionScores: true }), [
        { ...query, mask: queryMask },
        { ...value, mask },
      ]),
    )

  it('padding changes nothing', () => {
    const short = { shape: [1, 2, 2], data: Array.from(value.data).slice(0, 4) }
    const cut = runStep(truth, stepOf(truth, luongAttention({ score: 'dot' }), [query, short]))
    const padded = run([1, 1, 0]).outputs[0]
    expect(padded).toEqual(cut.outputs[0])
  })

  it('where no key is left, weights and output are 0', () => {
    const { outputs, inputGradients } = run([0, 0, 0])
    expect([...outputs[0], ...outputs[1]]).toEqual(new Array(10).fill(0))
    expect(inputGradients[0]).toEqual(new Float64Array(4))
  })

  it('of queries make outputs 0, and stay', () => {
    const { outputs, masks } = run([1, 1, 1], [0, 1])
    expect([...outputs[0].subarray(0, 2)]).toEqual([0, 0])
    expect(outputs[0][2]).not.toBe(0)
    expect(masks).toEqual([Int32Array.of(0, 1), null])
  })
})

describe('a file brings back', () => {
  it.each<Layer>([
    attention({ scoreMode: 'concat', useScale: true, dropout: 0.1 }),
    additiveAttention({ units: 3, useScale: false, kernelInitializer: 'heNormal' }),
    additiveAttention({ useCausalMask: true }),
    luongAttention({ score: 'concat', units: 4, returnAttentionScores: true }),
  ])('$kind', (layer) => {
    const again = layerFromConfig(JSON.parse(JSON.stringify(layer.config)))
    expect(again.config).toEqual(layer.config)
    expect(again.constructor).toBe(layer.constructor)
  })
})

it('returnAttentionScores decides what apply gives', () => {
  const x = input({ shape: [null, 2] })
  const both = additiveAttention({ returnAttentionScores: true }).apply([x, x])
  expectTypeOf(both).toEqualTypeOf<AttentionOutputs>()
  expectTypeOf(attention().apply([x, x])).toEqualTypeOf<SymbolicTensor>()
  expectTypeOf(luongAttention({ score: 'dot' }).apply([x, x, x])).toEqualTypeOf<SymbolicTensor>()
})

describe('errors', () => {
  const [query, wide] = [input({ shape: [null, 2] }), input({ shape: [null, 3] })]

  it('options', () => {
    expectError(
      () => attention({ scoreMode: 'dott' as 'dot' }),
      'UNKNOWN_OPTION',
      "attention 'scoreMode': unknown mode 'dott'; did you mean 'dot'?",
    )
    expectError(
      () => luongAttention({ score: 'generel' as 'general' }),
      'UNKNOWN_OPTION',
      "luongAttention 'score': unknown score 'generel'; did you mean 'general'?",
    )
    expectError(
      () => luongAttention({ units: 3 }),
      'BAD_ARGUMENT',
      "luongAttention 'units': the score 'general' has no such width; " +
        "leave it out, or write score: 'concat'",
    )
    expectError(
      () => additiveAttention({ useScales: true } as never),
      'UNKNOWN_OPTION',
      "additiveAttention: unknown option 'useScales'; did you mean 'useScale'?",
    )
  })

  it('shapes', () => {
    expectError(
      () => attention({ name: 'look' }).apply([query, wide]),
      'BAD_SHAPE',
      'look: expected queries and keys of one width, got 2 and 3',
    )
    expectError(
      () => additiveAttention().apply([query] as never),
      'BAD_SHAPE',
      'additiveAttention: expected [query, value] or [query, value, key], got 1 inputs',
    )
    const [five, six] = [5, 6].map((length) => input({ shape: [length, 2] }))
    expectError(
      () => luongAttention().apply([query, five, six]),
      'BAD_SHAPE',
      'luongAttention: expected as many keys as values, got shapes [null, 6, 2] and [null, 5, 2]',
    )
  })

  it('maps of their own take any widths', () => {
    expect(additiveAttention({ units: 4 }).apply([query, wide]).shape).toEqual([null, null, 3])
    const { output, scores } = luongAttention({ returnAttentionScores: true }).apply([query, wide])
    expect([output.shape, scores.shape]).toEqual([
      [null, null, 3],
      [null, null, null],
    ])
  })
})
