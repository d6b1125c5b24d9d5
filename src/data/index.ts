/** Reading and preparing data: the entry `refrain/data`. Node only; the browser has the parts of it
 * that read no files in the main entry. */

export type { TagScheme } from '../util/tags.ts'
export * from './abc.ts'
export * from './abc-music.ts'
export * from './documents.ts'
export * from './examples.ts'
export * from './labelled-series.ts'
export * from './labels.ts'
export { logMel, type MelOptions } from './log-mel.ts'
export { midiBytes, parseMidi, type ReadMidiOptions } from './midi.ts'
export { readMidi, writeMidi } from './midi-files.ts'
export {
  fromRoll,
  type Note,
  type Piece,
  type Roll,
  toRoll,
  transpose,
  transposeRoll,
} from './music.ts'
export * from './pairs.ts'
export * from './read-series.ts'
export * from './read-vectors.ts'
export * from './recordings.ts'
export { type RollRow, readRolls } from './rolls.ts'
export { locate, type Place, type TableRow } from './row.ts'
export * from './series.ts'
export type { Source } from './source.ts'
export * from './split.ts'
export * from './subwords.ts'
export * from './table.ts'
export * from './tagged.ts'
export * from './time.ts'
export { type TokenizeOptions, tokenize } from './tokenize.ts'
export * from './vocabulary.ts'
export { decodeWav, resample, type Sound } from './wav.ts'
