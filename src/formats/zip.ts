/** Zip archives, read and written by fflate, with limits on what they may unpack to. */
import { RefrainError } from '../errors.ts'

/** A file may not unpack to more than so many times its own size. */
const maxGrowth = 64

/** The files of an archive whose names `wanted` takes. Nothing is written: a name leads nowhere. */
export async function unzip(
  bytes: Uint8Array,
  fileName: string,
  wanted: (name: string) => boolean,
): Promise<Map<string, Uint8Array>> {
  const { unzipSync } = await import('fflate')
  const bad = (what: string, cause?: unknown) =>
    new RefrainError('BAD_FILE', `${fileName}: ${what}`, 'Copy the file again', { cause })
  let size = 0
  let found: Record<string, Uint8Array>
  try {
    found = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        if (!wanted(name)) return false
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
  return new Map(Object.entries(found))
}

/** The bytes of an archive of these files, stored as they are. */
export async function zip(files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const { zipSync } = await import('fflate')
  return zipSync({ ...files }, { level: 0 })
}
