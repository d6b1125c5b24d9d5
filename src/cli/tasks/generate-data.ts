/** What the command's `generate` reads: text, tunes in ABC, MIDI files, piano rolls. */
import { type Command, Option } from 'commander'
import { readAbc, tuneText } from '../../data/abc.ts'
import { readDocuments } from '../../data/documents.ts'
import { readMidi } from '../../data/midi-files.ts'
import { type Piece, type Roll, toRoll } from '../../data/music.ts'
import { readRolls } from '../../data/rolls.ts'
import { locate } from '../../data/row.ts'
import { RefrainError } from '../../errors.ts'
import { rollDefaults } from '../../tasks/generate/index.ts'
import { plural } from '../io.ts'
import type { Fact } from '../task.ts'

export interface ReadOptions {
  documents?: 'file' | 'blankLine' | 'line'
  fields?: string
  encoding?: 'events' | 'roll'
  stepsPerBeat?: number
}

export type Data =
  | { kind: 'text'; texts: string[]; where(i: number): string }
  | { kind: 'events'; pieces: Piece[]; where(i: number): string }
  | { kind: 'roll'; rolls: Roll[]; where(i: number): string }

export const filesHelp = `
Files, told by their names, all of one kind:
  .abc            tunes in ABC notation, written as text
  .mid, .midi     music, written note by note, or step by step with --encoding roll
  .json, .jsonl   piano rolls: pieces of steps of MIDI numbers, [[[60,64],[60],[]], …]
  others          text in UTF-8; a folder: its .txt files
each of them but MIDI also with .gz behind it.`

/** The ending of a file's name, that of what a .gz holds. */
export const ending = (file: string) => /\.(\w+)(\.gz)?$/.exec(file)?.[1].toLowerCase() ?? ''

/** What a file holds, by its name. */
export function formatOf(file: string): 'abc' | 'midi' | 'rolls' | 'text' {
  const found = ending(file)
  if (found === 'abc') return 'abc'
  if (found === 'mid' || found === 'midi') return 'midi'
  return found === 'json' || found === 'jsonl' ? 'rolls' : 'text'
}

export async function readFiles(files: readonly string[], options: ReadOptions): Promise<Data> {
  const format = formatOf(files[0])
  const other = files.find((file) => formatOf(file) !== format)
  if (other !== undefined) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `expected files of one kind, got ${files[0]} (${format}) and ${other} (${formatOf(other)})`,
    )
  }
  if (format === 'text') {
    return { kind: 'text', ...(await readDocuments(files, { documents: options.documents })) }
  }
  const places: string[] = []
  const where = (i: number) => places[i]
  if (format === 'abc') {
    const texts: string[] = []
    for await (const tune of readAbc(files)) {
      texts.push(tuneText(tune, { fields: options.fields }))
      places.push(locate(tune))
    }
    return { kind: 'text', texts, where }
  }
  if (format === 'rolls') {
    const rolls: Roll[] = []
    for await (const row of readRolls(files)) {
      rolls.push(row.roll)
      places.push(locate(row))
    }
    return { kind: 'roll', rolls, where }
  }
  const pieces: Piece[] = []
  const roll = options.encoding === 'roll'
  const stepsPerBeat = options.stepsPerBeat ?? (roll ? rollDefaults.stepsPerBeat : undefined)
  for (const file of files) {
    pieces.push(await readMidi(file, { stepsPerBeat }))
    places.push(file)
  }
  return roll
    ? { kind: 'roll', rolls: pieces.map(toRoll), where }
    : { kind: 'events', pieces, where }
}

export function describeData(data: Data): Fact {
  if (data.kind === 'text') {
    const characters = data.texts.reduce((sum, { length }) => sum + length, 0)
    return {
      text: `${plural(data.texts.length, 'text')}, ${plural(characters, 'character')}`,
      json: { texts: data.texts.length, characters },
    }
  }
  if (data.kind === 'events') {
    const notes = data.pieces.reduce((sum, piece) => sum + piece.notes.length, 0)
    return {
      text: `${plural(data.pieces.length, 'piece')}, ${plural(notes, 'note')}`,
      json: { pieces: data.pieces.length, notes },
    }
  }
  const steps = data.rolls.reduce((sum, { length }) => sum + length, 0)
  return {
    text: `${plural(data.rolls.length, 'piece')}, ${plural(steps, 'step')}`,
    json: { pieces: data.rolls.length, steps },
  }
}

export function addReadOptions(command: Command): void {
  command
    .addOption(
      new Option('--documents <cut>', 'of text: what a document is')
        .choices(['file', 'blankLine', 'line'])
        .default('file'),
    )
    .option('--fields <letters>', 'of ABC: header fields that stay, beside X and K', 'TRMLQ')
}
