import { expect, test } from 'vitest'
import { loadSentences } from '../../examples/sentences-data.ts'

test('3,000 sentences, half of each source positive', async () => {
  const { texts, labels, sources } = await loadSentences()
  expect(texts.length).toBe(3000)
  expect(texts.every((text) => text.length > 0)).toBe(true)
  for (const source of ['imdb', 'yelp', 'amazon'] as const) {
    const of = labels.filter((_, i) => sources[i] === source)
    expect(of.length).toBe(1000)
    expect(of.filter((label) => label === 'positive').length).toBe(500)
  }
  expect([texts[0], labels[0]]).toEqual([
    'A very, very, very slow-moving, aimless movie about a distressed, drifting young man.',
    'negative',
  ])
  expect([texts[2999], labels[2999], sources[2999]]).toMatchObject([
    expect.any(String),
    'negative',
    'amazon',
  ])
})
