/**
 * Texts of any length in HDF5 files, checked before the HDF5 library reads them: it would follow a damaged list of
 * them for ever, and take as much memory as a damaged length says, up to two gigabytes.
 */
import { RefrainError } from '../errors.ts'

/** Throws `BAD_FILE` for lists and lengths of texts that cannot be. */
export function checkTexts(bytes: Uint8Array, fileName: string): void {
  checkHeaps(bytes, fileName)
  checkAttributes(bytes, fileName)
}

const damaged = (fileName: string, what: string) =>
  new RefrainError(
    'BAD_FILE',
    `${fileName}: not an HDF5 file that can be read: ${what} is damaged`,
    'Copy the file again',
  )

/** 'GCOL', which begins a collection of texts of any length, at any byte. */
const heapSignature = 0x4c4f4347

/**
 * Fails on a collection of texts whose list of them does not move on or leaves it: the library would follow it for ever.
 * (Format specification of HDF5, III.E: a header of 16 bytes; of each object its number, 2 bytes, at 8 its length,
 * and its bytes, filled up to a multiple of 8; number 0 is what is left, with a length of its own header and all.)
 */
function checkHeaps(bytes: Uint8Array, fileName: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const first = heapSignature & 0xff
  for (let start = bytes.indexOf(first); start >= 0; start = bytes.indexOf(first, start + 1)) {
    if (start + 16 > bytes.length) break
    if (view.getUint32(start, true) !== heapSignature) continue
    const size = Number(view.getBigUint64(start + 8, true))
    const end = start + size
    for (let at = start + 16; at + 16 <= end && end <= bytes.length; ) {
      const length = Number(view.getBigUint64(at + 8, true))
      const whole = view.getUint16(at, true) === 0 ? length : 16 + Math.ceil(length / 8) * 8
      if (whole < 16 || at + whole > end) {
        throw damaged(fileName, `the list of texts at byte ${start}`)
      }
      at += whole
    }
  }
}

/** Attributes' names, types and shapes are shorter than this. */
const mostHeader = 512

/**
 * Fails on an attribute of texts one of which is longer than the file. (IV.A.2.m: version 1, a zero, the lengths of name,
 * type and shape in 2 bytes each, then these three, each filled up to a multiple of 8, then the data; a type of class 9
 * is of any length, and each of its elements 4 bytes of length, 8 of the heap's address and 4 of a number in it.)
 */
function checkAttributes(bytes: Uint8Array, fileName: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const filled = (length: number) => Math.ceil(length / 8) * 8
  for (let start = bytes.indexOf(1); start >= 0; start = bytes.indexOf(1, start + 1)) {
    if (start + 48 > bytes.length) break
    if (bytes[start + 1] !== 0) continue
    const [name, type, shape] = [2, 4, 6].map((at) => view.getUint16(start + at, true))
    if (name < 2 || type < 8 || shape < 4 || name + type + shape > mostHeader) continue
    const typeAt = start + 8 + filled(name)
    const shapeAt = typeAt + filled(type)
    const data = shapeAt + filled(shape)
    if (data > bytes.length || bytes[start + 8 + name - 1] !== 0) continue
    if ((bytes[typeAt] & 0x0f) !== 9 || bytes[typeAt] >> 4 > 3) continue
    const [version, rank] = [bytes[shapeAt], bytes[shapeAt + 1]]
    const sizes = shapeAt + (version === 1 ? 8 : 4)
    if (sizes + 8 * rank > data) continue
    let count = 1
    for (let axis = 0; axis < rank; axis++)
      count *= Number(view.getBigUint64(sizes + 8 * axis, true))
    for (let i = 0; i < count; i++) {
      const at = data + 16 * i
      if (at + 16 > bytes.length || view.getUint32(at, true) > bytes.length) {
        throw damaged(fileName, `a list of texts at byte ${data}`)
      }
    }
  }
}
