import { expect, it } from 'vitest'
import { bidirectional, dense, lstm } from '../layers/index.ts'

import { sequential } from './sequential.ts'
import { waysOf } from './ways.ts'

it('says which way each layer runs, and which option keeps it from the fused kernel', () => {
  const model = sequential([
    bidirectional(lstm({ units: 2, returnSequences: true, recurrentDropout: 0.1 })),
    lstm({ units: 3, returnSequences: true }),
    lstm({ units: 2, activation: 'relu', name: 'rectified' }),
    dense({ units: 1 }),
  ]).build([null, 4, 5])
  const { layers } = waysOf(model)
  expect(layers.map(({ layer, prediction, training }) => [layer, prediction, training])).toEqual([
    ['bidirectional/forward', 'fused', 'composed'],
    ['bidirectional/backward', 'fused', 'composed'],
    ['lstm', 'fused', 'fused'],
    ['rectified', 'composed', 'composed'],
    ['dense', 'operations', 'operations'],
  ])
  expect(layers.map(({ reason }) => reason)).toEqual([
    'recurrentDropout: the fused kernel has no masks on h',
    'recurrentDropout: the fused kernel has no masks on h',
    '',
    "activation 'relu', recurrentActivation 'sigmoid': the fused kernel has tanh and sigmoid",
    '',
  ])
  expect(layers[2].parameters).toBe(4 * 3 * (4 + 3 + 1))
})
