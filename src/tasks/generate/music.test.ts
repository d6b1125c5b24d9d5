import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ToneMidi from '@tonejs/midi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { midiBytes } from '../../data/midi.ts'
import { lengthOf, type Piece, type Roll } from '../../data/music.ts'
import { EventReader, eventsOf, isEvent } from './events.ts'
import * as generate from './index.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-music-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const piece = (notes: [pitch: number, start: number, duration: number][]): Piece => ({
  notes: notes.map(([pitch, start, duration]) => ({ pitch, start, duration })),
  stepsPerBeat: 4,
  tempo: 90,
  title: '',
})

/** Notes of another program that reads the MIDI file of a piece. */
async function played(made: Piece) {
  const midi = new ToneMidi.Midi(await midiBytes(made))
  const step = midi.header.ppq / made.stepsPerBeat
  return midi.tracks[0].notes
    .map(({ midi, ticks, durationTicks }) => [midi, ticks / step, durationTicks / step])
    .sort((a, b) => a[1] - b[1] || a[0] - b[0])
}

describe('events', () => {
  const read = (events: string) => {
    const reader = new EventReader()
    const notes = events.split(' ').map((event) => reader.push(event))
    return [...notes, reader.end()].flatMap((note) => (note ? [Object.values(note)] : []))
  }

  it('say what a piece is', () => {
    const two = piece([
      [60, 0, 4],
      [64, 0, 2],
      [62, 40, 50],
    ])
    expect(eventsOf(two)).toBe('n60 d4 n64 d2 w32 w8 n62 d32')
    expect(read(eventsOf(two))).toEqual([
      [60, 0, 4],
      [64, 0, 2],
      [62, 40, 32],
    ])
  })

  it('are a piece in any order', () => {
    expect(read('d4 n60 n62 w3 w1 n64')).toEqual([
      [60, 0, 1],
      [62, 0, 1],
      [64, 4, 1],
    ])
    expect(['n0', 'n127', 'd32', 'w1'].every(isEvent)).toBe(true)
    expect(['n128', 'n', 'd0', 'w33', 'x1', 'n60 '].some(isEvent)).toBe(false)
  })
})

const small = { units: 32, layers: 1, dropout: 0, batchSize: 8, learningRate: 0.02, seed: 1 }

describe('tunes', () => {
  /** A scale up from the tonic; the step after its fifth note is the tonic again. */
  const scale = (tonic: number, notes = 12) =>
    piece(
      Array.from(
        { length: notes },
        (_, i) => [tonic + [0, 2, 4, 5, 7][i % 5], 2 * i, 2] as const,
      ).map(([...note]) => note as [number, number, number]),
    )
  const pieces = Array.from({ length: 20 }, (_, i) => scale(60 + (i % 4)))
  let composer: generate.TuneComposer
  beforeAll(async () => {
    composer = await generate.trainTunes(
      { pieces },
      { ...small, units: 48, transpose: 3, epochs: 40, patience: 40 },
    )
  })

  it('goes on from a phrase, in a key that only transposing taught', async () => {
    const prime = scale(58, 7)
    const made = await composer.compose({ prime, temperature: 0, length: 5 })
    expect(made.notes.map(({ pitch }) => pitch - 58)).toEqual([0, 2, 4, 5, 7, 0, 2, 4, 5, 7, 0, 2])
    expect(made.notes.map(({ start }) => start)).toEqual(scale(0).notes.map(({ start }) => start))
    expect(made).toMatchObject({ stepsPerBeat: 4, tempo: 90 })
    expect(await played(made)).toEqual(made.notes.map((note) => Object.values(note)))
  })

  it('writes valid files whatever the temperature, alone and from the beginning', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const made = await composer.compose({ temperature: 5, seed, length: 40 })
      const notes = await played(made)
      expect(notes.length).toBeGreaterThan(0)
      expect(notes.every(([, , duration]) => duration >= 1)).toBe(true)
    }
    const streamed = []
    for await (const note of composer.generate({ seed: 2, length: 6 })) streamed.push(note)
    expect((await composer.compose({ seed: 2, length: 6 })).notes).toEqual(streamed)
  })

  it('foretells better than chance, and is one file', async () => {
    const evaluation = await composer.evaluate({ pieces: pieces.slice(0, 4) })
    expect(evaluation.events).toBe(4 * (12 * 2 + 11 + 1))
    expect(evaluation.perplexity).toBeLessThan(1.5)
    const path = join(folder, 'scales.refrain')
    await composer.save(path)
    const loaded = (await generate.load(path)) as generate.TuneComposer
    expect(await loaded.compose({ seed: 5 })).toEqual(await composer.compose({ seed: 5 }))
    expect(await loaded.evaluate({ pieces: pieces.slice(0, 4) })).toEqual(evaluation)
  })

  it('says what is wrong', async () => {
    await expect(composer.compose({ prime: scale(20, 2) })).rejects.toThrow(
      "generate 'prime': the phrase has n20, n22, which the model has never seen",
    )
    await expect(generate.trainTunes({ pieces: [] })).rejects.toThrow(
      'generate: expected at least one piece, got none',
    )
    await expect(generate.trainTunes({ pieces: [piece([])] })).rejects.toThrow(
      'piece 1: it has no notes',
    )
    await expect(
      generate.trainTunes({ pieces: [pieces[0], piece([[60, -1, 2]])], where: (i) => `p${i}.mid` }),
    ).rejects.toThrow('p1.mid: note 1: expected a pitch from 0 to 127, a start of at least 0')
    await expect(
      generate.trainTunes({ pieces: [pieces[0], { ...pieces[1], stepsPerBeat: 8 }] }),
    ).rejects.toThrow(
      'piece 2: expected 4 steps a quarter note, got 8; read it with stepsPerBeat: 4',
    )
  })
})

