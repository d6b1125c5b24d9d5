/** Music as numbers: notes on a grid of steps, piano rolls, and the way between them. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger } from '../util/check.ts'

/** A note on the grid. */
export interface Note {
  /** MIDI number, 0 to 127; 60 is middle C. */
  readonly pitch: number
  /** In steps from the piece's beginning. */
  readonly start: number
  /** In steps, at least 1. */
  readonly duration: number
}

/** A piece of music. */
export interface Piece {
  /** In the order of their starts, then of their pitches. */
  readonly notes: readonly Note[]
  /** Steps of the grid in a quarter note. */
  readonly stepsPerBeat: number
  /** Quarter notes a minute. */
  readonly tempo: number
  /** What the piece is called; '' if nobody says. */
  readonly title: string
}

/** The pitches, MIDI numbers in ascending order, that sound in each step. */
export type Roll = readonly (readonly number[])[]

/** By start, then by pitch. */
export const byStart = (a: Note, b: Note) => a.start - b.start || a.pitch - b.pitch

/** How long the piece is, in steps. */
export const lengthOf = ({ notes }: Pick<Piece, 'notes'>) =>
  notes.reduce((end, { start, duration }) => Math.max(end, start + duration), 0)

/** Throws `BAD_DATA`, with `where` and the note, unless all notes have whole numbers in range. */
export function checkPiece(where: string, { notes, stepsPerBeat, tempo }: Piece): void {
  checkInteger(`${where}: stepsPerBeat`, stepsPerBeat)
  if (!(tempo > 0 && tempo < 1e4)) {
    throw new RefrainError('BAD_DATA', `${where}: expected a tempo above 0, got ${show(tempo)}`)
  }
  notes.forEach(({ pitch, start, duration }, i) => {
    const whole = [pitch, start, duration].every(Number.isInteger)
    if (whole && pitch >= 0 && pitch <= 127 && start >= 0 && duration >= 1) return
    throw new RefrainError(
      'BAD_DATA',
      `${where}: note ${i + 1}: expected a pitch from 0 to 127, a start of at least 0 and a duration ` +
        `of at least 1 step, got ${show([pitch, start, duration])}`,
    )
  })
}

/** The piece some semitones higher, or lower; null if a note would leave 0 to 127. */
export function transpose(piece: Piece, semitones: number): Piece | null {
  const notes = piece.notes.map((note) => ({ ...note, pitch: note.pitch + semitones }))
  return notes.every(({ pitch }) => pitch >= 0 && pitch <= 127) ? { ...piece, notes } : null
}

/** The roll some semitones higher, or lower; null if a note would leave `lowest` to `highest`. */
export function transposeRoll(
  roll: Roll,
  semitones: number,
  lowest = 0,
  highest = 127,
): Roll | null {
  const moved = roll.map((step) => step.map((pitch) => pitch + semitones))
  return moved.every((step) => step.every((p) => p >= lowest && p <= highest)) ? moved : null
}

/** The pitches that sound in each step of a piece. Where a note is struck again does not show. */
export function toRoll(piece: Pick<Piece, 'notes'>): number[][] {
  const steps = Array.from({ length: lengthOf(piece) }, () => new Set<number>())
  for (const { pitch, start, duration } of piece.notes) {
    for (let t = start; t < start + duration; t++) steps[t].add(pitch)
  }
  return steps.map((pitches) => [...pitches].sort((a, b) => a - b))
}

/**
 * The piece of a roll: a pitch that sounds in consecutive steps is one note. Defaults: 2 steps a quarter
 * note (eighths), 100 quarter notes a minute.
 */
export function fromRoll(
  roll: Roll,
  { stepsPerBeat = 2, tempo = 100, title = '' }: Partial<Omit<Piece, 'notes'>> = {},
): Piece {
  const notes: Note[] = []
  const since = new Map<number, number>()
  for (let t = 0; t <= roll.length; t++) {
    const now = new Set(roll[t] ?? [])
    for (const [pitch, start] of since) {
      if (now.has(pitch)) continue
      notes.push({ pitch, start, duration: t - start })
      since.delete(pitch)
    }
    for (const pitch of now) if (!since.has(pitch)) since.set(pitch, t)
  }
  return { notes: notes.sort(byStart), stepsPerBeat, tempo, title }
}
