/** Why an answer is what it is: words that speak for a label in green, against it in red; or as a table. */
import type { Explained, TextExplanation } from '../tasks/classify/index.ts'
import type { ForecastExplanation } from '../tasks/forecast/index.ts'
import { plural, table } from './io.ts'

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

/** Numbers of an explanation that are shown one by one. */
const mostShown = 12

/**
 * The contributions of most weight, the sum of the others, and the forecast that they make.
 *
 * @param named whether the series is one of several
 */
export function formatForecastWhy(why: ForecastExplanation, named: boolean): string {
  const past = Object.entries(why.past).flatMap(([name, numbers]) =>
    numbers.map(
      (value, t) => [`${name}, ${plural(numbers.length - t, 'step')} back`, value] as const,
    ),
  )
  const known = Object.entries(why.known).flatMap(([name, numbers]) =>
    numbers.map((value, h) => [`${name}, step ${h + 1} ahead`, value] as const),
  )
  const sorted = [...past, ...known].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
  const others = sorted.slice(mostShown)
  const rest = others.reduce((sum, [, value]) => sum + value, 0)
  const of = [...(named ? [why.id] : []), why.column].join(', ')
  const rows = [
    ...sorted.slice(0, mostShown),
    ...(others.length > 0 ? [[`${others.length} others`, rest] as const] : []),
  ]
  return formatSum(
    `${of}, step ${why.ahead}${why.time === null ? '' : ` (${why.time})`}:`,
    ['(the same level throughout)', why.baseline],
    rows,
    ['forecast', why.forecast],
  )
}

type Row = readonly [name: string, value: number]

/** A title, and numbers from the first to their sum, with as many decimals for all. */
export function formatSum(title: string, first: Row, rows: readonly Row[], sum: Row): string {
  const most = Math.max(...rows.map(([, value]) => Math.abs(value)))
  const decimals = Math.min(12, Math.max(0, 3 - Math.floor(Math.log10(most || 1))))
  const signed = ([name, value]: Row) => [
    name,
    `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(decimals)}`,
  ]
  const plain = ([name, value]: Row) => [name, value.toFixed(decimals)]
  return `${title}\n${table([plain(first), ...rows.map(signed), plain(sum)])}`
}
