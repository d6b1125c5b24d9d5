import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Scanner } from './scan.ts'
import { tokenize } from './tokenize.ts'

const scanner = new Scanner()

function scanned(text: string, limit = Number.POSITIVE_INFINITY): string[] {
  const count = scanner.scan(text, limit)
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = scanner.ranges.subarray(2 * i, 2 * i + 2)
    return String.fromCharCode(...scanner.units.subarray(from, to))
  })
}

/** What the expressions treat each in its way, alone and beside others. */
const pieces = [
  ..."aZ09 _-'’ʼ.,:/!<>\n\u00a0\u0301\u0338\u200d\ufeff\u0000éßİıΣσςſKÅDžⅧⓐ〇々映の한\u1100\u1161©️",
  ...[
    '<br>',
    '<BR />',
    '<br',
    '/>',
    "n't",
    "'s",
    "'re",
    "'LL",
    '...',
    '1.5',
    '😀',
    '🇩🇪',
    '👍🏽',
    '𝄞',
    '\ud83d',
  ],
]
const text = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...pieces) },
    { weight: 2, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 4 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 2 }) },
  ),
  { maxLength: 12 },
)

test('the tokens are those of the expressions', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), (parts, limit) => {
      const whole = parts.join('')
      const tokens = tokenize(whole)
      expect(scanned(whole)).toEqual(tokens)
      expect(scanned(whole, limit)).toEqual(tokens.slice(0, limit))
    }),
    { numRuns: 20_000 },
  )
})

test.each([
  "I don't think it's GREAT!!!!! 3.5/5.",
  "O'Brien's rock'n'roll 'quoted' n't x't a't ain't we're we've we'll 're a're",
  'a<<br />>b<br\n/ ><br/><br <br>',
  '2x3 1,000.5km 1. .5 1::2 a1_b-c_2 --- _a_ a-1',
  '<br>\u0338',
  // After a longer text, whose rest must not be taken for this one's.
  `${'x'.repeat(20)}   >`,
  '\0\0\0\0\0 a<br ',
  '<br',
  '',
])('%j', (whole) => {
  expect(scanned(whole)).toEqual(tokenize(whole))
})

test('every character of 16 bits, among others', () => {
  for (let unit = 0; unit < 65536; unit++) {
    const c = String.fromCharCode(unit)
    for (const whole of [`a${c}b'${c} 1${c}2${c}`, `${c}${c}${c}${c}Ab映${c}-${c}`]) {
      const found = scanned(whole)
      const expected = tokenize(whole)
      if (found.join('\n') !== expected.join('\n')) expect(found).toEqual(expected)
    }
  }
})
