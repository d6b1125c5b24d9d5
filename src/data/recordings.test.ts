import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from 'fast-png'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadFixture } from '../../test/fixtures/load.ts'
import { logMel, type MelOptions } from './log-mel.ts'
import { readClips, readFrames, readSounds } from './recordings.ts'
import { decodeWav, resample } from './wav.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-recordings-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const failure = async (work: () => unknown) => {
  try {
    await work()
    return 'none'
  } catch (error) {
    return String(error)
  }
}

describe('log-mel frames as NumPy makes them', () => {
  for (const { name, options, arrays } of loadFixture('numpy/log-mel.json').cases) {
    test(name, () => {
      const { shape, data } = logMel(arrays.x.data, options as unknown as MelOptions)
      expect(shape).toEqual(arrays.frames.shape)
      data.forEach((value, i) => {
        expect(Math.abs(value - arrays.frames.data[i])).toBeLessThan(2e-5)
      })
    })
  }
})

describe('WAV files as Python writes them', () => {
  const { cases } = loadFixture('numpy/wav.json')
  const bytesOf = (i: number) =>
    new Uint8Array(Buffer.from(cases[i].options.bytes as string, 'hex'))

  for (const [i, { name, arrays }] of cases.entries()) {
    test(name, () => {
      const { samples, sampleRate } = decodeWav(bytesOf(i), 'a.wav')
      expect(sampleRate).toBe(11025)
      expect([...samples]).toEqual(arrays.samples.data)
    })
  }

  test('floating point, in an extensible header, after another chunk of odd size', () => {
    const bytes = Buffer.alloc(12 + 10 + 48 + 8 + 8)
    bytes.write('RIFF', 0)
    bytes.write('WAVEnote', 8)
    bytes.writeUInt32LE(1, 16)
    bytes.write('fmt ', 22)
    bytes.writeUInt32LE(40, 26)
    for (const [at, value] of [
      [30, 0xfffe],
      [32, 1],
      [44, 32],
      [54, 3],
    ]) {
      bytes.writeUInt16LE(value, at)
    }
    bytes.writeUInt32LE(8000, 34)
    bytes.write('data', 70)
    bytes.writeUInt32LE(8, 74)
    bytes.writeFloatLE(0.5, 78)
    bytes.writeFloatLE(-0.25, 82)
    expect(decodeWav(bytes, 'a.wav')).toEqual({
      samples: Float32Array.of(0.5, -0.25),
      sampleRate: 8000,
    })
  })

  test('broken ones say what is wrong', async () => {
    const change = (edit: (bytes: Uint8Array) => Uint8Array | undefined) =>
      failure(() => {
        const bytes = bytesOf(2)
        decodeWav(edit(bytes) ?? bytes, 'a.wav')
      })
    const set = (at: number, value: number) =>
      change((bytes) => {
        bytes[at] = value
        return undefined
      })
    const save = ' Save it as WAV: PCM of 16 bits'
    expect(await change(() => new Uint8Array(3))).toBe(
      `RefrainError: a.wav: not a WAV file.${save}`,
    )
    expect(await change((bytes) => bytes.subarray(0, 30))).toBe(
      `RefrainError: a.wav: its header is cut off.${save}`,
    )
    expect(await change((bytes) => bytes.subarray(0, 50))).toBe(
      'RefrainError: a.wav: expected 10 bytes of samples, got 6: it was cut off. Fetch it again',
    )
    expect(await change((bytes) => bytes.subarray(0, 36))).toBe(
      `RefrainError: a.wav: there are no samples in it: it was cut off.${save}`,
    )
    expect(await set(20, 7)).toBe(
      `RefrainError: a.wav: expected uncompressed samples, got µ-law.${save}`,
    )
    expect(await set(34, 12)).toBe(
      `RefrainError: a.wav: expected uncompressed samples, got samples of 12 bits.${save}`,
    )
    expect(await set(22, 0)).toBe(
      `RefrainError: a.wav: it has 0 channels and 11025 samples a second.${save}`,
    )
    expect(await set(40, 0)).toBe('RefrainError: a.wav: there are no samples in it. Leave it out')
  })

  test('a folder of them', async () => {
    for (const [label, i] of [
      ['no', 2],
      ['yes', 4],
    ] as const) {
      mkdirSync(join(folder, 'words', label), { recursive: true })
      writeFileSync(join(folder, 'words', label, '1.WAV'), bytesOf(i))
    }
    const { sounds, labels, where } = await readSounds(join(folder, 'words'))
    expect(labels).toEqual(['no', 'yes'])
    expect([...(sounds[1].samples as Float32Array)]).toEqual(cases[4].arrays.samples.data)
    expect(where(1)).toBe(join(folder, 'words', 'yes', '1.WAV'))
    mkdirSync(join(folder, 'words', 'zero'))
    expect(await failure(() => readSounds(join(folder, 'words')))).toBe(
      `RefrainError: ${join(folder, 'words', 'zero')}: there is nothing of that kind in it. Expected a ` +
        `sub-folder for each label: ${join(folder, 'words', 'yes/1.wav')}`,
    )
  })
})

