/** What BLEU and chrF share: sentences beside their references, and counts of n-grams. */
import { RefrainError } from '../errors.ts'
import { checkTexts } from '../util/check.ts'

/**
 * Calls `add` with each sentence that was given and its references, of which there may be several. Throws
 * `BAD_SHAPE` if sentences and references differ in number, `BAD_DATA` for a sentence without one.
 */
export function forEachSentence(
  name: string,
  yTrue: readonly (string | readonly string[])[],
  yPred: readonly string[],
  add: (given: string, references: readonly string[]) => void,
): void {
  checkTexts(`${name} 'yPred'`, yPred)
  if (yTrue.length !== yPred.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${name}: expected ${yTrue.length} sentences, got ${yPred.length}`,
    )
  }
  yTrue.forEach((own, i) => {
    const references = typeof own === 'string' ? [own] : own
    checkTexts(`${name} 'yTrue'`, references)
    if (references.length === 0) {
      throw new RefrainError('BAD_DATA', `${name} 'yTrue': no reference for sentence ${i}`)
    }
    add(yPred[i], references)
  })
}

/** How often each n-gram of an order occurs, by its parts joined. */
export function countGrams(
  parts: readonly string[],
  order: number,
  between: string,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (let start = 0; start + order <= parts.length; start++) {
    const gram = parts.slice(start, start + order).join(between)
    counts.set(gram, (counts.get(gram) ?? 0) + 1)
  }
  return counts
}
