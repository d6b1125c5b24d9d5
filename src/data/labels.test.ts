import { expect, test } from 'vitest'
import { LabelEncoder } from './labels.ts'

const encoder = LabelEncoder.build(['pos', 'neg', 'pos', 'neutral'])

test('labels in code order', () => {
  expect(encoder.labels).toEqual(['neg', 'neutral', 'pos'])
  expect(encoder.size).toBe(3)
  expect(encoder.encode(['pos', 'neg'])).toEqual(Int32Array.of(2, 0))
  expect(encoder.decode([1, 2])).toEqual(['neutral', 'pos'])
  const again = LabelEncoder.fromJSON(JSON.parse(JSON.stringify(encoder)))
  expect(again.labels).toEqual(encoder.labels)
})

test('errors', () => {
  expect(() => encoder.encode(['pos', 'nag'], (i) => `r.csv, row ${i + 1}`)).toThrow(
    "r.csv, row 2: unknown label 'nag'; did you mean 'neg'? The model knows 'neg', 'neutral', 'pos'",
  )
  expect(() => encoder.encode(['toString'])).toThrow(
    "label 0: unknown label 'toString'. The model knows 'neg', 'neutral', 'pos'",
  )
  expect(() => encoder.decode([3])).toThrow(
    'LabelEncoder.decode: expected numbers from 0 to 2, got 3',
  )
  expect(() => LabelEncoder.fromJSON({ labels: 'x' })).toThrow(
    'labels: expected { labels: [string…] }, got { labels }',
  )
  expect(() => LabelEncoder.fromJSON({ labels: ['x', 'x'] })).toThrow(
    'labels: a label occurs twice',
  )
})
