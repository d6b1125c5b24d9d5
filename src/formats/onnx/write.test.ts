/** Written models in ONNX Runtime (web build 1.30), beside Refrain's own outputs. */
import { describe, expect, it } from 'vitest'
import {
  activation,
  add,
  additiveAttention,
  attention,
  average,
  averagePooling1d,
  averagePooling2d,
  batchNormalization,
  bidirectional,
  concatenate,
  conv1d,
  conv2d,
  dense,
  dot,
  dropout,
  embedding,
  flatten,
  gaussianNoise,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  gru,
  input,
  layerNormalization,
  lstm,
  luongAttention,
  masking,
  maximum,
  maxPooling1d,
  maxPooling2d,
  minimum,
  multiply,
  permute,
  repeatVector,
  reshape,
  simpleRnn,
  spatialDropout1d,
  subtract,
  tiedDense,
  timeDistributed,
} from '../../layers/index.ts'
import type { AnyModel } from '../../model/file.ts'
import { model } from '../../model/functional.ts'
import { sequential } from '../../model/sequential.ts'
import { expectSame, type Given, numbers, shuffleWeights } from './runtime.case.ts'
import { writeOnnx } from './write.ts'

const sequences = [numbers([2, 5, 3]), numbers([1, 1, 3], 2), numbers([3, 8, 3], 3)]

/** Layers one after the other on sequences of 3 numbers. */
async function check(
  layers: unknown[],
  shape: (number | null)[] = [null, null, 3],
  readable = true,
) {
  const m = sequential(layers as never)
  m.build(shape)
  shuffleWeights(m)
  const given = sequences
    .map((one) => (shape.length === 2 ? numbers([one.shape[0], 3]) : one))
    .filter((one) => shape[1] === null || shape.length === 2 || one.shape[1] === shape[1])
  return expectSame(
    m,
    given.map((one) => [one]),
    readable,
  )
}

const steps = { returnSequences: true }

describe('recurrent layers', () => {
  const kinds = { lstm, gru, simpleRnn }
  const variants: Record<string, object> = {
    plain: {},
    sequences: steps,
    backwards: { goBackwards: true },
    'backwards, sequences': { goBackwards: true, ...steps },
    'no bias': { useBias: false },
    'learned initial state': { learnInitialState: true },
    'dropout, which is for training': { dropout: 0.5, recurrentDropout: 0.5 },
  }
  for (const [kind, make] of Object.entries(kinds)) {
    for (const [name, options] of Object.entries(variants)) {
      it(`${kind}: ${name}`, () => check([make({ units: 4, ...options })]))
    }
    for (const mode of ['concat', 'sum', 'mul', 'ave'] as const) {
      it(`${kind}: bidirectional ${mode}`, () =>
        check([
          bidirectional(make({ units: 4, ...steps }) as never, { mergeMode: mode }),
          bidirectional(make({ units: 2 }) as never, { mergeMode: mode }),
        ]))
    }
  }
  it('gru: reset before', () => check([gru({ units: 4, resetAfter: false })]))
  const names = [
    'linear',
    'relu',
    'sigmoid',
    'tanh',
    'hardSigmoid',
    'hardSigmoidLegacy',
    'elu',
    'leakyRelu',
    'softplus',
    'softsign',
  ] as const
  it.each(names)('activation %s', async (name) => {
    await check([
      lstm({ units: 4, activation: name, ...steps }),
      lstm({ units: 2, recurrentActivation: name }),
    ])
    await check([
      gru({ units: 4, activation: name, ...steps }),
      gru({ units: 2, recurrentActivation: name }),
    ])
    await check([bidirectional(simpleRnn({ units: 4, activation: name }))])
  })
  it.each([
    { peephole: true },
    { coupledGates: true },
    { gateClip: 0.3 },
    { peephole: true, coupledGates: true, gateClip: 0.5 },
  ])('lstm: %j', (options) => check([bidirectional(lstm({ units: 4, ...options }))]).then(() => {}))
  it('bidirectional with two layers that differ', () =>
    check([
      bidirectional(lstm({ units: 4, ...steps }), {
        backwardLayer: gru({ units: 2, goBackwards: true, ...steps }),
      }),
    ]))
  it('hands states on, from an encoder to a decoder', async () => {
    const x = input({ shape: [null, 3], name: 'source' })
    const y = input({ shape: [null, 2], name: 'target' })
    const { h, c } = lstm({ units: 4, returnState: true }).apply(x)
    const decoded = lstm({ units: 4, ...steps }).apply(y, { initialState: { h, c } })
    const both = bidirectional(gru({ units: 4, returnState: true })).apply(x)
    const again = bidirectional(gru({ units: 4, ...steps })).apply(y, { initialState: both.states })
    const m = model({ inputs: [x, y], outputs: [decoded, again, c] }).build()
    shuffleWeights(m)
    await expectSame(m, [[numbers([2, 5, 3]), numbers([2, 3, 2])]])
  })
})