describe('piano rolls', () => {
  /** Two chords in turn. */
  const roll = (base: number, steps = 16): Roll =>
    Array.from({ length: steps }, (_, t) =>
      t % 2 === 0 ? [base, base + 4, base + 7] : [base + 2, base + 5],
    )
  const rolls = Array.from({ length: 24 }, (_, i) => roll(48 + (i % 3), 10 + (i % 5)))
  const range = { lowest: 40, highest: 70 }
  let composer: generate.RollComposer
  beforeAll(async () => {
    composer = await generate.trainRolls(
      { rolls },
      { ...small, ...range, transpose: 2, epochs: 20 },
    )
  })

  it('goes on from some steps, and makes a valid piece', async () => {
    const made: number[][] = []
    const prime = roll(52, 3)
    for await (const step of composer.generate({ prime, length: 6, temperature: 0.1 })) {
      made.push(step)
    }
    expect([...prime, ...made]).toEqual(roll(52, 9))
    const whole = await composer.compose({ prime, length: 6, temperature: 0.1 })
    expect(lengthOf(whole)).toBe(9)
    expect(whole).toMatchObject({ stepsPerBeat: 2, tempo: 100 })
    expect(await played(whole)).toEqual(whole.notes.map((note) => Object.values(note)))
  })

  it('counts nats a step, all pitches together', async () => {
    const pieces = [roll(48), roll(50, 9)]
    const { loss, steps } = await composer.evaluate({ rolls: pieces })
    expect(steps).toBe(25)
    // By hand, from the probabilities of each step.
    let nats = 0
    for (const notes of pieces) {
      const state = composer.model.initialState()
      const keys = new Float32Array(31)
      for (const step of notes) {
        const { y } = composer.model.step(keys, state)
        keys.fill(0)
        for (const pitch of step) keys[pitch - 40] = 1
        for (let k = 0; k < 31; k++) nats -= Math.log(keys[k] ? y[k] : 1 - y[k])
      }
    }
    expect(loss).toBeCloseTo(nats / 25, 3)
    expect(loss).toBeLessThan(3)
  })

  it('is one file', async () => {
    const path = join(folder, 'chords.refrain')
    await composer.save(path)
    const loaded = (await generate.load(path)) as generate.RollComposer
    expect(await loaded.compose({ seed: 1 })).toEqual(await composer.compose({ seed: 1 }))
    expect(await loaded.evaluate({ rolls })).toEqual(await composer.evaluate({ rolls }))
  })

  it('says what is wrong', async () => {
    await expect(generate.trainRolls({ rolls: [] })).rejects.toThrow('expected at least one roll')
    await expect(generate.trainRolls({ rolls: [[]] })).rejects.toThrow('roll 1: it has no steps')
    await expect(generate.trainRolls({ rolls: [[[60]], [[60], [20]]] })).rejects.toThrow(
      'roll 2: step 2: expected pitches from 21 to 108, got 20; lowest and highest say',
    )
    await expect(composer.compose({ prime: [[30]] })).rejects.toThrow(
      "generate 'prime': step 1: expected pitches from 40 to 70, got 30",
    )
  })
})
