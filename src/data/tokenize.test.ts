import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tokenize } from './tokenize.ts'

/** Tokens by hand, separated by |. */
const cases: [string, string][] = [
  ["I don't think it's GREAT!!!!! 3.5/5.", "i|do|n't|think|it|'s|great|!!!|3.5/5|."],
  ['Can’t we’ll THEY’D', "ca|n't|we|'ll|they|'d"],
  ["O'Brien's rock'n'roll 'quoted'", "o'brien|'s|rock'n'roll|'|quoted|'"],
  ['Well-made, though', 'well-made|,|though'],
  ['the 90s, 2x $1,000 50%', 'the|90s|,|2x|$|1,000|50|%'],
  ['a<br /><br/>b <i>', 'a|b|<|i|>'],
  ['wait... what?!', 'wait|...|what|?|!'],
  ["!!!! 𝄞𝄞𝄞𝄞𝄞 𝄞𝄞 '''' aaaa aha's $$€", "!!!|𝄞𝄞𝄞|𝄞𝄞|'''|aaaa|aha|'s|$$|€"],
  ['Größe ДА ελληνικά', 'größe|да|ελληνικά'],
  ['映画は good', '映|画|は|good'],
  ['नमस्ते दुनिया', 'नमस्ते|दुनिया'],
  ['👨‍👩‍👧 🇩🇪🇫🇷 ❤️👍🏽', '👨‍👩‍👧|🇩🇪|🇫🇷|❤️|👍🏽'],
  // e and a combining accent are one letter, as in the composed form.
  ['cafe\u0301', 'caf\u00e9'],
  [' \n\t', ''],
]
test.each(cases)('%s', (text, expected) => {
  expect(tokenize(text).join('|')).toBe(expected)
})

test('capitals stay if asked', () => {
  expect(tokenize("Don'T", { lowercase: false })).toEqual(['Do', "n'T"])
})

test('an unknown option', () => {
  expect(() => tokenize('x', { lowerCase: true } as object)).toThrow(
    "tokenize: unknown option 'lowerCase'; did you mean 'lowercase'?",
  )
})

test('no letter or digit is lost, whatever the text', () => {
  const letters = (text: string) => text.replace(/[^\p{L}\p{N}]/gu, '')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const plain = text.normalize('NFC').replace(/[ʼ]|<br\s*\/?>/gi, '')
      const tokens = tokenize(text, { lowercase: false })
      expect(letters(tokens.join(''))).toBe(letters(plain))
      expect(tokens.every((token) => token.length > 0 && !/\s/.test(token))).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('megabytes without a space take no time', () => {
  expect(tokenize(`${'a'.repeat(1e6)} ${'!'.repeat(1e6)}`)[1]).toBe('!!!')
  expect(tokenize("'a".repeat(1e5)).length).toBeGreaterThan(0)
})
