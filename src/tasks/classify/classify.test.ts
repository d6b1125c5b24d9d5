import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dense } from '../../layers/dense.ts'
import { sequential } from '../../model/index.ts'
import { decodeSafetensors, encodeSafetensors } from '../../util/safetensors.ts'
import * as classify from './index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-classify-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const animals = ['cat', 'dog', 'horse']
const places = ['paris', 'rome', 'tokyo']
const colours = ['red', 'green', 'blue']
const frames = ['the %', 'a % here', 'so, %!', 'look: % and more', '% again']

/** Texts whose label is decided by one word. */
function examples(kinds: Record<string, string[]>): { texts: string[]; labels: string[] } {
  const texts: string[] = []
  const labels: string[] = []
  for (const frame of frames) {
    for (const [label, words] of Object.entries(kinds)) {
      for (const word of words) {
        texts.push(frame.replace('%', word))
        labels.push(label)
      }
    }
  }
  return { texts, labels }
}

const small = { units: 8, embedding: 8, learningRate: 0.03, epochs: 25, validation: 0, dropout: 0 }

describe('three labels', () => {
  const data = examples({ animal: animals, place: places, colour: colours })
  let classifier: classify.Classifier
  beforeAll(async () => {
    classifier = await classify.train(data, { ...small, seed: 1 })
  })

  test('learns what decides, and generalizes to other sentences', async () => {
    const predictions = await classifier.predict(['the horse again', 'so, TOKYO and more', 'blue'])
    expect(predictions.map(({ label }) => label)).toEqual(['animal', 'place', 'colour'])
    for (const { label, probability, probabilities } of predictions) {
      expect(Object.keys(probabilities)).toEqual(['animal', 'colour', 'place'])
      expect(probabilities[label]).toBe(probability)
      const total = Object.values(probabilities).reduce((sum, value) => sum + value, 0)
      expect(total).toBeCloseTo(1, 5)
    }
  })

  test('a prediction does not depend on its company', async () => {
    const texts = ['the cat', 'a rome here, and a lot of words that nobody has seen before', '']
    const together = await classifier.predict(texts)
    for (const [i, text] of texts.entries()) {
      const [alone] = await classifier.predict([text])
      expect(alone.label).toBe(together[i].label)
      expect(alone.probability).toBeCloseTo(together[i].probability, 5)
    }
    expect(await classifier.predict([])).toEqual([])
  })

  test('evaluation, by hand', async () => {
    // The words decide: two of four animals are called places here.
    const result = await classifier.evaluate({
      texts: ['the cat', 'the dog', 'the horse', 'a cat here', 'the rome', 'the red'],
      labels: ['animal', 'animal', 'place', 'place', 'place', 'colour'],
    })
    expect(result.examples).toBe(6)
    expect(result.accuracy).toBeCloseTo(4 / 6, 10)
    // Order: animal, colour, place.
    expect(result.confusion).toEqual([
      [2, 0, 0],
      [0, 1, 0],
      [2, 0, 1],
    ])
    const place = result.labels[2]
    expect(place).toMatchObject({ label: 'place', examples: 3, precision: 1 })
    expect(place.recall).toBeCloseTo(1 / 3, 10)
    expect(place.f1).toBeCloseTo(0.5, 10)
    // animal: precision 2/4, recall 1, F1 2/3; colour: 1.
    expect(result.macroF1).toBeCloseTo((2 / 3 + 1 + 0.5) / 3, 10)
  })

  test('a file gives the same predictions', async () => {
    const path = join(folder, 'three.refrain')
    await classifier.save(path, { training: { note: 'by a test' } })
    const again = (await classify.load(path)) as classify.Classifier<'text'>
    expect(await again.predict(data.texts)).toEqual(await classifier.predict(data.texts))
    expect(again.labels.labels).toEqual(['animal', 'colour', 'place'])
    expect(again.encoder.maxLength).toBe(1000)
  })

  test('the same seed gives the same predictions, another one others', async () => {
    const of = async (seed: number) =>
      (await classify.train(data, { ...small, epochs: 1, seed })).predict(['the cat'])
    expect(await of(5)).toEqual(await of(5))
    expect(await of(5)).not.toEqual(await of(6))
  })
})

test('validation decides when to stop, and the best epoch stays', async () => {
  const data = examples({ animal: animals, place: places })
  // Wrong labels, which can be learned by heart and not be guessed.
  data.labels.forEach((label, i) => {
    if (i % 5 === 3) data.labels[i] = label === 'animal' ? 'place' : 'animal'
  })
  const options = { ...small, epochs: 60, validation: 0.2, patience: 4, seed: 6 }
  const classifier = await classify.train(data, options)
  const { valAccuracy, valLoss } = classifier.history!.history
  expect(classifier.history!.stopped).toBe('no better validation for 4 epochs')
  const lowest = valLoss.indexOf(Math.min(...valLoss))
  const best = classify.bestEpoch(classifier.history!)
  expect(Math.max(lowest, best)).toBe(valAccuracy.length - 5)
  expect((await classifier.evaluate(data)).accuracy).toBeGreaterThan(0.65)
})

