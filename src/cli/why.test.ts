import { expect, test } from 'vitest'
import { formatContributions, formatWhy } from './why.ts'

const explanation = {
  label: 'good',
  probability: 0.9,
  score: 2.2,
  baseline: 0,
  tokens: [
    { token: 'a', contribution: 0.05 },
    { token: 'great', contribution: 2.5 },
    { token: 'bore', contribution: -0.35 },
  ],
}

test('words with what they contribute, and in colour', () => {
  expect(formatWhy(explanation, false)).toBe('a(+0.05) great(+2.50) bore(-0.35)')
  expect(formatWhy(explanation, true)).toBe('a \u001b[1;32mgreat\u001b[0m \u001b[31mbore\u001b[0m')
})

test('a table whose rows sum to the score', () => {
  const rows = explanation.tokens.map(({ token, contribution }) => [token, contribution] as const)
  expect(formatContributions(explanation, '(unknown words)', rows)).toBe(
    `good, probability 0.9000; in nats, log p/(1-p):
(unknown words)  +0.000
a                +0.050
great            +2.500
bore             -0.350
sum              +2.200`,
  )
})
