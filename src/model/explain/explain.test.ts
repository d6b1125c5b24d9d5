import { describe, expect, it } from 'vitest'
import { platform } from '#platform'
import { createBackend } from '../../kernels/backend.ts'
import { referenceBackend } from '../../kernels/reference.ts'
import {
  bidirectional,
  dense,
  embedding,
  input,
  lstm,
  timeDistributed,
} from '../../layers/index.ts'
import { adam } from '../../train/optimizers.ts'
import { model as functional } from '../functional.ts'
import { sequential } from '../sequential.ts'
import { explain } from './explain.ts'
import { slowPaths } from './slow.ts'

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

  it('does not train what has several outputs', async () => {
    const x = input({ shape: [3] })
    const outputs = [dense({ units: 1 }).apply(x), dense({ units: 2 }).apply(x)]
    const explanation = await explain(functional({ inputs: x, outputs }), quick)
    expect(explanation.training).toBeNull()
    expect(explanation.layers[1].forward).toBeNull()
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
    ])
  })

  it('name a backend that is not the best, and too few rows', () => {
    const reasons = (backend: Parameters<typeof slowPaths>[0], rows = 8) =>
      slowPaths(backend, [layer], rows).map(({ where, reason }) => `${where}: ${reason}`)
    expect(reasons(referenceBackend())).toEqual(['backend: reference computes with plain loops'])
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
      'batchSize: 1 of 2 threads have a row: threads share the rows of a batch',
    )
  })
})
