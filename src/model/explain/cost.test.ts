import { describe, expect, it } from 'vitest'
import {
  bidirectional,
  conv1d,
  conv2d,
  convLstm2d,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePooling1d,
  globalMaxPooling1d,
  type Layer,
  lstm,
  timeDistributed,
} from '../../layers/index.ts'
import type { Optimizer } from '../../train/optimizer.ts'
import { adam, sgd } from '../../train/optimizers.ts'
import { sequential } from '../sequential.ts'
import { callsOf } from './calls.ts'
import { batchingCost, layerCost, lossCost, optimizerCost } from './cost.ts'

/** The costs of each call in a stack of layers, B 4 and T 10, in floats of 4 bytes. */
function costs(layers: Layer[], inputShape: (number | null)[]) {
  const model = sequential(layers as never).build([null, ...inputShape])
  return callsOf(model.graph!, 4, 10).map((call) => ({
    ...layerCost(call, 4),
    layer: call.layer.kind,
    inputs: call.inputs,
  }))
}

// By hand: B·T = 40 rows, I = 3, U = 5, 4U = 20 columns; kernel 60, recurrent kernel 100, bias 20.
describe('an LSTM', () => {
  const [first, second] = costs(
    [lstm({ units: 5, returnSequences: true }), lstm({ units: 5 })],
    [null, 3],
  )

  it('forward: 2·B·T·4U·(I+U) operations; weights, x and h once', () => {
    expect(first.prediction).toEqual({ flops: 2 * 40 * 20 * (3 + 5), bytes: 4 * (180 + 120 + 200) })
    // In training also the gates [B,T,4U] and cells [B,T,U].
    expect(first.forward).toEqual({
      flops: 12_800,
      bytes: 4 * (180 + 120 + 200 + 800 + 200),
    })
    expect(second.prediction.flops).toBe(2 * 40 * 20 * (5 + 5))
  })

  it('backward: dR, dW and dh; dx only where something wants it', () => {
    expect(first.backward.flops).toBe(2 * 40 * 20 * (3 + 5 + 5))
    expect(second.backward.flops).toBe(2 * (2 * 40 * 20 * (5 + 5)))
    // x 120, h and c 400, gates and dz 2400, dh 200, dW and dR thrice 540.
    expect(first.backward.bytes).toBe(4 * (120 + 400 + 2400 + 200 + 540))
  })

  it('frozen, it has no gradients of weights, and at the bottom none at all', () => {
    const [bottom, top] = costs(
      [
        lstm({ units: 5, returnSequences: true, trainable: false }),
        lstm({ units: 5, returnSequences: true }),
        lstm({ units: 5, trainable: false }),
      ],
      [null, 3],
    ).filter((_, i) => i !== 1)
    expect(bottom.backward).toEqual({ flops: 0, bytes: 0 })
    expect(top.backward.flops).toBe(2 * 40 * 20 * (5 + 5))
  })
})

it('convolutions: a product for every window', () => {
  const [over, each, images] = [
    costs([conv1d({ filters: 5, kernelSize: 3, padding: 'same' })], [null, 3])[0],
    costs([timeDistributed(conv2d({ filters: 2, kernelSize: [3, 2] }))], [null, 5, 4, 1])[0],
    costs([convLstm2d({ filters: 2, kernelSize: 2 })], [null, 4, 3, 1])[0],
  ]
  // B·T = 40 windows of 3 steps of 3 channels; kernel 45, bias 5.
  expect(over.prediction).toEqual({ flops: 2 * 40 * 9 * 5, bytes: 4 * (120 + 50 + 200) })
  // 40 images of 3 × 3 windows of 6 pixels.
  expect(each.prediction.flops).toBe(2 * 40 * 9 * 6 * 2)
  // 40 images of 3 × 2 windows: 4 pixels of x and 4 of h's two channels, for 8 columns.
  expect(images.prediction).toEqual({
    flops: 2 * 40 * 6 * (4 + 8) * 8,
    bytes: 4 * (4 * 8 + 8 * 8 + 8 + 40 * (12 + 12)),
  })
  expect(images.backward.flops).toBe(2 * 40 * 6 * (8 + 4 + 8) * 8)
})

it('layers inside others have their own input', () => {
  const all = costs(
    [
      bidirectional(lstm({ units: 5, returnSequences: true })),
      timeDistributed(dense({ units: 2 })),
    ],
    [null, 3],
  )
  expect(all.map(({ layer, inputs }) => [layer, inputs[0]])).toEqual([
    ['lstm', [4, 10, 3]],
    ['lstm', [4, 10, 3]],
    ['bidirectional', [4, 10, 3]],
    ['dense', [40, 10]],
    ['timeDistributed', [4, 10, 10]],
  ])
  expect(all[0].prediction.flops).toBe(12_800)
  // Joins two outputs [4,10,5]: read and written.
  expect(all[2].prediction.bytes).toBe(4 * 2 * 400)
  expect(all[3].prediction).toEqual({ flops: 2 * 40 * 10 * 2, bytes: 4 * (400 + 22 + 80) })
  expect(all[4].prediction).toEqual({ flops: 0, bytes: 0 })
})

it('dense, embedding, pooling, dropout and flatten', () => {
  const [table, drop, pool, out] = costs(
    [
      embedding({ inputDim: 50, outputDim: 6 }),
      dropout({ rate: 0.5 }),
      globalAveragePooling1d(),
      dense({ units: 3, activation: 'relu' }),
    ],
    [null],
  )
  expect(table.prediction).toEqual({ flops: 0, bytes: 4 * 40 + 4 * 2 * 240 })
  expect(table.backward).toEqual({ flops: 240, bytes: 4 * 40 + 4 * 3 * 240 })
  expect(drop.prediction).toEqual({ flops: 0, bytes: 0 })
  expect(drop.forward).toEqual({ flops: 240, bytes: 4 * 480 })
  expect(pool.prediction).toEqual({ flops: 240, bytes: 4 * (240 + 24) })
  expect(out.prediction).toEqual({ flops: 2 * 4 * 6 * 3, bytes: 4 * (24 + 21 + 12 + 24) })
  expect(out.backward.flops).toBe(2 * (2 * 4 * 6 * 3))
  const [flat, first] = costs([flatten(), dense({ units: 3 })], [10, 3])
  expect(flat.prediction).toEqual({ flops: 0, bytes: 0 })
  // Nothing wants the gradient of the data.
  expect(first.backward.flops).toBe(2 * 4 * 30 * 3)
})

it('the optimizer, the loss, batching', () => {
  // Read gradient for the norm and the update; read and write weight; Adam reads and writes two more arrays.
  const { parameters, graph } = sequential([
    embedding({ inputDim: 5000, outputDim: 16 }),
    globalMaxPooling1d(),
    dense({ units: 1 }),
  ]).build([null, null])
  const sizes = (optimizer: Optimizer) =>
    optimizerCost(optimizer, parameters.trainable, callsOf(graph!, 4, 10), 4)
  // B·T = 40 of the table's 5,000 rows; dense 16 + 1.
  expect(sizes(adam()).bytes).toBe(4 * (40 * 16 + 17) * 8)
  expect(sizes(sgd())).toEqual({ flops: 4 * 657, bytes: 4 * 657 * 4 })
  // Momentum moves whole tables.
  expect(sizes(sgd({ momentum: 0.9 })).bytes).toBe(4 * (80_000 + 17) * 6)
  expect(lossCost([4, 10, 3], 4).bytes).toBe(4 * 3 * 120)
  expect(batchingCost([[4, 10], [4]], 4)).toEqual({ flops: 0, bytes: 4 * 2 * 44 })
})
