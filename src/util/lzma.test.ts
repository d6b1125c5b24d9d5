/** LZMA as XZ Utils and lzma1 write it, and as nobody does. */
import { readFileSync } from 'node:fs'
import { compress } from 'lzma1'
import { describe, expect, it } from 'vitest'
import { unpackLzma } from './lzma.ts'

const fixture = (name: string) =>
  readFileSync(new URL(`../../test/fixtures/lzma/${name}`, import.meta.url))
/** Of a file, what follows its header. */
const stream = (file: ArrayLike<number>) => Uint8Array.from(file).subarray(13)
const bytes = (length: number, at: (i: number) => number) =>
  Uint8Array.from({ length }, (_, i) => at(i))

/** Small whole numbers, the same every time. */
function noise(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  }
}

describe('unpackLzma', () => {
  it('reads what XZ Utils 5.4.1 wrote', () => {
    const original = fixture('sample.bin')
    expect(unpackLzma(stream(fixture('sample.bin.lzma')), original.length)).toEqual(
      new Uint8Array(original),
    )
  })

  const random = noise(1)
  const samples: Record<string, Uint8Array> = {
    'nothing at all': bytes(0, () => 0),
    'one byte': bytes(1, () => 200),
    'one byte, many times': bytes(5000, () => 7),
    noise: bytes(3000, random),
    'a long period, so that distances are long': bytes(60_000, (i) => noise(i % 20_000)()),
    'words that return at changing distances': bytes(40_000, (i) => (i * i) >> 7),
    'little-endian numbers': new Uint8Array(
      Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i / 100)).buffer,
    ),
    'copies with single changes': bytes(40_000, (i) => (i % 97 === 0 ? random() : i % 1013)),
  }
  for (const [name, data] of Object.entries(samples)) {
    it(`undoes lzma1: ${name}`, () => {
      for (const mode of [1, 9] as const) {
        expect(unpackLzma(stream(compress(data, mode)), data.length)).toEqual(data)
      }
    })
  }

  it('refuses data that end early', () => {
    const data = samples.noise
    const packed = stream(compress(data, 9))
    for (const length of [0, 1, 4, 5, 100, packed.length - 10]) {
      expect(() => unpackLzma(packed.subarray(0, length), data.length)).toThrow(
        expect.objectContaining({
          code: 'BAD_FILE',
          message: expect.stringContaining('lzma: the data end early or point outside'),
        }),
      )
    }
  })

  it('gives as many bytes or the error, whatever a bit is turned into', () => {
    const data = samples['copies with single changes']
    const packed = stream(compress(data, 9))
    let errors = 0
    for (let i = 0; i < 200; i++) {
      const damaged = packed.slice()
      damaged[(i * 37) % packed.length] ^= 1 << (i % 8)
      try {
        expect(unpackLzma(damaged, data.length)).toHaveLength(data.length)
      } catch (error) {
        expect(error).toMatchObject({ code: 'BAD_FILE' })
        errors++
      }
    }
    expect(errors).toBeGreaterThan(20)
  })
})
