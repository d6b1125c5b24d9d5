/** Zip archives, read and written by fflate, with limits on what they may unpack to. */
import { RefrainError } from '../errors.ts'

/** A file may not unpack to more than so many times its own size. */
const maxGrowth = 64

/**
 * The files of an archive whose names `wanted` takes. Nothing is written: a name leads nowhere. What is stored as it is
 * is not copied: it lies in the archive's bytes.
 */
export async function unzip(
  bytes: Uint8Array,
  fileName: string,
  wanted: (name: string) => boolean,
): Promise<Map<string, Uint8Array>> {
  const { unzipSync } = await import('fflate')
  const bad = (what: string, cause?: unknown) =>
    new RefrainError('BAD_FILE', `${fileName}: ${what}`, 'Copy the file again', { cause })
  const places = checkDirectory(bytes, bad)
  const stored = new Map<string, Uint8Array>()
  let size = 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let found: Record<string, Uint8Array>
  try {
    found = unzipSync(bytes, {
      filter: ({ name, originalSize, size: packed, compression }) => {
        if (!wanted(name)) return false
        const place = places.get(name)
        if (compression === 0 && packed === originalSize && place !== undefined) {
          const start =
            place + 30 + view.getUint16(place + 26, true) + view.getUint16(place + 28, true)
          if (start + packed > bytes.length) throw bad(`'${name}' was cut off`)
          stored.set(name, bytes.subarray(start, start + packed))
          return false
        }
        size += originalSize
        if (!(size <= maxGrowth * bytes.length)) {
          throw bad(`it would unpack to more than ${maxGrowth} times its size`)
        }
        return true
      },
    })
  } catch (error) {
    if (error instanceof RefrainError) throw error
    throw bad(`not a zip archive that can be read: ${(error as Error).message}`, error)
  }
  return new Map([...Object.entries(found), ...stored])
}

/**
 * Fails unless the archive's list of files is one: fflate takes its count, of four bytes, on trust and would look for
 * files for hours. Returns where each file's own header is, if that is known from its first four bytes.
 */
function checkDirectory(
  bytes: Uint8Array,
  bad: (what: string) => RefrainError,
): Map<string, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = (place: number) =>
    place >= 0 && place + 4 <= bytes.length ? view.getUint32(place, true) : 0
  let end = bytes.length - 22
  while (end >= 0 && at(end) !== 0x06054b50) {
    if (bytes.length - end > 65_557) break
    end--
  }
  if (at(end) !== 0x06054b50) throw bad('not a zip archive that can be read: its end is missing')
  let [count, place] = [at(end + 8) & 0xffff, at(end + 16)]
  // A list for large archives, which smaller ones may have, too.
  const large = at(end - 12)
  if (at(end - 20) === 0x07064b50 && at(large) === 0x06064b50) {
    count = at(large + 32)
    place = at(large + 48)
  }
  const places = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    if (at(place) !== 0x02014b50) {
      throw bad(`not a zip archive that can be read: its list of ${count} files ends after ${i}`)
    }
    const header = at(place + 42)
    if (header < bytes.length - 30 && at(header) === 0x04034b50) {
      const name = bytes.subarray(place + 46, place + 46 + (at(place + 28) & 0xffff))
      places.set(new TextDecoder().decode(name), header)
    }
    const lengths = [28, 30, 32].map((field) => at(place + field) & 0xffff)
    place += 46 + lengths.reduce((sum, length) => sum + length, 0)
  }
  return places
}

/** The bytes of an archive of these files, stored as they are. */
export async function zip(files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const { zipSync } = await import('fflate')
  return zipSync({ ...files }, { level: 0 })
}
