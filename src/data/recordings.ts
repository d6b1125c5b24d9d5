/** Reads labelled sounds and clips: WAV files, and folders of PNG frames. Node only. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RefrainError } from '../errors.ts'
import type { FlatData } from './column.ts'
import { compare } from './folder.ts'
import { labelledFiles } from './labelled-files.ts'
import { byNumber, decodeFrames } from './png.ts'
import { isFolder } from './source.ts'
import { decodeWav, type Sound } from './wav.ts'

/** Sounds and their labels. */
export interface SoundExamples {
  readonly sounds: Sound[]
  readonly labels: string[]
  /** The file of sound `i`. */
  where(i: number): string
}

/** Clips and their labels. */
export interface ClipExamples {
  /** Pixels from 0 to 255, [frames, height, width, channels]. */
  readonly clips: FlatData[]
  readonly labels: string[]
  /** The folder of clip `i`. */
  where(i: number): string
}

/** The sound in a WAV file. Throws `FILE_NOT_FOUND` or `BAD_FILE`. */
export async function readWav(path: string): Promise<Sound> {
  await isFolder(path)
  return decodeWav(await readFile(path), path)
}

/** The sounds of FOLDER/label/*.wav. Throws `BAD_FILE` with the file, `BAD_DATA` where there are none. */
export async function readSounds(folder: string): Promise<SoundExamples> {
  await isFolder(folder)
  const files = await labelledFiles(folder, /\.wav$/i, 'yes/1.wav')
  const sounds: Sound[] = []
  for (const { path } of files) sounds.push(await readWav(path))
  return { sounds, labels: files.map(({ label }) => label), where: (i) => files[i].path }
}

/**
 * The clip whose frames are the PNG files of a folder, in the order of the numbers in their names. All
 * have one size and one number of channels; alpha is a channel. Throws `BAD_DATA` or `BAD_FILE`.
 */
export async function readFrames(folder: string): Promise<FlatData> {
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.png$/i.test(name))
  names.sort((a, b) => byNumber.compare(a, b) || compare(a, b))
  if (names.length === 0) {
    throw new RefrainError('BAD_DATA', `${folder}: there are no .png files in it`)
  }
  return decodeFrames(
    names.map((name) => ({ name: join(folder, name), bytes: () => readFile(join(folder, name)) })),
  )
}

/**
 * The clips of FOLDER/label/clip/*.png. Throws `BAD_FILE` with the file, `BAD_DATA` where there are
 * none.
 */
export async function readClips(folder: string): Promise<ClipExamples> {
  await isFolder(folder)
  const folders = await labelledFiles(folder, null, 'left/1/frame-1.png')
  const clips: FlatData[] = []
  for (const { path } of folders) clips.push(await readFrames(path))
  return { clips, labels: folders.map(({ label }) => label), where: (i) => folders[i].path }
}
