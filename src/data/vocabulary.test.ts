import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tokenize } from './tokenize.ts'
import { Vocabulary } from './vocabulary.ts'

const texts = [
  ['b', 'a', 'c'],
  ['a', 'b', 'd'],
  ['a', '__proto__'],
]

test('frequent tokens first, equally frequent ones in code order', () => {
  const vocabulary = Vocabulary.build(texts)
  expect(vocabulary.toJSON()).toEqual({ tokens: ['a', 'b', '__proto__', 'c', 'd'] })
  expect(vocabulary.size).toBe(7)
  expect(vocabulary.encode(['d', 'a', 'zzz', '__proto__', 'toString'])).toEqual([6, 2, 1, 4, 1])
  expect(vocabulary.decode([6, 2, 1, 0])).toEqual(['d', 'a', '[UNK]', ''])
  expect(vocabulary.has('c')).toBe(true)
  expect(vocabulary.has('[UNK]')).toBe(false)
})

test('maxSize counts the reserved ids, minCount drops the rare', () => {
  expect(Vocabulary.build(texts, { maxSize: 4 }).toJSON().tokens).toEqual(['a', 'b'])
  expect(Vocabulary.build(texts, { minCount: 2 }).toJSON().tokens).toEqual(['a', 'b'])
  expect(Vocabulary.build([]).size).toBe(2)
})

test('vocabulary and ids of texts are those of their tokens', () => {
  const sentence = fc.array(fc.constantFrom('a', 'A', 'b!', "don't", 'é', '👍🏽 x', '.'))
  const limits = fc.record(
    { maxSize: fc.integer({ min: 3, max: 9 }), minCount: fc.integer({ min: 1, max: 3 }) },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(sentence), limits, fc.integer({ min: 1, max: 9 }), (words, own, most) => {
      const texts = words.map((list) => list.join(' '))
      const { vocabulary, ids } = Vocabulary.fromTexts(texts, { ...own, maxLength: most })
      const tokens = texts.map((text) => tokenize(text).slice(0, most))
      expect(vocabulary.toJSON()).toEqual(Vocabulary.build(tokens, own).toJSON())
      expect(ids.map((row) => [...row])).toEqual(tokens.map((list) => vocabulary.encode(list)))
      const others = ['zzz a é', ...texts].map((text) => `${text} ${text} 👍🏽`)
      expect(vocabulary.encodeTexts(others).map((row) => [...row])).toEqual(
        others.map((text) => vocabulary.encode(tokenize(text))),
      )
    }),
  )
})

test('ids of texts with tens of thousands of tokens, some long', () => {
  const words = Array.from({ length: 30_000 }, (_, i) => `w${i.toString(36)}`)
  const texts = [words.join(' '), `${'x'.repeat(10_000)} ${words[7]}`]
  const { vocabulary, ids } = Vocabulary.fromTexts(texts, { maxSize: 40_000 })
  expect(vocabulary.decode(ids[0])).toEqual(words)
  expect(vocabulary.decode(ids[1])).toEqual(['x'.repeat(10_000), words[7]])
  expect(vocabulary.encodeTexts(texts)).toEqual(ids)
})

test('a round trip through JSON keeps every id', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.string({ unit: 'binary' }))), (lists) => {
      const vocabulary = Vocabulary.build(lists)
      const again = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)))
      for (const list of lists) {
        expect(again.encode(list)).toEqual(vocabulary.encode(list))
        expect(again.decode(again.encode(list))).toEqual(list)
      }
    }),
  )
})

test('errors', () => {
  const vocabulary = Vocabulary.build(texts)
  expect(() => vocabulary.decode([7])).toThrow('Vocabulary.decode: expected ids from 0 to 6, got 7')
  expect(() => Vocabulary.build(texts, { maxSize: 2 })).toThrow(
    'Vocabulary.build: maxSize: expected a whole number of at least 3, got 2',
  )
  expect(() => Vocabulary.build(texts, { maxSiz: 2 } as object)).toThrow(
    "Vocabulary.build: unknown option 'maxSiz'; did you mean 'maxSize'?",
  )
  const wrong = ['a', 5] as unknown as string[]
  const message = 'expected a text at 1, got 5'
  expect(() => Vocabulary.fromTexts(wrong)).toThrow(`Vocabulary.fromTexts: ${message}`)
  expect(() => Vocabulary.fromTexts(['a']).vocabulary.encodeTexts(wrong)).toThrow(message)
  const set = new Set(['a']) as unknown as string[]
  expect(() => Vocabulary.fromTexts(set)).toThrow('expected an array of texts')
  expect(() => Vocabulary.fromTexts(['a'], { maxLength: 0 })).toThrow(
    'Vocabulary.fromTexts: maxLength: expected a whole number of at least 1, got 0',
  )
  expect(() => vocabulary.encodeTexts(['a'], { maxlength: 1 } as object)).toThrow(
    "Vocabulary.encodeTexts: unknown option 'maxlength'; did you mean 'maxLength'?",
  )
  for (const [json, message] of [
    [null, 'vocabulary: expected { tokens: [string…] }, got null'],
    [{ tokens: [1] }, 'vocabulary: expected { tokens: [string…] }, got { tokens }'],
    [{ tokens: ['a', 'a'] }, 'vocabulary: a token occurs twice'],
  ] as const) {
    expect(() => Vocabulary.fromJSON(json)).toThrow(message)
  }
})
