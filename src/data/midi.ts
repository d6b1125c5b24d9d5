/** Standard MIDI files in and out, by the package `midi-file`, which is loaded when first used. */
import type { MidiData, MidiEvent } from 'midi-file'
import { RefrainError } from '../errors.ts'
import { checkInteger, checkOptions } from '../util/check.ts'
import { byStart, checkPiece, lengthOf, type Note, type Piece } from './music.ts'

/** Options of `readMidi` and {@link parseMidi}. */
export interface ReadMidiOptions {
  /** The grid: steps in a quarter note. Default 4, sixteenths. */
  stepsPerBeat?: number
}

/** Ticks in a quarter note of the files that `midiBytes` makes. */
const ticksPerBeat = 480

/** Where General MIDI has its drums, which have no pitch. */
const drums = 9

/**
 * The notes of a MIDI file, its tracks together and without drums, on the nearest steps of a grid; each
 * lasts at least a step. The tempo is the first that the file sets, else 120.
 *
 * @param name is for error messages
 *
 * Throws `BAD_FILE` if it is no MIDI file or a broken one, `BAD_DATA` if it has no notes.
 */
export async function parseMidi(
  bytes: Uint8Array,
  name: string,
  options: ReadMidiOptions = {},
): Promise<Piece> {
  checkOptions('readMidi', options, ['stepsPerBeat'])
  const stepsPerBeat = checkInteger("readMidi 'stepsPerBeat'", options.stepsPerBeat ?? 4)
  const midi = await parse(bytes, name)
  const { ticksPerBeat: ticks } = midi.header
  if (!ticks) {
    throw new RefrainError(
      'BAD_FILE',
      `${name}: its times are in frames of film, not in beats`,
      'Save it with a number of ticks a quarter note',
    )
  }
  const notes: Note[] = []
  let tempo = 0
  let title = ''
  for (const track of midi.tracks) {
    let now = 0
    const open = new Map<number, number[]>()
    const step = (tick: number) => Math.round((tick * stepsPerBeat) / ticks)
    const end = (key: number) => {
      const from = open.get(key)?.shift()
      if (from === undefined) return
      const start = step(from)
      notes.push({ pitch: key % 128, start, duration: Math.max(1, step(now) - start) })
    }
    for (const event of track) {
      now += event.deltaTime
      if (event.type === 'setTempo') tempo ||= 6e7 / event.microsecondsPerBeat
      if (event.type === 'trackName') title ||= event.text
      if (event.type !== 'noteOn' && event.type !== 'noteOff') continue
      if (event.channel === drums) continue
      const key = 128 * event.channel + event.noteNumber
      if (event.type === 'noteOff') end(key)
      else open.set(key, [...(open.get(key) ?? []), now])
    }
    for (const [key, starts] of open) for (const _ of [...starts]) end(key)
  }
  if (notes.length === 0) {
    throw new RefrainError('BAD_DATA', `${name}: there are no notes in it`, 'drums do not count')
  }
  return { notes: unique(notes.sort(byStart)), stepsPerBeat, tempo: tempo || 120, title }
}

async function parse(bytes: Uint8Array, name: string): Promise<MidiData> {
  const { parseMidi: parseBytes } = await import('midi-file')
  try {
    const midi = parseBytes(bytes)
    const { ticksPerBeat: ticks = 0, framesPerSecond = 0 } = midi.header
    if (!(ticks > 0 || framesPerSecond > 0)) throw new Error('the header is cut off')
    if (midi.tracks.every((track) => track.every(isEvent))) return midi
    throw new Error('an event is cut off')
  } catch (cause) {
    const reason = typeof cause === 'string' ? cause : (cause as Error).message
    throw new RefrainError(
      'BAD_FILE',
      `${name}: not a MIDI file, or a damaged one (${reason})`,
      'Export it again as a standard MIDI file',
      { cause },
    )
  }
}

/** What is read beyond the end of a file is undefined. */
function isEvent(event: MidiEvent): boolean {
  if (!Number.isFinite(event.deltaTime)) return false
  if (event.type === 'setTempo') return event.microsecondsPerBeat > 0
  if (event.type !== 'noteOn' && event.type !== 'noteOff') return true
  return event.noteNumber >= 0 && event.noteNumber <= 127
}

/** Two instruments on one pitch are one note, the longer one. */
function unique(notes: readonly Note[]): Note[] {
  const kept = new Map<string, Note>()
  for (const note of notes) {
    const key = `${note.start} ${note.pitch}`
    if ((kept.get(key)?.duration ?? 0) < note.duration) kept.set(key, note)
  }
  return [...kept.values()]
}

/** The bytes of a MIDI file (format 0, one instrument). Throws `BAD_DATA` for notes out of range. */
export async function midiBytes(piece: Piece): Promise<Uint8Array> {
  checkPiece('midiBytes', piece)
  const { writeMidi: write } = await import('midi-file')
  const ticks = ticksPerBeat / piece.stepsPerBeat
  // A note that ends where the same pitch begins ends first.
  const changes = piece.notes.flatMap(({ pitch, start, duration }) => [
    { step: start, on: 1, pitch },
    { step: start + duration, on: 0, pitch },
  ])
  changes.sort((a, b) => a.step - b.step || a.on - b.on || a.pitch - b.pitch)
  let before = 0
  const track: MidiEvent[] = [
    { deltaTime: 0, meta: true, type: 'trackName', text: piece.title },
    {
      deltaTime: 0,
      meta: true,
      type: 'setTempo',
      microsecondsPerBeat: Math.round(6e7 / piece.tempo),
    },
    ...changes.map(({ step, on, pitch }): MidiEvent => {
      const now = Math.round(step * ticks)
      const deltaTime = now - before
      before = now
      return {
        deltaTime,
        channel: 0,
        type: on ? 'noteOn' : 'noteOff',
        noteNumber: pitch,
        velocity: on ? 80 : 0,
      }
    }),
    { deltaTime: Math.round(lengthOf(piece) * ticks) - before, meta: true, type: 'endOfTrack' },
  ]
  return Uint8Array.from(
    write({ header: { format: 0, numTracks: 1, ticksPerBeat }, tracks: [track] }),
  )
}
