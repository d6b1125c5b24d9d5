/** Reads labelled sounds and clips: WAV files, and folders of PNG frames. Node only. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RefrainError } from '../errors.ts'
import type { FlatData } from './column.ts'
import { compare } from './folder.ts'
import { labelledFiles } from './labelled-files.ts'
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

/** Numbers in names count as numbers: frame 2 comes before frame 10. */
const byNumber = new Intl.Collator('en', { numeric: true })

/**
 * The clip whose frames are the PNG files of a folder, in the order of the numbers in their names. All
 * have one size and one number of channels; alpha is a channel. Throws `BAD_DATA` or `BAD_FILE`.
 */
export async function readFrames(folder: string): Promise<FlatData> {
  const { decode, convertIndexedToRgb } = await import('fast-png')
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.png$/i.test(name))
  names.sort((a, b) => byNumber.compare(a, b) || compare(a, b))
  if (names.length === 0) {
    throw new RefrainError('BAD_DATA', `${folder}: there are no .png files in it`)
  }
  let shape: number[] = []
  const frames: Float32Array[] = []
  for (const name of names) {
    const path = join(folder, name)
    const bytes = await readFile(path)
    let image: ReturnType<typeof decode>
    try {
      image = decode(bytes)
    } catch (cause) {
      const reason = (cause as Error).message
      throw new RefrainError(
        'BAD_FILE',
        `${path}: not a PNG file, or a damaged one (${reason})`,
        'Save it as PNG again, or take it out of the folder',
        { cause },
      )
    }
    const { width, height, palette, depth } = image
    const data = palette ? convertIndexedToRgb(image) : unpack(image)
    const channels = palette ? data.length / (width * height) : image.channels
    const own = [height, width, channels]
    if (frames.length === 0) shape = own
    if (own.join() !== shape.join()) {
      throw new RefrainError(
        'BAD_DATA',
        `${path}: expected height, width and channels ${shape.join(', ')}, as in ${names[0]}, got ` +
          `${own.join(', ')}`,
        'Bring all frames to one size',
      )
    }
    const scale = 255 / (palette ? 255 : 2 ** depth - 1)
    frames.push(Float32Array.from(data, (value) => value * scale))
  }
  const size = frames[0].length
  const data = new Float32Array(frames.length * size)
  frames.forEach((frame, t) => {
    data.set(frame, t * size)
  })
  return { shape: [frames.length, ...shape], data }
}

/** One number a pixel and channel; grey of less than 8 bits has several in a byte. */
function unpack({
  data,
  depth,
  width,
  height,
  channels,
}: {
  data: ArrayLike<number>
  depth: number
  width: number
  height: number
  channels: number
}): ArrayLike<number> {
  if (depth >= 8) return data
  const row = Math.ceil((width * channels * depth) / 8)
  return Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const [y, x] = [Math.floor(i / (width * channels)), i % (width * channels)]
    const bit = x * depth
    const shift = 8 - depth - (bit % 8)
    return (data[y * row + (bit >> 3)] >> shift) & (2 ** depth - 1)
  })
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
