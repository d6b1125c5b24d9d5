/**
 * TensorBoard's event files: TFRecord frames around protocol buffers `Event` (TensorFlow's
 * event.proto and summary.proto), of which scalars need five fields.
 */

/** CRC-32C (Castagnoli), reflected. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** The checksum of TFRecord: rotated and shifted, so that checksums of checksums differ. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255] ^ (crc >>> 8)
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** A record: length (8 bytes), its checksum, the data, its checksum; little-endian. */
export function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16)
  const view = new DataView(record.buffer)
  view.setUint32(0, data.length, true)
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true)
  record.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc(data), true)
  return record
}

const text = new TextEncoder()

/** A whole number in groups of 7 bits, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

const numeric = (field: number, bytes: 4 | 8, value: number): number[] => {
  const view = new DataView(new ArrayBuffer(bytes))
  if (bytes === 4) view.setFloat32(0, value, true)
  else view.setFloat64(0, value, true)
  return [(field << 3) | (bytes === 4 ? 5 : 1), ...new Uint8Array(view.buffer)]
}

const bytesField = (field: number, bytes: ArrayLike<number>): number[] => [
  (field << 3) | 2,
  ...varint(bytes.length),
  ...Array.from(bytes),
]

/** An `Event` with numbers by their tags, or, without, the one that begins a file. */
export function encodeEvent(
  wallTime: number,
  step: number,
  scalars?: Readonly<Record<string, number>>,
): Uint8Array {
  const event = numeric(1, 8, wallTime)
  if (step !== 0) event.push(2 << 3, ...varint(step))
  if (scalars) {
    const values = Object.entries(scalars).flatMap(([tag, value]) => {
      return bytesField(1, [...bytesField(1, text.encode(tag)), ...numeric(2, 4, value)])
    })
    event.push(...bytesField(5, values))
  } else {
    event.push(...bytesField(3, text.encode('brain.Event:2')))
  }
  return Uint8Array.from(event)
}
