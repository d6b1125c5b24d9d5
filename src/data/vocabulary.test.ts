import fc from 'fast-check'
import { expect, test } from 'vitest'
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

test('ids with the vocabulary are those that the vocabulary gives', () => {
  for (const options of [{}, { maxSize: 4 }, { minCount: 2 }]) {
    const { vocabulary, ids } = Vocabulary.buildWithIds([...texts, []], options)
    expect(vocabulary.toJSON()).toEqual(Vocabulary.build(texts, options).toJSON())
    expect(ids.map((row) => [...row])).toEqual([...texts, []].map((row) => vocabulary.encode(row)))
  }
  const { ids } = Vocabulary.buildWithIds(texts, { maxSize: 4 })
  expect(ids.map((row) => [...row])).toEqual([
    [3, 2, 1],
    [2, 3, 1],
    [2, 1],
  ])
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
  for (const [json, message] of [
    [null, 'vocabulary: expected { tokens: [string…] }, got null'],
    [{ tokens: [1] }, 'vocabulary: expected { tokens: [string…] }, got { tokens }'],
    [{ tokens: ['a', 'a'] }, 'vocabulary: a token occurs twice'],
  ] as const) {
    expect(() => Vocabulary.fromJSON(json)).toThrow(message)
  }
})