describe('other layers', () => {
  const cases: Record<string, () => unknown[]> = {
    'dense, dropout, noise': () => [
      dense({ units: 4, activation: 'relu' }),
      dropout({ rate: 0.5 }),
      spatialDropout1d({ rate: 0.5 }),
      gaussianNoise({ stddev: 0.5 }),
      dense({ units: 2, useBias: false }),
    ],
    normalizations: () => [
      batchNormalization(),
      layerNormalization({ scale: false, center: false }),
    ],
    'batch normalization without scale': () => [
      lstm({ units: 4 }),
      batchNormalization({ scale: false, epsilon: 0.1 }),
    ],
    'permute, pooling': () => [
      conv1d({ filters: 4, kernelSize: 1 }),
      globalMaxPooling1d({ keepdims: true }),
    ],
    'time distributed': () => [
      timeDistributed(dense({ units: 4, activation: 'tanh' })),
      timeDistributed(activation('softmax')),
      globalAveragePooling1d(),
    ],
    'repeat vector': () => [gru({ units: 4 }), repeatVector(4), lstm({ units: 2, ...steps })],
    'models inside': () => [
      sequential([lstm({ units: 4, ...steps }), dense({ units: 2 })]),
      gru({ units: 3 }),
    ],
  }
  for (const [name, make] of Object.entries(cases)) it(name, () => check(make()).then(() => {}))
  it('models at every step', async () => {
    const inner = sequential([repeatVector(3), lstm({ units: 2 })])
    await check([timeDistributed(inner), globalAveragePooling1d()], [null, null, 3], false)
  })
  it('shapes', () =>
    check(
      [
        permute({ dims: [2, 1] }),
        layerNormalization({ axis: 1 }),
        batchNormalization({ axis: 1 }),
        reshape({ targetShape: [5, -1] }),
        layerNormalization({ axis: [1, 2] }),
        flatten(),
        reshape({ targetShape: [3, 5] }),
        averagePooling1d({ padding: 'same' }),
      ],
      [null, 5, 3],
    ))
  it.each(['valid', 'same', 'causal'] as const)('conv1d %s', async (padding) => {
    const shape = padding === 'valid' ? [null, 5, 3] : [null, null, 3]
    await check(
      [
        conv1d({ filters: 6, kernelSize: 2, padding, groups: 3, activation: 'gelu' }),
        lstm({ units: 2 }),
      ],
      shape,
    )
    await check([conv1d({ filters: 4, kernelSize: 3, padding, strides: 2 })], shape)
    await check([conv1d({ filters: 4, kernelSize: 2, padding, dilationRate: 2 })], shape)
  })
  it('pooling', async () => {
    for (const padding of ['valid', 'same'] as const) {
      await check([maxPooling1d({ padding, poolSize: 3, strides: 2 })], [null, 5, 3])
      await check([averagePooling1d({ padding })], [null, 5, 3])
    }
    await check([
      maxPooling1d({ padding: 'same' }),
      averagePooling1d({ padding: 'same', strides: 1 }),
    ])
  })
  const names = [
    'linear',
    'relu',
    'sigmoid',
    'tanh',
    'hardSigmoid',
    'hardSigmoidLegacy',
    'elu',
    'selu',
    'softplus',
    'softsign',
    'exponential',
    'gelu',
    'silu',
    'leakyRelu',
    'relu6',
    'mish',
    'softmax',
    'logSoftmax',
  ] as const
  it('every activation', async () => {
    const x = input({ shape: [null, 3] })
    const outputs = names.map((name) => activation(name).apply(x))
    await expectSame(model({ inputs: x, outputs }), [
      [{ ...sequences[0], data: sequences[0].data.map((v) => 5 * v) } as Given],
    ])
  })
  it('several inputs in one', async () => {
    const [a, b] = ['a', 'b'].map((name) => input({ shape: [null, 3], name }))
    const vector = lstm({ units: 3 }).apply(a)
    const outputs = [
      add().apply([a, b, vector]),
      subtract().apply([a, vector]),
      multiply().apply([a, b]),
      average().apply([a, b, a]),
      maximum().apply([a, b]),
      minimum().apply([a, b]),
      concatenate().apply([a, b]),
      concatenate({ axis: 1 }).apply([a, b]),
    ]
    const m = model({ inputs: [a, b], outputs })
    await expectSame(m, [[numbers([2, 4, 3], 1), numbers([2, 4, 3], 2)]])
  })
  it('a table for both ends', async () => {
    const table = embedding({ inputDim: 9, outputDim: 4 })
    const m = sequential([
      table,
      lstm({ units: 4, ...steps }),
      tiedDense(table, { activation: 'softmax' }),
    ])
    m.build([null, null])
    shuffleWeights(m)
    await expectSame(m, [[numbers([2, 6], 1, 9)], [numbers([1, 2], 2, 9)]])
  })
  it('a layer that is used twice is written once', async () => {
    const [a, b] = ['a', 'b'].map((name) => input({ shape: [null, 3], name }))
    const shared = lstm({ units: 64 })
    const m = model({
      inputs: [a, b],
      outputs: subtract().apply([shared.apply(a), shared.apply(b)]),
    })
    const { bytes } = await expectSame(m.build(), [[numbers([2, 4, 3], 1), numbers([2, 6, 3], 2)]])
    expect(bytes.length).toBeLessThan(
      4 * m.parameters.parameters.reduce((n, p) => n + p.size, 0) + 4 * 256 + 4000,
    )
  })
})

