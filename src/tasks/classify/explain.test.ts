import { beforeAll, describe, expect, test } from 'vitest'
import * as classify from './index.ts'

const good = ['fine', 'great', 'lovely']
const bad = ['dull', 'awful', 'poor']
const frames = ['a % film', 'the film is %', '% , really', 'so % again', 'it was %']
const texts = frames.flatMap((frame) => [...good, ...bad].map((word) => frame.replace('%', word)))
const labels = frames.flatMap(() => [...good.map(() => 'good'), ...bad.map(() => 'bad')])
const small = { units: 8, embedding: 8, learningRate: 0.03, epochs: 15, validation: 0, dropout: 0 }
const logOdds = (p: number) => Math.log(p / (1 - p))

describe.each(['max', 'mean+max', 'last', 'attention'] as const)('pooling %s', (pooling) => {
  let classifier: classify.Classifier<'text'>
  beforeAll(async () => {
    classifier = await classify.train({ texts, labels }, { ...small, pooling, seed: 3 })
  })

  test('learns', async () => {
    expect((await classifier.evaluate({ texts, labels })).accuracy).toBe(1)
  })

  test("contributions' sum is the score less the baseline's, and the word that decides leads", async () => {
    const text = 'the film was great , really'
    const result = await classifier.explain(text)
    expect(result.label).toBe('good')
    expect(result.tokens.map(({ token }) => token)).toEqual(text.split(' '))
    const [own, unknown] = await classifier.predict([text, 'xx xx xx xx xx xx'])
    expect(result.probability).toBe(own.probability)
    expect(result.score).toBeCloseTo(logOdds(own.probabilities.good), 2)
    expect(result.baseline).toBeCloseTo(logOdds(unknown.probabilities.good), 3)
    const total = result.tokens.reduce((sum, { contribution }) => sum + contribution, 0)
    expect(total).toBeCloseTo(result.score - result.baseline, 10)
    const sizes = result.tokens.map(({ contribution }) => contribution)
    expect(sizes.indexOf(Math.max(...sizes))).toBe(3)
    // Of two labels the other's log-odds are the negative.
    const other = await classifier.explain(text, 'bad')
    expect(other.score).toBeCloseTo(-result.score, 5)
    expect(other.tokens[3].contribution).toBeLessThan(0)
  })
})

test('explanations of texts without words, and of unknown labels', async () => {
  const classifier = await classify.train(
    { texts, labels },
    { ...small, epochs: 1, tokenDropout: 0.2 },
  )
  const { tokens, score, baseline } = await classifier.explain('')
  const film = await classifier.explain('a film')
  const total = film.tokens.reduce((sum, { contribution }) => sum + contribution, 0)
  expect(total).toBeCloseTo(film.score - film.baseline, 10)
  expect(tokens).toEqual([{ token: '', contribution: 0 }])
  expect(score).toBe(baseline)
  await expect(classifier.explain('a film', 'goood')).rejects.toThrow(
    "explain: unknown label 'goood'; did you mean 'good'?",
  )
})

test('series and clips: the numbers that decide', async () => {
  const { embedding: _, ...settings } = small
  const [high, low] = [
    [0.3, 1.2],
    [0.5, -0.8],
  ] as const
  const series = Array.from({ length: 16 }, (_, i) => [
    [i % 3, 0.1],
    [i % 5, ...(i % 2 ? high : low).slice(1)],
    [1, 0],
  ])
  const names = series.map((_, i) => (i % 2 ? 'high' : 'low'))
  const classifier = await classify.train({ series, labels: names }, { ...settings, epochs: 30 })
  const [own] = await classifier.predict([series[1]])
  const { label, score, baseline, contributions } = await classifier.explain(series[1])
  expect(label).toBe('high')
  expect(1 / (1 + Math.exp(-score))).toBeCloseTo(own.probability, 6)
  expect(contributions.shape).toEqual([3, 2])
  const sum = contributions.data.reduce((total, value) => total + value, 0)
  expect(sum).toBeCloseTo(score - baseline, 10)
  // The second number of the second step tells the labels apart.
  expect(contributions.data.indexOf(Math.max(...contributions.data))).toBe(3)

  const clips = names.map((name, i) => {
    const data = new Float32Array(2 * 16).fill((i % 4) / 10)
    data[16 + 5] = name === 'high' ? 3 : -3
    return { shape: [2, 4, 4, 1], data }
  })
  const options = { ...settings, epochs: 20, filters: [4] }
  const seen = await (await classify.train({ clips, labels: names }, options)).explain(
    clips[1],
    'low',
  )
  expect(seen.contributions.shape).toEqual([2, 4, 4, 1])
  const total = seen.contributions.data.reduce((total, value) => total + value, 0)
  expect(total).toBeCloseTo(seen.score - seen.baseline, 10)
  expect(seen.contributions.data.indexOf(Math.min(...seen.contributions.data))).toBe(16 + 5)
})

test('pieces of words: words that training never saw, of parts that it saw', async () => {
  const options = { ...small, epochs: 25, tokens: 'subwords', vocabulary: 300 } as const
  const forms = [...good, ...bad].flatMap((word) =>
    ['ish', 'able', 'ness'].map((end) => word + end),
  )
  const seen = forms.filter((form) => form !== 'greatness')
  const data = {
    texts: frames.flatMap((frame) => seen.map((form) => frame.replace('%', form))),
    labels: frames.flatMap(() => seen.map((_, i) => (i < 8 ? 'good' : 'bad'))),
  }
  const classifier = await classify.train(data, options)
  const [{ label }] = await classifier.predict(['the film is greatness'])
  expect(label).toBe('good')
  const { tokens, score, baseline } = await classifier.explain('Fine')
  expect(
    tokens
      .map(({ token }) => token)
      .join('')
      .trim(),
  ).toBe('fine')
  const total = tokens.reduce((sum, { contribution }) => sum + contribution, 0)
  expect(total).toBeCloseTo(score - baseline, 8)
})
