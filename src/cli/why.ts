/** Why a text has its label, for a terminal: words that speak for it in green, against it in red. */
import type { TextExplanation } from '../tasks/classify/index.ts'

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