/** Ids of rows of these lengths, zeros behind them. */
const padded = (lengths: number[], steps: number): Given => ({
  shape: [lengths.length, steps],
  data: Int32Array.from({ length: lengths.length * steps }, (_, i) =>
    i % steps < lengths[Math.floor(i / steps)] ? 1 + ((i * 5) % 8) : 0,
  ),
})

describe('masks', () => {
  const ids = [[padded([5, 2, 0, 3], 5)], [padded([1], 4)], [padded([3, 3], 3)]]
  const cases: Record<string, () => unknown[]> = {
    lstm: () => [lstm({ units: 4, ...steps }), lstm({ units: 3 })],
    'gru, dense, gru': () => [
      gru({ units: 4, ...steps }),
      dense({ units: 3 }),
      gru({ units: 3, ...steps }),
    ],
    'zeros for masked steps': () => [simpleRnn({ units: 4, zeroOutputForMask: true, ...steps })],
    bidirectional: () => [
      bidirectional(lstm({ units: 4, ...steps })),
      bidirectional(gru({ units: 2 })),
    ],
    'learned initial states': () => [
      lstm({ units: 4, learnInitialState: true, ...steps }),
      lstm({ units: 3, learnInitialState: true }),
    ],
    backwards: () => [lstm({ units: 4, goBackwards: true, ...steps }), globalAveragePooling1d()],
    'global pooling': () => [lstm({ units: 4, ...steps }), globalMaxPooling1d()],
    'mean, dimensions kept': () => [globalAveragePooling1d({ keepdims: true })],
    'ends at a convolution': () => [
      conv1d({ filters: 3, kernelSize: 2, padding: 'same' }),
      lstm({ units: 3 }),
    ],
  }
  for (const [name, make] of Object.entries(cases)) {
    it(`of an embedding: ${name}`, async () => {
      const m = sequential([
        embedding({ inputDim: 9, outputDim: 3, maskZero: true }),
        ...(make() as never[]),
      ])
      m.build([null, null])
      shuffleWeights(m)
      await expectSame(m, ids, name !== 'backwards')
    })
  }
  it('of values', async () => {
    const m = sequential([masking({ maskValue: -0.1 }), lstm({ units: 4, ...steps })])
    m.build([null, null, 2])
    shuffleWeights(m)
    const given = numbers([2, 4, 2])
    ;(given.data as Float32Array).fill(Math.fround(-0.1), 12)
    const { notes } = await expectSame(m, [[given]])
    expect(notes).toEqual([
      "'lstm' takes rows whose steps that count come first: padding before them or gaps, which masks can have here, are not in ONNX",
    ])
  })
  it('of several inputs', async () => {
    const [a, b] = ['a', 'b'].map((name) => input({ shape: [null], dtype: 'int32', name }))
    const [x, y] = [a, b].map((one) =>
      embedding({ inputDim: 9, outputDim: 3, maskZero: true }).apply(one),
    )
    const outputs = [add(), multiply(), maximum(), minimum(), average(), concatenate()].map(
      (layer) => gru({ units: 3, ...steps }).apply(layer.apply([x, y])),
    )
    const m = model({
      inputs: [a, b],
      outputs: [...outputs, multiply().apply([x, y]), maximum().apply([x, y])],
    }).build()
    shuffleWeights(m)
    await expectSame(m, [[padded([5, 2, 0], 5), padded([3, 4, 0], 5)]], false)
  })
})

describe('what ONNX does not have', () => {
  it('is said at once', async () => {
    const m = sequential([
      lstm({ units: 4, activation: 'gelu', stateful: true, name: 'first', ...steps }),
      lstm({ units: 4, projection: 2, zoneout: 0.1, name: 'second' }),
    ])
    m.build([null, null, 3])
    await expect(writeOnnx(m as AnyModel, 'x.onnx')).rejects.toThrow(
      /^x\.onnx: ONNX cannot hold: 'first' \(lstm\): stateful: .*'first' \(lstm\): the activation 'gelu' in it; 'second' \(lstm\): its option 'projection'; 'second' \(lstm\): its option 'zoneout'\. Nothing was written/,
    )
  })
})

