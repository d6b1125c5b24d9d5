/** Reads piano rolls in JSON: which pitches sound in each step of each piece. Node only. */
import { RefrainError, show } from '../errors.ts'
import type { Roll } from './music.ts'
import { locate, type Place } from './row.ts'
import { lines, openText, type Source } from './source.ts'

/** A piece's roll; `row` counts pieces. */
export interface RollRow extends Place {
  roll: Roll
}

/**
 * The rolls of `.jsonl` files, one piece a line, or of `.json` files, an array of pieces; each also with
 * `.gz`. A piece is an array of steps, a step an array of MIDI numbers: `[[60,64,67],[60,64,67],[]]`.
 *
 * Throws `BAD_DATA` with the file, the piece and the step.
 */
export async function* readRolls(sources: Source | readonly Source[]): AsyncGenerator<RollRow> {
  for (const source of Array.isArray(sources) ? (sources as Source[]) : [sources as Source]) {
    const file = typeof source === 'string' ? source : source.name
    let row = 0
    for await (const { value, line } of pieces(source, file)) {
      const place = { file, row: ++row, line }
      yield { ...place, roll: checkRoll(locate(place), value) }
    }
    if (row === 0) throw new RefrainError('BAD_DATA', `${file}: there are no pieces in it`, shape)
  }
}

const shape = 'Expected pieces of steps of MIDI numbers: [[[60,64],[60],[]], …]'

async function* pieces(source: Source, file: string) {
  if (/\.(jsonl|ndjson)(\.gz)?$/i.test(file)) {
    let line = 0
    let row = 0
    for await (const content of lines(openText(source))) {
      line++
      if (content.trim() === '') continue
      yield { value: parse(content, locate({ file, row: ++row, line })), line }
    }
    return
  }
  let text = ''
  for await (const piece of openText(source)) text += piece
  const value = parse(text, file)
  if (!Array.isArray(value)) {
    throw new RefrainError(
      'BAD_DATA',
      `${file}: expected an array of pieces, got ${show(value)}`,
      shape,
    )
  }
  for (const piece of value) yield { value: piece as unknown, line: 1 }
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RefrainError('BAD_DATA', `${where}: not valid JSON`, shape, { cause })
  }
}

/** The roll, its steps sorted and without doubles. Throws `BAD_DATA` with `where` and the step. */
export function checkRoll(where: string, value: unknown): Roll {
  if (!Array.isArray(value) || value.length === 0) {
    throw new RefrainError(
      'BAD_DATA',
      `${where}: expected an array of steps, got ${show(value)}`,
      shape,
    )
  }
  return value.map((step: unknown, t) => {
    const pitches = Array.isArray(step) ? step : [step]
    const bad = pitches.find((pitch) => !Number.isInteger(pitch) || pitch < 0 || pitch > 127)
    if (!Array.isArray(step) || bad !== undefined) {
      throw new RefrainError(
        'BAD_DATA',
        `${where}: step ${t + 1}: expected MIDI numbers from 0 to 127, got ${show(Array.isArray(step) ? bad : step)}`,
        shape,
      )
    }
    return [...new Set(pitches as number[])].sort((a, b) => a - b)
  })
}
