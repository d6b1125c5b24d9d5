import { expect, it } from 'vitest'
import { bidirectional, dense, embedding, lstm, masking } from '../layers/index.ts'
import { sequential } from '../model/sequential.ts'
import { compareModels, differing, inputCases } from './verify.ts'

const make = () =>
  sequential(
    [
      embedding({ inputDim: 7, outputDim: 3, maskZero: true }),
      bidirectional(lstm({ units: 2, returnSequences: true })),
      dense({ units: 2, name: 'tags' }),
    ],
    { seed: 1 },
  ).build([null, null])

it('finds where two models part, and nothing where they do not', () => {
  const [a, b] = [make(), make()]
  expect(differing(compareModels(a, b))).toEqual([])
  const weights = b.getWeights()
  weights.at(-1)!.data[1] += 1e-3
  b.setWeights(weights)
  const wrong = differing(compareModels(a, b))
  expect(wrong.map(({ layer }) => layer)).toEqual(['tags', 'output'])
  expect(wrong[0].absolute).toBeCloseTo(1e-3, 6)
})

it('takes ids that the embedding has, lengths from one step on, and padding on each side', () => {
  const model = make()
  const cases = inputCases(model)
  expect(cases.map(({ inputs: [{ shape }] }) => shape)).toEqual([
    [4, 1],
    [4, 9],
    [4, 64],
    [4, 9],
  ])
  for (const { inputs } of cases) {
    for (const id of inputs[0].data) expect(id).toBeLessThan(7)
  }
  const { data } = cases[3].inputs[0]
  expect([...data.slice(9, 18)].map((id) => id > 0)).toEqual(
    [1, 1, 1, 1, 1, 0, 0, 0, 0].map(Boolean),
  )
  expect([...data.slice(18, 27)].map((id) => id > 0)).toEqual(
    [0, 0, 0, 0, 0, 1, 1, 1, 1].map(Boolean),
  )
  expect(data.slice(27).every((id) => id === 0)).toBe(true)
})

it('pads with the value that a masking layer looks for, and fixed lengths as they are', () => {
  const model = sequential([masking({ maskValue: -2 }), lstm({ units: 2 })]).build([null, 3, 1])
  const cases = inputCases(model)
  expect(cases.map(({ name }) => name)).toEqual([
    'random',
    'padding behind, in front and throughout',
  ])
  expect([...cases[1].inputs[0].data.slice(9)]).toEqual([-2, -2, -2])
})

it('a number that is none on one side only is a difference', () => {
  const [a, b] = [make(), make()]
  const weights = b.getWeights()
  weights[0].data.fill(3e38)
  b.setWeights(weights)
  expect(differing(compareModels(a, b)).length).toBeGreaterThan(0)
})