describe('images', () => {
  const whole = (layers: unknown[], shape: number[]) => {
    const m = sequential(layers as never)
    m.build([null, ...shape])
    shuffleWeights(m)
    return expectSame(m, [[numbers([2, ...shape])], [numbers([1, ...shape], 2)]])
  }
  it.each([
    { kernelSize: 3 },
    { kernelSize: [1, 3] as const, padding: 'same' as const, activation: 'relu' as const },
    { kernelSize: [3, 2] as const, padding: 'same' as const, strides: [2, 3] as const },
    { kernelSize: 2, dilationRate: [1, 2] as const, useBias: false },
    { kernelSize: 2, groups: 2 },
  ])('conv2d %j', (options) =>
    whole([conv2d({ filters: 4, ...options }), flatten(), dense({ units: 2 })], [6, 7, 2]).then(
      () => {},
    ),
  )
  it.each([
    { poolSize: 2 },
    { poolSize: [3, 2] as const, strides: [1, 2] as const, padding: 'same' as const },
  ])('pooling %j', async (options) => {
    await whole([maxPooling2d(options)], [5, 6, 2])
    await whole([averagePooling2d(options)], [5, 6, 2])
  })
  it('pooling over all of an image', async () => {
    await whole([globalAveragePooling2d()], [5, 4, 3])
    await whole([globalMaxPooling2d()], [5, 4, 3])
  })
  it('of every step', () =>
    whole(
      [
        timeDistributed(conv2d({ filters: 3, kernelSize: 2, activation: 'relu' })),
        timeDistributed(maxPooling2d({ poolSize: 2 })),
        timeDistributed(flatten()),
        lstm({ units: 4 }),
      ],
      [3, 5, 6, 2],
    ))
})

describe('attention', () => {
  const x = () => input({ shape: [null, 3], name: 'x' })
  const ids = () => input({ shape: [null], dtype: 'int32', name: 'ids' })
  const given = [[numbers([2, 5, 3])], [numbers([3, 1, 3], 2)]]
  const rows: Given[][] = [
    [{ shape: [3, 4], data: Int32Array.of(1, 2, 3, 4, 5, 6, 0, 0, 2, 0, 0, 0) }],
    [{ shape: [1, 1], data: Int32Array.of(3) }],
  ]
  const makes = {
    dot: (more: object) => attention(more),
    'dot, scaled': (more: object) => attention({ useScale: true, ...more }),
    concat: (more: object) => attention({ scoreMode: 'concat', useScale: true, ...more }),
    additive: (more: object) => additiveAttention(more),
    'additive, of its own width': (more: object) => additiveAttention({ units: 5, ...more }),
    'luong, dot': (more: object) => luongAttention({ score: 'dot', ...more }),
    'luong, general': (more: object) => luongAttention(more),
    'luong, concat': (more: object) => luongAttention({ score: 'concat', units: 3, ...more }),
    'additive, without a scale': (more: object) => additiveAttention({ useScale: false, ...more }),
  }
  for (const [name, make] of Object.entries(makes)) {
    it.each([{}, { useCausalMask: true }])(`${name} %j`, async (more) => {
      const from = x()
      const keys = lstm({ units: 4, ...steps }).apply(from)
      const queries = gru({ units: 4, ...steps }).apply(from)
      const plain = model({ inputs: from, outputs: make(more).apply([queries, keys]) })
      shuffleWeights(plain.build())
      await expectSame(plain, given, false)
      const words = ids()
      const table = embedding({ inputDim: 9, outputDim: 4, maskZero: true }).apply(words)
      const mixed = make(more).apply([lstm({ units: 4, ...steps }).apply(table), table])
      const masked = model({ inputs: words, outputs: globalAveragePooling1d().apply(mixed) })
      shuffleWeights(masked.build())
      await expectSame(masked, rows, false)
    })
  }
  it('attention by products of values', async () => {
    const from = x()
    const keys = lstm({ units: 4, ...steps }).apply(from)
    const weights = activation('softmax').apply(dot({ axes: [2, 2] }).apply([keys, keys]))
    const mixed = dot({ axes: [2, 1] }).apply([weights, keys])
    const last = lstm({ units: 4 }).apply(from)
    const one = dot({ axes: [1, 2] }).apply([last, mixed])
    const both = dot({ axes: [1, 1] }).apply([last, last])
    const pooled = globalMaxPooling1d().apply(mixed)
    const m = model({ inputs: from, outputs: [one, both, pooled] })
    shuffleWeights(m.build())
    await expectSame(m, given)
  })
})
