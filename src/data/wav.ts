/**
 * Reads WAV files: uncompressed samples, of one channel or of several mixed to one. The packages that do
 * this have had no release for years and believe what a header says; the format is a page long.
 */
import { RefrainError } from '../errors.ts'

/** A sound of one channel. */
export interface Sound {
  /** From -1 to 1. */
  readonly samples: ArrayLike<number>
  /** Samples a second. */
  readonly sampleRate: number
}

/** Formats' codes in a header. */
const pcm = 1
const float = 3
const extensible = 0xfffe
const names: Record<number, string> = { 2: 'ADPCM', 6: 'A-law', 7: 'µ-law', 17: 'ADPCM', 85: 'MP3' }

/**
 * The sound in the bytes of a WAV file: PCM of 8, 16, 24 or 32 bits or floating point of 32 or 64, the
 * mean of all channels. Throws `BAD_FILE` naming the file for anything else.
 */
export function decodeWav(bytes: Uint8Array, name: string): Sound & { samples: Float32Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fail = (what: string, hint = 'Save it as WAV: PCM of 16 bits') => {
    throw new RefrainError('BAD_FILE', `${name}: ${what}`, hint)
  }
  const word = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4))
  if (bytes.length < 12 || word(0) !== 'RIFF' || word(8) !== 'WAVE') {
    fail(word(0) === 'RF64' ? 'it is RF64, for files above 4 GB' : 'not a WAV file')
  }
  let format: { code: number; channels: number; sampleRate: number; bits: number } | null = null
  let at = 12
  while (at + 8 <= bytes.length) {
    const [id, size] = [word(at), view.getUint32(at + 4, true)]
    const from = at + 8
    if (id === 'fmt ') {
      if (size < 16 || from + size > bytes.length) fail('its header is cut off')
      let code = view.getUint16(from, true)
      if (code === extensible && size >= 26) code = view.getUint16(from + 24, true)
      format = {
        code,
        channels: view.getUint16(from + 2, true),
        sampleRate: view.getUint32(from + 4, true),
        bits: view.getUint16(from + 14, true),
      }
    }
    if (id === 'data') {
      if (!format) return fail('its samples come before what they are')
      const { code, channels, sampleRate, bits } = format
      const read = readers[`${code} ${bits}`]
      if (!read) {
        const what = code === pcm || code === float ? `samples of ${bits} bits` : names[code]
        return fail(`expected uncompressed samples, got ${what ?? `format ${code}`}`)
      }
      if (channels === 0 || sampleRate === 0) {
        return fail(`it has ${channels} channels and ${sampleRate} samples a second`)
      }
      // Programs that write to a pipe do not know the size beforehand.
      const length = size === 0xffffffff ? bytes.length - from : size
      if (from + length > bytes.length) {
        return fail(
          `expected ${length} bytes of samples, got ${bytes.length - from}: it was cut off`,
          'Fetch it again',
        )
      }
      const block = (channels * bits) / 8
      const samples = new Float32Array(Math.floor(length / block))
      if (samples.length === 0) return fail('there are no samples in it', 'Leave it out')
      for (let i = 0; i < samples.length; i++) {
        let sum = 0
        for (let c = 0; c < channels; c++) sum += read(view, from + i * block + (c * bits) / 8)
        samples[i] = sum / channels
      }
      const bad = samples.findIndex((sample) => !Number.isFinite(sample))
      if (bad >= 0) return fail(`sample ${bad + 1} is ${samples[bad]}`)
      return { samples, sampleRate }
    }
    // Chunks begin at even places.
    at = from + size + (size % 2)
  }
  return fail(format ? 'there are no samples in it: it was cut off' : 'its header is cut off')
}

const readers: Record<string, (view: DataView, at: number) => number> = {
  [`${pcm} 8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${pcm} 16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${pcm} 24`]: (view, at) => (view.getInt16(at + 1, true) * 256 + view.getUint8(at)) / 2 ** 23,
  [`${pcm} 32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${float} 32`]: (view, at) => view.getFloat32(at, true),
  [`${float} 64`]: (view, at) => view.getFloat64(at, true),
}

/**
 * Samples at another rate, by a sinc of 16 zero crossings to each side under a Hann window, which lets
 * through what both rates can hold. As many as the same time has: n·to/from, rounded up.
 */
export function resample(samples: ArrayLike<number>, from: number, to: number): ArrayLike<number> {
  if (from === to) return samples
  const cutoff = Math.min(1, to / from)
  const reach = 16 / cutoff
  const out = new Float32Array(Math.ceil((samples.length * to) / from))
  for (let i = 0; i < out.length; i++) {
    const center = (i * from) / to
    const last = Math.min(samples.length - 1, Math.floor(center + reach))
    let sum = 0
    for (let k = Math.max(0, Math.ceil(center - reach)); k <= last; k++) {
      const distance = center - k
      const x = Math.PI * cutoff * distance
      const sinc = x === 0 ? 1 : Math.sin(x) / x
      sum += samples[k] * cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * distance) / reach))
    }
    out[i] = sum
  }
  return out
}
