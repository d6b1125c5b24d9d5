/** `.mid` files; `midi.ts` has what is in them. Node only. */
import { readFile, writeFile } from 'node:fs/promises'
import { RefrainError } from '../errors.ts'
import { midiBytes, parseMidi, type ReadMidiOptions } from './midi.ts'
import type { Piece } from './music.ts'
import { isFolder } from './source.ts'

/** As {@link parseMidi}, of a `.mid` file. Throws `FILE_NOT_FOUND`, too. */
export async function readMidi(path: string, options: ReadMidiOptions = {}): Promise<Piece> {
  // A missing file is named, and the file spelt most like it.
  if (await isFolder(path))
    throw new RefrainError('BAD_FILE', `${path}: expected a file, got a folder`)
  return parseMidi(await readFile(path), path, options)
}

/** Writes a piece to a `.mid` file. */
export async function writeMidi(path: string, piece: Piece): Promise<void> {
  await writeFile(path, await midiBytes(piece))
}
