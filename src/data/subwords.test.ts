import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Subwords } from './subwords.ts'

// The example of Sennrich et al. 2016: low ×5, lower ×2, newest ×6, widest ×3.
const paper = [
  ...new Array(5).fill('low'),
  ...new Array(2).fill('lower'),
  ...new Array(6).fill('newest'),
  ...new Array(3).fill('widest'),
]
const plain = { leadingSpace: false, bytes: false }

test('merges are those of the paper', () => {
  // 4 reserved and 10 characters; es 9, est 9, lo 7, low 7, then ne 6, new, newest come first of ties.
  const subwords = Subwords.learn(paper, { ...plain, size: 18 })
  const { characters, merges } = subwords.toJSON()
  // e 17, w 16, s and t 9, l and o 7, n 6, i and d 3, r 2; of equal counts by code point.
  expect(characters.join('')).toBe('ewstlondir')
  expect(subwords.pieces([14, 15, 16, 17])).toEqual(['es', 'est', 'lo', 'low'])
  expect(merges).toHaveLength(8)
  expect(subwords.pieces(subwords.encode('lowest'))).toEqual(['low', 'est'])
  expect(subwords.pieces(subwords.encode('widen'))).toEqual(['w', 'i', 'd', 'e', 'n'])
})

test('learning stops when no pair occurs twice', () => {
  const subwords = Subwords.learn(paper, plain)
  expect(subwords.size).toBeLessThan(40)
  expect(subwords.pieces(subwords.encode('newest lower'))).toEqual(['newest', '[UNK]', 'lower'])
})

test('a run of one character', () => {
  const subwords = Subwords.learn(['aaaa', 'aaaa'], plain)
  expect(subwords.pieces(subwords.encode('aaaa'))).toEqual(['aaaa'])
  expect(subwords.pieces(subwords.encode('aaaaa'))).toEqual(['aaaa', 'a'])
})

test('pieces of limited length', () => {
  const two = Subwords.learn(paper, { ...plain, pieceLength: 2 })
  expect(two.pieces(two.encode('newest'))).toEqual(['n', 'ew', 'es', 't'])
  const letters = Subwords.learn(paper, { ...plain, pieceLength: 1 })
  expect(letters.toJSON().merges).toEqual([])
})

test('what is decoded is the text, whatever it holds', () => {
  const learned = fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }))
  const options = fc.record({
    size: fc.integer({ min: 261, max: 400 }),
    minCount: fc.integer({ min: 1, max: 3 }),
    leadingSpace: fc.boolean(),
  })
  fc.assert(
    fc.property(learned, options, fc.string({ unit: 'grapheme' }), (texts, own, other) => {
      const subwords = Subwords.learn(texts, own)
      const all = [...texts, other, ` ${other}\n\n  ${other}`, other.repeat(100)]
      for (const text of all) expect(subwords.decode(subwords.encode(text))).toBe(text)
      const rows = subwords.encodeTexts(all).map((row) => [...row])
      expect(rows).toEqual(all.map((text) => subwords.encode(text)))
      const again = Subwords.fromJSON(JSON.parse(JSON.stringify(subwords)))
      expect(again.encodeTexts(all).map((row) => [...row])).toEqual(rows)
      expect(again.size).toBe(subwords.size)
      expect(subwords.size).toBeLessThanOrEqual(own.size)
    }),
    { numRuns: 200 },
  )
})

test('the order of texts does not matter, words do not reach over spaces', () => {
  const texts = ['the cat sat', 'the cat ran', 'a cat, the dog']
  const one = Subwords.learn(texts, { minCount: 1 })
  expect(Subwords.learn([...texts].reverse(), { minCount: 1 }).encode(texts[2])).toEqual(
    one.encode(texts[2]),
  )
  expect(one.pieces(one.encode('the cat, the cat'))).toEqual([' the', ' cat', ',', ' the', ' cat'])
})

test('unknown characters are bytes, or one unknown piece', () => {
  const bytes = Subwords.learn(['ab', 'ab'])
  expect(bytes.pieces(bytes.encode('é'))).toEqual([' ', '<0xC3>', '<0xA9>'])
  // A byte order mark is a character like others.
  expect(bytes.decode(bytes.encode('\ufeffé'))).toBe('\ufeffé')
  expect(bytes.decode([4 + 0xc3, 2, 0, 3])).toBe('\ufffd')
  const none = Subwords.learn(['ab', 'ab'], { bytes: false })
  expect(none.decode(none.encode('aéb'))).toBe('a\ufffdb')
  expect(none.pieces([0, 1, 2, 3])).toEqual(['[PAD]', '[UNK]', '[START]', '[END]'])
})

test('sizes and ids that cannot be', () => {
  expect(() => Subwords.learn(['a'], { size: 260 })).toThrow(
    'Subwords.learn: size: expected a whole number of at least 261, got 260',
  )
  expect(() => Subwords.learn(['a'], { merges: 3 } as never)).toThrow("unknown option 'merges'")
  const subwords = Subwords.learn(['ab', 'ab'])
  expect(() => subwords.decode([subwords.size])).toThrow(`expected ids from 0 to`)
  expect(() => subwords.decode([1.5])).toThrow('got 1.5')
})

test('files that hold something else', () => {
  const good = Subwords.learn(['ab', 'ab'], plain).toJSON()
  expect(good).toEqual({
    characters: ['a', 'b'],
    merges: [4, 5],
    bytes: false,
    leadingSpace: false,
  })
  for (const [change, message] of [
    [null, 'subwords: expected { characters: [string…], merges: [id…], bytes, leadingSpace }'],
    [{ ...good, characters: ['ab'] }, 'subwords: expected { characters'],
    [{ ...good, bytes: 1 }, 'subwords: expected { characters'],
    [{ ...good, merges: [4] }, 'subwords: expected { characters'],
    [{ ...good, merges: [4, 6] }, 'merge 0: expected ids of characters or pieces before it'],
    [{ ...good, merges: [4, 0] }, 'merge 0: expected ids'],
    [{ ...good, merges: Array.from({ length: 40 }, (_, i) => 4 + (i >> 1)) }, 'expected ids'],
  ] as const) {
    expect(() => Subwords.fromJSON(change)).toThrow(message)
  }
})
