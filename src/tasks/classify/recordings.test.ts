import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '../../tensor/random.ts'
import * as classify from './index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-recordings-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Tones that rise or fall, in noise, at two sample rates. */
function tones(count: number, seed: number): classify.LabelledSounds & { labels: string[] } {
  const random = new Random(seed, 'tones')
  const labels = Array.from({ length: count }, (_, i) => ['rises', 'falls'][i % 2])
  const sounds = labels.map((label, i) => {
    const sampleRate = i % 4 < 2 ? 8000 : 16_000
    const seconds = 0.15 + 0.1 * random.uniform()
    const base = 1200 + 800 * random.uniform()
    const slope = (label === 'rises' ? 1 : -1) * 8000
    const samples = Float32Array.from({ length: Math.round(seconds * sampleRate) }, (_, n) => {
      const t = n / sampleRate
      const phase = 2 * Math.PI * (base * t + (slope * (t - seconds) * t) / 2)
      return 0.3 * Math.sin(phase) + 0.02 * random.normal()
    })
    return { samples, sampleRate }
  })
  return { sounds, labels }
}

/** A dot that moves left or right, over 4 to 6 frames of 6 × 8 pixels. */
function dots(count: number, seed: number): classify.LabelledClips & { labels: string[] } {
  const random = new Random(seed, 'dots')
  const labels = Array.from({ length: count }, (_, i) => ['left', 'right'][i % 2])
  const clips = labels.map((label) => {
    const steps = 4 + random.below(3)
    const data = Float32Array.from({ length: steps * 48 }, () => 20 * random.uniform())
    const [x, y] = [random.below(8), random.below(6)]
    for (let t = 0; t < steps; t++) {
      data[t * 48 + y * 8 + ((x + (label === 'left' ? 8 - t : t)) % 8)] = 255
    }
    return { shape: [steps, 6, 8, 1], data }
  })
  return { clips, labels }
}

const quick = { units: 8, dropout: 0, seed: 1, validation: 0.2 }

describe('sounds', () => {
  test('of several rates are told apart, and a file gives the same answers', async () => {
    const options = { ...quick, epochs: 20, learningRate: 0.01, bands: 12, hop: 0.02 }
    const classifier = await classify.train(tones(80, 1), options)
    const held = tones(40, 2)
    expect((await classifier.evaluate(held)).accuracy).toBeGreaterThan(0.85)
    expect(classifier.encoder.mel.sampleRate).toBe(8000)
    const path = join(folder, 'tones.refrain')
    await classifier.save(path)
    const again = await classify.load(path)
    expect(await again.predict(held.sounds)).toEqual(await classifier.predict(held.sounds))
  })

  test('that are none', async () => {
    const failure = (sound: unknown) =>
      classify.train({ sounds: [sound], labels: ['a'] } as never).then(
        () => 'none',
        ({ message }) => message,
      )
    expect(await failure({ samples: [], sampleRate: 8000 })).toBe(
      'classify: sound 1: expected { samples: [0, 0.1, …], sampleRate: 16000 }, got { samples, sampleRate }',
    )
    expect(await failure({ samples: [0, Number.NaN], sampleRate: 8000 })).toBe(
      'classify: sound 1, sample 2: expected a finite number, got NaN',
    )
    expect(await failure({ samples: [0], sampleRate: 0 })).toBe(
      "classify: sound 1, 'sampleRate': expected a finite number from 100 to 1000000, got 0",
    )
  })
})

describe('clips', () => {
  test.each(['conv', 'convLstm'] as const)('read by %s', async (reader) => {
    const options = { ...quick, epochs: 15, learningRate: 0.01, reader, filters: [8, 8] }
    const classifier = await classify.train(dots(100, 1), options)
    const held = dots(40, 2)
    expect((await classifier.evaluate(held)).accuracy).toBeGreaterThan(0.85)
    const path = join(folder, `${reader}.refrain`)
    await classifier.save(path)
    const again = await classify.load(path)
    expect(again.encoder.input.shape).toEqual([null, 6, 8, 1])
    expect(await again.predict(held.clips)).toEqual(await classifier.predict(held.clips))
    await expect(
      classifier.predict([{ shape: [1, 8, 6, 1], data: new Float32Array(48) }]),
    ).rejects.toThrow(
      'clip 1: expected frames of [6, 8, 1], as in training, got [8, 6, 1]. Bring all frames to one size',
    )
  })

  test('that are none', async () => {
    const failure = (...clips: unknown[]) =>
      classify.train({ clips, labels: ['a', 'b'] } as never).then(
        () => 'none',
        ({ message }) => message,
      )
    expect(await failure({ shape: [1, 2, 2, 1], data: [0, 0, 0] })).toBe(
      'classify: clip 1: expected { shape: [frames, height, width, channels], data } with as many ' +
        'numbers, got shape [1, 2, 2, 1]',
    )
    const clip = { shape: [1, 1, 1, 1], data: [0] }
    expect(await failure(clip, { shape: [1, 1, 2, 1], data: [0, 0] })).toBe(
      'classify: clip 2: expected frames of [1, 1, 1], as in the first clip, got [1, 2, 1]. Bring all ' +
        'frames to one size',
    )
    expect(await failure(clip, { shape: [2, 1, 1, 1], data: [0, Number.NaN] })).toBe(
      'classify: clip 2: expected finite numbers, got NaN in frame 2',
    )
  })
})
