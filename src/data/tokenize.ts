/** Cuts text into words. */
import { checkOptions } from '../util/check.ts'

/** Options of {@link tokenize}. */
export interface TokenizeOptions {
  /** Whether capitals become small letters. Default: true. */
  lowercase?: boolean
}

const word = /\p{L}[\p{L}\p{M}\p{N}_]*(?:['-]\p{L}[\p{L}\p{M}\p{N}_]*)*/u
const number = /\p{N}+(?:[.,:/]\p{N}+)*\p{L}*/u
/** An emoji with its modifiers, joined ones (families, flags with a pole) as one. */
const emoji =
  /\p{Regional_Indicator}{2}|\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}]*(?:\u200d\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}]*)*/u
/** One character of a script that is written without spaces. */
const ideograph =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*/u
/** A run of one punctuation mark or symbol: "!!!", "...". */
const marks = /([^\p{L}\p{N}\s])\1*/u

const token = new RegExp(
  [ideograph, word, number, emoji, marks].map((part) => part.source).join('|'),
  'gu',
)

/** "don't" is "do" and "n't": so the model learns one negation instead of twenty. */
const contraction = /^(.+?)(n't|'(?:s|m|d|re|ve|ll))$/iu

/**
 * The words, numbers and marks of a text, in any script.
 *
 * - A word keeps its hyphens ("well-made"); an English contraction is cut as in the Penn Treebank:
 *   "don't" → "do", "n't"; "it's" → "it", "'s".
 * - A number keeps its points, commas and letters: "3.5", "1,000", "90s".
 * - A run of the same mark is one token of at most three: "!!!!!" → "!!!".
 * - Chinese, Japanese, Thai, Lao, Khmer and Burmese are cut into characters, other scripts at spaces.
 * - Line breaks of HTML (`<br />`), which the public IMDb reviews are full of, are spaces.
 *
 * The text is first normalized to Unicode's form NFC, and typographic apostrophes to "'".
 */
export function tokenize(text: string, options: TokenizeOptions = {}): string[] {
  checkOptions('tokenize', options, ['lowercase'])
  const { lowercase = true } = options
  let plain = text
    .normalize('NFC')
    .replace(/[’ʼ]/g, "'")
    .replace(/<br\s*\/?>/gi, ' ')
  if (lowercase) plain = plain.toLowerCase()
  const tokens: string[] = []
  for (const [found, mark] of plain.matchAll(token)) {
    if (mark !== undefined) {
      tokens.push(mark.repeat(Math.min(3, found.length / mark.length)))
      continue
    }
    const parts = found.includes("'") ? contraction.exec(found) : null
    if (parts) tokens.push(parts[1], parts[2])
    else tokens.push(found)
  }
  return tokens
}
