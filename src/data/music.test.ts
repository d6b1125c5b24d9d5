import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ToneMidi from '@tonejs/midi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { midiBytes, parseMidi } from './midi.ts'
import { readMidi, writeMidi } from './midi-files.ts'
import { fromRoll, type Piece, toRoll, transpose, transposeRoll } from './music.ts'
import { type RollRow, readRolls } from './rolls.ts'

const { Midi } = ToneMidi
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-music-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const piece: Piece = {
  notes: [
    { pitch: 60, start: 0, duration: 4 },
    { pitch: 64, start: 0, duration: 2 },
    { pitch: 64, start: 2, duration: 2 },
    { pitch: 67, start: 5, duration: 1 },
  ],
  stepsPerBeat: 4,
  tempo: 96,
  title: 'Three',
}

describe('MIDI', () => {
  it('survives writing and reading', async () => {
    const path = join(folder, 'three.mid')
    await writeMidi(path, piece)
    expect(await readMidi(path)).toEqual(piece)
    const finer = await readMidi(path, { stepsPerBeat: 8 })
    expect(finer.notes[3]).toEqual({ pitch: 67, start: 10, duration: 2 })
  })

  it('is what another program reads, and reads what it writes', async () => {
    const midi = new Midi(await midiBytes(piece))
    expect(midi.header.tempos[0].bpm).toBeCloseTo(96, 3)
    expect(
      midi.tracks[0].notes.map(({ midi, ticks, durationTicks }) => [midi, ticks, durationTicks]),
    ).toEqual([
      [60, 0, 480],
      [64, 0, 240],
      [64, 240, 240],
      [67, 600, 120],
    ])
    const theirs = new Midi()
    theirs.header.setTempo(80)
    const [low, high, drums] = [theirs.addTrack(), theirs.addTrack(), theirs.addTrack()]
    low.addNote({ midi: 48, ticks: 0, durationTicks: 970 })
    high.addNote({ midi: 72, ticks: 475, durationTicks: 20 })
    drums.channel = 9
    drums.addNote({ midi: 40, ticks: 0, durationTicks: 480 })
    const read = await parseMidi(theirs.toArray(), 'theirs.mid')
    expect(read.tempo).toBeCloseTo(80, 3)
    expect(read.notes).toEqual([
      { pitch: 48, start: 0, duration: 8 },
      { pitch: 72, start: 4, duration: 1 },
    ])
  })

  it('a broken or missing file', async () => {
    const bytes = await midiBytes(piece)
    const text = new TextEncoder().encode('not music at all')
    await expect(parseMidi(text, 'a.mid')).rejects.toThrow(
      'a.mid: not a MIDI file, or a damaged one (Bad MIDI file.',
    )
    await expect(parseMidi(new Uint8Array(0), 'a.mid')).rejects.toThrow('a.mid: not a MIDI file')
    // Wherever it is cut off, that shows, or what is there is read.
    for (let end = 0; end < bytes.length; end++) {
      const result = await parseMidi(bytes.slice(0, end), 'a.mid').catch((error) => error)
      if (result instanceof Error)
        expect(result.message).toMatch(/^a\.mid: (not a MIDI|there are no)/)
      else expect(result.notes.length).toBeGreaterThan(0)
    }
    const silent = await midiBytes({ ...piece, notes: [] })
    await expect(parseMidi(silent, 'a.mid')).rejects.toThrow('a.mid: there are no notes in it')
    await expect(readMidi(join(folder, 'thre.mid'))).rejects.toThrow("did you mean 'three.mid'?")
    await expect(
      midiBytes({ ...piece, notes: [{ pitch: 128, start: 0, duration: 1 }] }),
    ).rejects.toThrow('midiBytes: note 1: expected a pitch from 0 to 127')
  })
})

describe('rolls', () => {
  it('and notes', () => {
    const roll = toRoll(piece)
    expect(roll).toEqual([[60, 64], [60, 64], [60, 64], [60, 64], [], [67]])
    expect(fromRoll(roll).notes).toEqual([
      { pitch: 60, start: 0, duration: 4 },
      { pitch: 64, start: 0, duration: 4 },
      { pitch: 67, start: 5, duration: 1 },
    ])
  })

  it('transposed, as far as there are keys', () => {
    expect(transpose(piece, 2)?.notes[3].pitch).toBe(69)
    expect(transpose(piece, 61)).toBeNull()
    expect(transposeRoll([[60, 64], [67]], -2)).toEqual([[58, 62], [65]])
    expect(transposeRoll([[60, 64], [67]], -2, 60, 80)).toBeNull()
  })

  const read = async (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    const rows: RollRow[] = []
    for await (const row of readRolls(path)) rows.push(row)
    return rows
  }

  it('from JSON and JSON lines', async () => {
    const expected = [[[60, 64], []], [[61]]]
    const json = await read('a.json', '[[[64,60,60],[]],[[61]]]')
    expect(json.map(({ roll }) => roll)).toEqual(expected)
    const lines = await read('a.jsonl', '[[60,64],[]]\n\n[[61]]\n')
    expect(lines.map(({ roll }) => roll)).toEqual(expected)
    expect(lines[1]).toMatchObject({ row: 2, line: 3 })
  })

  const bad: [string, string, string][] = [
    [
      'b.jsonl',
      '[[60]]\n[[60],[200]]',
      'b.jsonl, row 2: step 2: expected MIDI numbers from 0 to 127, got 200',
    ],
    [
      'b.json',
      '[[[60]],[60]]',
      'b.json, row 2: step 1: expected MIDI numbers from 0 to 127, got 60',
    ],
    [
      'b.json',
      '[[[60.5]]]',
      'b.json, row 1: step 1: expected MIDI numbers from 0 to 127, got 60.5',
    ],
    ['b.json', '[[]]', 'b.json, row 1: expected an array of steps, got []'],
    ['b.json', '{"a":1}', 'b.json: expected an array of pieces, got { a }'],
    ['b.json', '[', 'b.json: not valid JSON. Expected pieces of steps'],
    ['b.json', '[]', 'b.json: there are no pieces in it'],
  ]
  it.each(bad)('%s %s', async (name, text, message) => {
    await expect(read(name, text)).rejects.toThrow(message)
  })
})