test('at another rate a tone is the same tone, and one that is too high is gone', () => {
  const tone = (hertz: number, rate: number, count: number) =>
    Float64Array.from({ length: count }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / rate))
  for (const [from, to] of [
    [16_000, 8000],
    [8000, 16_000],
    [44_100, 16_000],
  ]) {
    const changed = resample(tone(700, from, from / 10), from, to)
    const expected = tone(700, to, changed.length)
    expect(changed.length).toBe(Math.ceil(to / 10))
    // Away from the ends, beyond which there is silence.
    for (let n = 100; n < changed.length - 100; n++) {
      expect(Math.abs(changed[n] - expected[n])).toBeLessThan(2e-3)
    }
  }
  const high = resample(tone(6000, 16_000, 1600), 16_000, 8000)
  for (let n = 100; n < 700; n++) expect(Math.abs(high[n])).toBeLessThan(2e-3)
})

describe('frames', () => {
  const png = (width: number, channels: 1 | 3, data: number[], depth: 8 | 16 | 1 = 8) =>
    encode({
      width,
      height: 2,
      channels,
      depth,
      data: depth === 16 ? Uint16Array.from(data) : Uint8Array.from(data),
    })

  test('in the order of their numbers, as numbers from 0 to 255', async () => {
    const clip = join(folder, 'clips', 'left', 'a')
    mkdirSync(clip, { recursive: true })
    writeFileSync(join(clip, 'frame-10.png'), png(1, 1, [65535, 0], 16))
    writeFileSync(join(clip, 'frame-9.png'), png(1, 1, [1, 2]))
    const { clips, labels, where } = await readClips(join(folder, 'clips'))
    expect(clips).toEqual([{ shape: [2, 2, 1, 1], data: Float32Array.of(1, 2, 255, 0) }])
    expect(labels).toEqual(['left'])
    expect(where(0)).toBe(clip)
  })

  test('broken ones', async () => {
    const clip = join(folder, 'broken')
    mkdirSync(clip)
    expect(await failure(() => readFrames(clip))).toBe(
      `RefrainError: ${clip}: there are no .png files in it`,
    )
    writeFileSync(join(clip, '1.png'), png(1, 1, [1, 2]))
    writeFileSync(join(clip, '2.png'), png(2, 3, Array(12).fill(0)))
    expect(await failure(() => readFrames(clip))).toBe(
      `RefrainError: ${join(clip, '2.png')}: expected height, width and channels 2, 1, 1, as in ` +
        '1.png, got 2, 2, 3. Bring all frames to one size',
    )
    writeFileSync(join(clip, '1.png'), 'GIF89a')
    expect(await failure(() => readFrames(clip))).toMatch(
      /1\.png: not a PNG file, or a damaged one \(.*\)\. Save it as PNG again, or take it out/,
    )
  })
})
