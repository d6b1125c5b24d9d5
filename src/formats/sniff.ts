/** Which format a file is in, by its bytes: names lie. */

/** Formats that can be told apart. */
export type FileFormat = 'safetensors' | 'hdf5' | 'zip' | 'json' | 'pickle' | 'onnx' | 'unknown'

const hdf5 = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
const zip = [0x50, 0x4b]

/** The format of a file with these bytes. */
export function sniff(bytes: Uint8Array): FileFormat {
  const begins = (signature: readonly number[], at = 0) =>
    signature.every((byte, i) => bytes[at + i] === byte)
  // HDF5 may begin behind a block of the user's, of 512 bytes or a power of two more.
  for (let at = 0; at + 8 <= bytes.length && at <= 1 << 20; at = at === 0 ? 512 : 2 * at) {
    if (begins(hdf5, at)) return 'hdf5'
  }
  if (begins(zip)) return 'zip'
  // A safetensors file: eight bytes of a length, then the header, which is an object.
  if (bytes.length >= 9 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0) {
    return 'safetensors'
  }
  const text = String.fromCharCode(...bytes.subarray(0, 16)).trimStart()
  if (text.startsWith('{')) return 'json'
  // A pickle of protocol 2 or later.
  if (bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5) return 'pickle'
  // An ONNX model begins with its version: field 1, a small number.
  if (bytes[0] === 0x08 && bytes[1] >= 1 && bytes[1] <= 20) return 'onnx'
  return 'unknown'
}
