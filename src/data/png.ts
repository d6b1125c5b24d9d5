/** Clips from PNG images, by the package `fast-png`, which is loaded when first used. */
import { RefrainError } from '../errors.ts'
import type { FlatData } from './column.ts'

/** An image's file. */
export interface Frame {
  /** For error messages. */
  readonly name: string
  bytes(): Promise<Uint8Array>
}

/** Numbers in names count as numbers: frame 2 comes before frame 10. */
export const byNumber = new Intl.Collator('en', { numeric: true })

/**
 * The clip of PNG images, in their order: pixels from 0 to 255, [frames, height, width, channels]. All have one size
 * and one number of channels; alpha is a channel. Throws `BAD_DATA` or `BAD_FILE`.
 */
export async function decodeFrames(images: readonly Frame[]): Promise<FlatData> {
  const { decode, convertIndexedToRgb } = await import('fast-png')
  let shape: number[] = []
  const frames: Float32Array[] = []
  for (const { name, bytes } of images) {
    let image: ReturnType<typeof decode>
    const file = await bytes()
    try {
      image = decode(file)
    } catch (cause) {
      const reason = (cause as Error).message
      throw new RefrainError(
        'BAD_FILE',
        `${name}: not a PNG file, or a damaged one (${reason})`,
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
      const first = images[0].name.replace(/^.*[\\/]/, '')
      throw new RefrainError(
        'BAD_DATA',
        `${name}: expected height, width and channels ${shape.join(', ')}, as in ${first}, got ` +
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
