/** Why an item has its label: words that speak for it in green, against it in red; or as a table. */
import type { Explained, TextExplanation } from '../tasks/classify/index.ts'
import { table } from './io.ts'

const paint = (text: string, code: string) => `\u001b[${code}m${text}\u001b[0m`

/**
 * The words, those that weigh most with their contributions; in colour, or with all numbers.
 *
 * @param colour whether the terminal shows it
 */
export function formatWhy({ tokens }: TextExplanation, colour: boolean): string {
  const most = tokens.reduce((max, { contribution }) => Math.max(max, Math.abs(contribution)), 0)
  return tokens
    .map(({ token, contribution }) => {
      const sign = contribution < 0 ? '-' : '+'
      if (!colour) return `${token}(${sign}${Math.abs(contribution).toFixed(2)})`
      const share = most === 0 ? 0 : Math.abs(contribution) / most
      if (share < 0.1) return token
      return paint(token, `${share > 0.5 ? '1;' : ''}${contribution < 0 ? '31' : '32'}`)
    })
    .join(' ')
}

/** The rows of an explanation, what they start from, and what they sum to: the score of the label. */
export function formatContributions(
  { label, probability, score, baseline }: Explained,
  from: string,
  rows: readonly (readonly [name: string, contribution: number])[],
): string {
  const signed = (value: number) => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`
  return [
    `${label}, probability ${probability.toFixed(4)}; in nats, log p/(1-p):`,
    table([
      [from, signed(baseline)],
      ...rows.map(([name, contribution]) => [name, signed(contribution)]),
      ['sum', signed(score)],
    ]),
  ].join('\n')
}
