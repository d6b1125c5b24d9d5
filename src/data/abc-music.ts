/** What ABC means, by the package `abcjs`, which is loaded when first used. */
import { RefrainError, show } from '../errors.ts'
import { checkInteger } from '../util/check.ts'
import { parseMidi } from './midi.ts'
import type { Piece } from './music.ts'

/** What of `abcjs` is used here: its own types need those of a page. */
interface Abcjs {
  parseOnly(abc: string): ParsedTune[]
  strTranspose(abc: string, tunes: ParsedTune[], semitones: number): string
  synth: { getMidiFile(abc: string, options: { midiOutputType: 'binary' }): Uint8Array[] }
}

interface ParsedTune {
  warnings?: string[]
  lines: { staff?: { voices: { el_type: string; pitches?: unknown[] }[][] }[] }[]
}

async function load(): Promise<Abcjs> {
  const { default: abcjs } = await import('abcjs')
  return abcjs as unknown as Abcjs
}

/**
 * What is wrong with a tune in ABC; none if it can be played: it parses without a warning and has at
 * least one note.
 */
export async function abcProblems(abc: string): Promise<string[]> {
  const { parseOnly } = await load()
  let tunes: ParsedTune[]
  try {
    tunes = parseOnly(abc)
  } catch (error) {
    return [(error as Error).message]
  }
  if (tunes.length !== 1) return [`expected one tune, got ${tunes.length}`]
  const [{ warnings = [], lines }] = tunes
  const sounds = lines.some(({ staff }) =>
    staff?.some(({ voices }) =>
      voices.some((voice) => voice.some(({ pitches }) => (pitches?.length ?? 0) > 0)),
    ),
  )
  const plain = warnings.map((warning) => warning.replace(/<[^>]*>/g, ''))
  return sounds ? plain : [...plain, 'it has no notes']
}

/**
 * The bytes of a MIDI file of a tune in ABC, with its repeats played out. Throws `BAD_DATA` if it
 * cannot be read.
 */
export async function abcMidi(abc: string): Promise<Uint8Array> {
  await check(abc)
  const { synth } = await load()
  return Uint8Array.from(synth.getMidiFile(abc, { midiOutputType: 'binary' })[0])
}

/** The notes of a tune in ABC, with its repeats played out. Throws `BAD_DATA` if it cannot be read. */
export async function abcPiece(abc: string, stepsPerBeat = 4): Promise<Piece> {
  return parseMidi(await abcMidi(abc), 'the tune', { stepsPerBeat })
}

/** The tune some semitones higher, in ABC again. Throws `BAD_DATA` if it cannot be read. */
export async function transposeAbc(abc: string, semitones: number): Promise<string> {
  checkInteger("transposeAbc 'semitones'", semitones, -24)
  await check(abc)
  const { parseOnly, strTranspose } = await load()
  return strTranspose(abc, parseOnly(abc), semitones)
}

async function check(abc: string): Promise<void> {
  const [problem] = await abcProblems(abc)
  if (problem === undefined) return
  throw new RefrainError('BAD_DATA', `not a tune in ABC notation: ${problem}: ${show(abc)}`)
}
