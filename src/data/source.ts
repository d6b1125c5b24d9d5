/**
 * Opens what the readers read: a file (plain or gzipped) or a stream of bytes, as checked UTF-8 text
 * with `\n` line ends. Node only.
 */
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { RefrainError } from '../errors.ts'
import { nearest } from '../util/check.ts'

/** The path of a file or folder, or a stream (standard input, a download) with a name for errors. */
export type Source = string | { name: string; stream: AsyncIterable<Uint8Array> }

/** Whether the path is a folder. Throws `FILE_NOT_FOUND`, naming the file spelt most like it. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    throw await readError(path, error)
  }
}

/** The text of a file or stream, in pieces. Throws `BAD_DATA` where it is not UTF-8. */
export function openText(source: Source): AsyncGenerator<string> {
  return typeof source === 'string'
    ? decodeText(readBytes(source), source)
    : decodeText(source.stream, source.name)
}

async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  try {
    const file = createReadStream(path)
    // `pipeline` passes errors and early ends on; the loop below raises them.
    yield* path.endsWith('.gz') ? pipeline(file, createGunzip(), () => {}) : file
  } catch (error) {
    throw await readError(path, error)
  }
}

async function readError(path: string, error: unknown): Promise<unknown> {
  const { code = '', message = '' } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const folder = dirname(path)
    const names = await readdir(folder).catch(() => undefined)
    const close = names && nearest(basename(path), names)
    return new RefrainError(
      'FILE_NOT_FOUND',
      `${path}: no such file or folder`,
      close ? `did you mean '${close}'?` : names ? '' : `there is no folder '${folder}' either`,
      { cause: error },
    )
  }
  if (code.startsWith('Z_')) {
    return new RefrainError(
      'BAD_FILE',
      `${path}: not a gzip file, or a damaged one (${message})`,
      'Fetch it again, or rename it if it is not compressed',
      { cause: error },
    )
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new RefrainError(
      'BAD_FILE',
      `${path}: this user may not read it`,
      'Change its permissions',
      { cause: error },
    )
  }
  return error
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes UTF-8 strictly, drops a byte order mark and turns `\r\n` and `\r` into `\n`. */
export async function* decodeText(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<string> {
  let offset = 0
  let line = 1
  let rest = new Uint8Array(0)
  /** A `\r` at the end of a piece, which may be the first half of a `\r\n`. */
  let carried = ''

  const decode = (bytes: Uint8Array) => {
    let text: string
    try {
      text = strict.decode(bytes)
    } catch {
      throw notUtf8(bytes, offset, line, name)
    }
    if (offset === 0 && text.startsWith('\ufeff')) text = text.slice(1)
    offset += bytes.length
    text = carried + text
    carried = text.endsWith('\r') ? '\r' : ''
    text = (carried ? text.slice(0, -1) : text).replace(/\r\n?/g, '\n')
    line += countLines(text)
    return text
  }

  for await (const chunk of chunks) {
    const bytes = new Uint8Array(rest.length + chunk.length)
    bytes.set(rest)
    bytes.set(chunk, rest.length)
    const whole = bytes.length - unfinished(bytes)
    rest = bytes.slice(whole)
    if (whole > 0) yield decode(bytes.subarray(0, whole))
  }
  const text = decode(rest) + (carried ? '\n' : '')
  if (text) yield text
}

function countLines(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return lines
}

/** Bytes of a character at the end whose remainder is yet to come. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]
    if (byte >> 6 === 0b10) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return needed > back ? back : 0
  }
  return 0
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes)
    return true
  } catch {
    return false
  }
}

function notUtf8(bytes: Uint8Array, offset: number, line: number, name: string): RefrainError {
  // The longest valid beginning ends before the first bad character. Valid beginnings are those
  // whose whole characters are valid, so bisection finds it.
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isUtf8(bytes.subarray(0, middle - unfinished(bytes.subarray(0, middle))))) good = middle
    else bad = middle
  }
  const at = good - unfinished(bytes.subarray(0, good))
  const badLine = line + countLines(strict.decode(bytes.subarray(0, at)).replace(/\r\n?/g, '\n'))
  const utf16 = offset + at === 0 && bytes[0] >= 0xfe && bytes[0] + bytes[1] === 0xfe + 0xff
  const looks = utf16 ? 'UTF-16' : 'Windows-1252 or Latin-1'
  const byte = bytes[at].toString(16).padStart(2, '0')
  return new RefrainError(
    'BAD_DATA',
    `${name}: not UTF-8: byte 0x${byte} at offset ${offset + at}, line ${badLine}`,
    `It looks like ${looks}: save it as UTF-8`,
  )
}

/** The text of one source, split into lines without their ends. */
export async function* lines(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of text) {
    const parts = (rest + piece).split('\n')
    rest = parts.pop()!
    yield* parts
  }
  if (rest) yield rest
}