test('training goes on while the validation loss falls, if the accuracy stands still', async () => {
  const data = examples({ animal: animals, place: places })
  const options = {
    ...small,
    learningRate: 0.01,
    validation: 0.2,
    patience: 3,
    seed: 2,
    pooling: 'max' as const,
    tokenDropout: 0,
  }
  const classifier = await classify.train(data, options)
  const { valAccuracy } = classifier.history!.history
  expect(valAccuracy.slice(1, 10)).toEqual(new Array(9).fill(valAccuracy[1]))
  expect(valAccuracy.at(-1)).toBe(1)
  expect(classify.bestEpoch(classifier.history!)).toBe(24)
  expect((await classifier.evaluate(data)).accuracy).toBe(1)
})

test('the best epoch has the highest accuracy, and of those the lowest loss', () => {
  const best = (valAccuracy: number[], valLoss: number[]) =>
    classify.bestEpoch({ history: { valAccuracy, valLoss } } as never)
  expect(best([0.5, 0.75, 0.75, 0.75], [0.1, 0.6, 0.4, 0.4])).toBe(2)
  expect(best([0.5, 0.75, 0.5], [0.2, 0.6, 0.1])).toBe(1)
  expect(classify.bestEpoch({ history: { loss: [1] } } as never)).toBe(-1)
})

test('balance lifts a label that is rare, and by itself one that is very rare', async () => {
  // Nothing tells the labels apart, so the model can only learn how frequent they are.
  const texts = Array.from({ length: 42 }, () => 'always the same')
  const rareness = async (balance: boolean | 'auto', every = 10) => {
    const labels = texts.map((_, i) => (i % every === 0 ? 'rare' : 'common'))
    // All rows in one step, so that chance has no part in it.
    const options = { ...small, batchSize: 42, learningRate: 0.01, epochs: 100, balance }
    const classifier = await classify.train({ texts, labels }, options)
    return (await classifier.predict(['always the same']))[0].probabilities.rare
  }
  expect(await rareness(false)).toBeCloseTo(0.1, 1)
  expect(await rareness('auto')).toBeCloseTo(0.1, 1)
  expect(await rareness(true)).toBeCloseTo(0.5, 1)
  expect(await rareness('auto', 21)).toBeCloseTo(0.5, 1)
})

describe('errors', () => {
  const data = examples({ animal: animals, place: places })
  const failure = async (...args: Parameters<typeof classify.train>) =>
    classify.train(...args).then(
      () => 'none',
      (error) => `${error.code} ${error.message}`,
    )

  test('of the data', async () => {
    expect(await failure({ texts: ['a', 'b'], labels: ['x', 'x'] })).toBe(
      "BAD_DATA classify: expected at least two different labels, got only 'x'; " +
        'give examples of each label that the model shall tell apart',
    )
    expect(await failure({ texts: ['a'], labels: [] })).toBe(
      'BAD_SHAPE classify: expected a label for each example, got 1 examples and 0 labels',
    )
    expect(await failure({ texts: [], labels: [] })).toBe(
      'BAD_DATA classify: expected at least one example, got none',
    )
    expect(await failure({ texts: ['a', 7 as unknown as string], labels: ['x', 'y'] })).toBe(
      'BAD_DATA classify: expected a text at 1, got 7',
    )
  })

  test('of the options', async () => {
    expect(await failure(data, { epoch: 3 } as object)).toBe(
      "UNKNOWN_OPTION classify.train: unknown option 'epoch'; did you mean 'epochs'?",
    )
    expect(await failure(data, { validation: 2 })).toBe(
      "BAD_ARGUMENT classify.train 'validation': expected a finite number from 0 to 0.9, got 2",
    )
  })

  test('of the file', async () => {
    const path = join(folder, 'other.refrain')
    const model = sequential([dense({ units: 1, inputShape: [2] })])
    await model.save(path)
    await expect(classify.load(path)).rejects.toThrow(
      `${path}: expected a classifier, got a model for 'no task'; ` +
        'refrain train classify makes one',
    )

    const good = join(folder, 'good.refrain')
    await (await classify.train(data, { ...small, epochs: 1 })).save(good)
    const forge = (change: (encoders: Record<string, unknown>) => void) => {
      const { tensors, metadata } = decodeSafetensors(readFileSync(good))
      const encoders = JSON.parse(metadata.encoders)
      change(encoders)
      const text = JSON.stringify(encoders)
      writeFileSync(path, encodeSafetensors(tensors, { ...metadata, encoders: text }))
      return classify.load(path)
    }
    const words = ((await classify.load(good)) as classify.Classifier<'text'>).encoder.size
    await expect(
      forge((encoders) => {
        encoders.labels = { labels: ['a', 'b', 'c'] }
      }),
    ).rejects.toThrow(
      `${path}: its ${words} words and its 3 labels do not fit its weights, which ` +
        `are for ${words} words and 2 labels`,
    )
    await expect(
      forge((encoders) => {
        encoders.vocabulary = { tokens: 'all' }
      }),
    ).rejects.toThrow(`${path}: vocabulary: expected { tokens: [string…] }, got { tokens }`)
    await expect(
      forge((encoders) => {
        encoders.maxLength = -1
      }),
    ).rejects.toThrow(`${path}: maxLength: expected a whole number of at least 1, got -1`)
  })
})
