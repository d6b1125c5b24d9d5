import { describe, expect, it, vi } from 'vitest'
import { platform } from '#platform'
import { availableBackends, createBackend } from '../../kernels/backend.ts'
import { referenceBackend } from '../../kernels/reference.ts'
import {
  batchNormalization,
  bidirectional,
  dense,
  embedding,
  flatten,
  input,
  lstm,
  timeDistributed,
} from '../../layers/index.ts'
import { adam } from '../../train/optimizers.ts'
import { model as functional } from '../functional.ts'
import { sequential } from '../sequential.ts'
import { explain } from './explain.ts'
import { slowPaths } from './slow.ts'

vi.mock('../../kernels/backend.ts', async (original) => {
  const actual = await original<typeof import('../../kernels/backend.ts')>()
  return { ...actual, availableBackends: vi.fn(actual.availableBackends) }
})

const quick = { batchSize: 3, steps: 5, milliseconds: 1 }

function classifier() {
  const model = sequential([
    embedding({ inputDim: 30, outputDim: 4, maskZero: true }),
    bidirectional(lstm({ units: 4, returnSequences: true })),
    timeDistributed(dense({ units: 3 })),
    lstm({ units: 2, recurrentDropout: 0.5 }),
    dense({ units: 3, activation: 'softmax' }),
  ]).build([null, null])
  model.compile({
    optimizer: adam({ globalClipNorm: 1 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  return model
}

describe('explain', () => {
  it('has a line for every layer and part, and their times add up to the step', async () => {
    const explanation = await explain(classifier(), quick)
    const { layers, prediction, training } = explanation
    expect(layers.map(({ layer, training: way }) => [layer, way])).toEqual([
      ['embedding', 'operations'],
      ['bidirectional/forward', 'fused'],
      ['bidirectional/backward', 'fused'],
      ['bidirectional', 'operations'],
      ['timeDistributed/layer', 'operations'],
      ['timeDistributed', 'operations'],
      ['lstm', 'composed'],
      ['dense', 'operations'],
    ])
    expect(layers[1].predict.flops).toBe(2 * 3 * 5 * 16 * (4 + 4))
    expect(prediction.parts.map(({ part }) => part)).toEqual(['batching', 'rest'])
    expect(training!.parts.map(({ part }) => part)).toEqual([
      'batching',
      'loss',
      'optimizer',
      'rest',
    ])
    const sum = (works: ({ milliseconds: number } | null)[]) =>
      works.reduce((all, work) => all + work!.milliseconds, 0)
    const predicting = [
      ...layers.map(({ predict }) => predict),
      ...prediction.parts.map((p) => p.work),
    ]
    expect(sum(predicting)).toBeCloseTo(prediction.milliseconds, 6)
    const passes = layers.flatMap(({ forward, backward }) => [forward, backward])
    const all = [...passes, ...training!.parts.map(({ work }) => work)]
    expect(sum(all)).toBeCloseTo(training!.milliseconds, 6)
    // Every layer was seen, both ways; timeDistributed itself has nothing to go back through.
    for (const { layer, predict, forward, backward } of layers) {
      expect(predict.milliseconds, layer).toBeGreaterThan(0)
      expect(forward!.milliseconds, layer).toBeGreaterThan(0)
      if (layer !== 'timeDistributed') expect(backward!.milliseconds, layer).toBeGreaterThan(0)
    }
    expect(training).toMatchObject({ loss: 'sparseCategoricalCrossentropy', optimizer: 'adam' })
  })

  it('estimates by the slower of computing and reading, and holds times against the peak', async () => {
    const { layers, peak } = await explain(classifier(), quick)
    for (const { predict } of layers) {
      const { flops, bytes, estimatedMilliseconds, milliseconds, shareOfPeak } = predict
      const atPeak = flops / (peak.gflops * 1e6)
      const moving = bytes / (peak.gigabytesPerSecond * 1e6)
      expect(estimatedMilliseconds).toBeCloseTo(Math.max(atPeak, moving), 12)
      expect(shareOfPeak).toBeCloseTo(atPeak / milliseconds, 12)
    }
  })

  it('changes neither weights nor what training does next', async () => {
    const x = [
      [1, 2, 3],
      [4, 5, 6],
    ]
    const train = async (explained: boolean) => {
      const model = classifier()
      await model.fit(x, [0, 1], { epochs: 2 })
      const before = model.parameters.values.values.slice()
      if (explained) await explain(model, quick)
      expect(model.parameters.values.values).toEqual(before)
      return (await model.fit(x, [0, 1], { epochs: 2 })).history.loss
    }
    expect(await train(true)).toEqual(await train(false))
  })

  it('takes the length from the model where it sets one, and data of any loss', async () => {
    const fixed = sequential([lstm({ units: 2 }), dense({ units: 2 })]).build([null, 7, 3])
    const { steps, training } = await explain(fixed, quick)
    expect(steps).toBe(7)
    expect(training).toMatchObject({ loss: 'meanSquaredError', optimizer: 'adam' })
    const flat = sequential([dense({ units: 2 })]).build([null, 3])
    expect((await explain(flat, quick)).steps).toBe(1)
  })

  it.each([
    ['an input that is no sequence first', [3], [null, 2], 5],
    ['a fixed length first', [10, 2], [null, 2], 5],
    ['a fixed length second', [3], [10, 2], 10],
  ])('takes the length of sequences: %s', async (_, first, second, steps) => {
    const inputs = [input({ shape: first }), input({ shape: second })]
    const outputs = inputs.map((x) => {
      const layer = x.shape.length > 2 ? lstm({ units: 2 }) : dense({ units: 2 })
      return layer.apply(x)
    })
    const explanation = await explain(functional({ inputs, outputs }), quick)
    expect(explanation.steps).toBe(steps)
    const fromSecond = explanation.layers.find(({ layer }) => layer.startsWith('lstm'))!
    const length = first.length > 1 ? 10 : steps
    expect(fromSecond.predict.flops).toBe(2 * 3 * length * 8 * (2 + 2))
  })

  it('charges a last softmax to its layer', async () => {
    const backend = referenceBackend()
    const net = sequential([dense({ units: 5000, activation: 'softmax' })], { backend })
    const { layers, prediction } = await explain(net.build([null, 1]), quick)
    const rest = prediction.parts.find(({ part }) => part === 'rest')!
    expect(layers[0].predict.milliseconds).toBeGreaterThan(2 * rest.work.milliseconds)
  })

  it('takes layers back from a model on another backend', async () => {
    const shared = dense({ units: 2 })
    const net = sequential([shared], { backend: referenceBackend() }).build([null, 3])
    sequential([shared], { backend: createBackend('reference') }).build([null, 3])
    expect((await explain(net, quick)).layers).toHaveLength(1)
    expect(shared.parameters[0].memory.isIn(net.backend.heap)).toBe(true)
  })

  it('has ids for an input that no layer reads', async () => {
    const x = input({ shape: [3] })
    const unread = input({ shape: [4], dtype: 'int32' })
    const net = functional({ inputs: [x, unread], outputs: dense({ units: 1 }).apply(x) })
    expect((await explain(net, quick)).training).not.toBeNull()
  })

  it('trains what has several outputs', async () => {
    const x = input({ shape: [3] })
    const outputs = [dense({ units: 1 }).apply(x), dense({ units: 2 }).apply(x)]
    const explanation = await explain(functional({ inputs: x, outputs }), quick)
    expect(explanation.training!.loss).toBe('meanSquaredError, meanSquaredError')
    expect(explanation.layers[1].backward!.milliseconds).toBeGreaterThan(0)
  })

  it('leaves moving statistics as they are, and counts what is inside a model', async () => {
    const inner = sequential([dense({ units: 4, inputShape: [3] }), batchNormalization()])
    const net = sequential([inner, dense({ units: 1 })]).build([null, 3])
    const weights = () => net.layers.map((layer) => layer.getWeights())
    const before = weights()
    const { layers } = await explain(net, quick)
    expect(weights()).toEqual(before)
    expect(layers.map(({ layer }) => layer)).toEqual([
      'sequential/dense',
      'sequential/batchNormalization',
      'sequential',
      'dense',
    ])
    expect(layers.map(({ predict }) => predict.flops)).toEqual([2 * 3 * 4 * 3, 12, 0, 2 * 3 * 4])
  })

  it('does not train what has nothing to train', async () => {
    const explanation = await explain(sequential([flatten({ inputShape: [3] })]), quick)
    expect(explanation.training).toBeNull()
    expect(explanation.layers[0].forward).toBeNull()
    expect(String(explanation)).toContain('Training was not measured.')
  })

  it('refuses what it does not know, and a model without a shape', async () => {
    await expect(explain(classifier(), { batchsize: 3 } as never)).rejects.toThrow(
      "explain: unknown option 'batchsize'; did you mean 'batchSize'?",
    )
    await expect(explain(sequential([dense({ units: 1 })]))).rejects.toThrow('input shape')
  })

  it('prints tables of at most 100 columns', async () => {
    const model = sequential([
      bidirectional(lstm({ units: 2 }), { name: 'a_layer_with_a_name_that_no_table_can_hold' }),
      dense({ units: 1, name: 'out' }),
    ]).build([null, 4, 3])
    const text = String(await explain(model, quick))
    const lines = text.split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
    expect(lines[0]).toMatch(/^sequential: batches of 3, 4 steps, on \w+ \w+, \d+ threads?$/)
    expect(lines[1]).toMatch(/^This machine, measured: [\d.,]+ GFLOP\/s/)
    expect(text).toContain('PREDICTION')
    expect(text).toMatch(/^optimizer: adam /m)
    expect(text).toMatch(/^…\S*hold\/forward +fused +48 /m)
  })
})

describe('slow paths', () => {
  const layer = {
    layer: 'lstm',
    kind: 'lstm',
    parameters: 1,
    prediction: 'fused',
    training: 'fused',
    reason: '',
  } as const

  it('name the option of a layer', () => {
    const slow = slowPaths(
      referenceBackend(),
      [
        layer,
        { ...layer, layer: 'a', training: 'composed', reason: 'recurrentDropout: …' },
        {
          ...layer,
          layer: 'b',
          training: 'composed',
          prediction: 'composed',
          reason: 'activation',
        },
        {
          ...layer,
          layer: 'c',
          training: 'composed',
          prediction: 'composed',
          reason: 'peephole: …',
        },
      ],
      8,
    ).filter(({ where }) => where !== 'backend')
    expect(slow).toEqual([
      {
        where: 'a',
        reason: 'trains step by step; recurrentDropout: …',
        advice: 'recurrentDropout: 0, with dropout on the inputs or a dropout layer instead',
      },
      {
        where: 'b',
        reason: 'runs step by step; activation',
        advice: 'leave activation and recurrentActivation at their defaults',
      },
      {
        where: 'c',
        reason: 'runs step by step; peephole: …',
        advice: 'the plain layer, without the option, is many times faster',
      },
    ])
  })

  it('name a backend that is not the best, and too few rows', () => {
    const reasons = (backend: Parameters<typeof slowPaths>[0], rows = 8) =>
      slowPaths(backend, [layer], rows).map(({ where, reason }) => `${where}: ${reason}`)
    expect(reasons(referenceBackend())).toEqual(['backend: reference computes with plain loops'])
    expect(reasons(createBackend('wasm:simd128'))).toContain(
      'backend: WebAssembly has vectors of only four floats',
    )
    expect(reasons(createBackend('wasm:simd128'))).toContain(
      'backend: simd128 has no fused multiply-add',
    )
    const alone = createBackend('wasm:simd128')
    alone.threads = 1
    if (platform.cores > 1) {
      expect(reasons(alone)).toContain(`threads: 1 of ${platform.cores} processors compute`)
    }
    const two = { ...referenceBackend(), threads: 2 }
    expect(reasons(two, 1)).toContain(
      'batchSize: 1 of 2 threads have a row: in layers of few weights threads share the rows of a ' +
        'batch',
    )
    // Of a step of many weights threads take columns.
    const large = slowPaths(two, [{ ...layer, parameters: 65_536 }], 1)
    expect(large.map(({ where }) => where)).not.toContain('batchSize')
  })

  it('advise a backend by the name that chooses it', () => {
    const variants = availableBackends().filter((line) => line.name === 'native' && line.available)
    const advice = (backend: string) => slowPaths(createBackend(backend), [], 8)[0]?.advice
    if (variants.length === 0) {
      expect(advice('reference')).toBe("setBackend('wasm') or REFRAIN_BACKEND=wasm")
      expect(advice('wasm')).toContain('the native backend is missing: ')
      return
    }
    const toNative = "setBackend('native') or REFRAIN_BACKEND=native"
    expect(advice('reference')).toBe(toNative)
    expect(advice('wasm')).toBe(toNative)
    const [best, ...others] = variants.map(({ variant }) => `native:${variant}`)
    expect(advice(best) ?? '').not.toContain('native:')
    for (const other of others) {
      expect(advice(other)).toBe(`setBackend('${best}') or REFRAIN_BACKEND=${best}`)
    }
  })

  it('need not look for a missing instruction set', () => {
    // As on a machine without AVX-512.
    const lines = availableBackends()
    vi.mocked(availableBackends).mockReturnValueOnce(
      lines.map((line) =>
        line.variant === 'avx512'
          ? { ...line, available: false, reason: 'this machine does not have it' }
          : line.variant === 'avx2'
            ? { ...line, available: true }
            : line,
      ),
    )
    const [{ advice }] = slowPaths(referenceBackend(), [], 8)
    expect(advice).toBe("setBackend('native') or REFRAIN_BACKEND=native")
  })
})
