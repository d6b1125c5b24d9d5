/** Damaged files of every format: an error of ours or a model, never anything else. `npm run fuzz` goes on for hours. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { damaged, ownSeedlings, seedlings } from '../scripts/fuzz-cases.mjs'
import { RefrainError } from '../src/errors.ts'
import { loadModel } from '../src/formats/load.ts'
import { dense, embedding, lstm } from '../src/layers/index.ts'
import { sequential } from '../src/model/sequential.ts'

const folder = mkdtempSync(join(tmpdir(), 'refrain-fuzz-'))
const casesEach = 30

const model = sequential([
  embedding({ inputDim: 5, outputDim: 2 }),
  lstm({ units: 3 }),
  dense({ units: 2, activation: 'softmax' }),
]).build([null, null])
const all = [...seedlings(), ...(await ownSeedlings(model, folder))]

describe.each(all)('$name, damaged', (seedling) => {
  it('is refused or read', async () => {
    const path = join(folder, 'model')
    for (let number = 0; number < casesEach; number++) {
      writeFileSync(path, damaged(seedling, number))
      try {
        await loadModel(path, seedling.options)
      } catch (error) {
        if (error instanceof RefrainError) continue
        throw new Error(`case ${number}`, { cause: error })
      }
    }
    expect(casesEach).toBeGreaterThan(0)
  })
})

describe('what fuzzing found', () => {
  const path = join(folder, 'found')

  // Refrain's own file has its list at an odd byte.
  it.each(['files', 'written'])('a list of texts in HDF5 that does not move on: %s', async (of) => {
    const { bytes } = all.find(({ name }) => name === `keras/${of}/words.h5`)!
    const heap = Buffer.from(bytes).indexOf('GCOL')
    const broken = bytes.slice()
    // The first text becomes what is left, of a length of nothing.
    broken.fill(0, heap + 16, heap + 32)
    writeFileSync(path, broken)
    await expect(loadModel(path)).rejects.toThrow(`the list of texts at byte ${heap} is damaged`)
  })

  it('a text in HDF5 that claims to be longer than its file', async () => {
    const { bytes } = all.find(({ name }) => name === 'keras/files/repeated.h5')!
    const broken = bytes.slice()
    // The length of the first text, behind the attribute's name (16 bytes), type (24) and shape (24).
    const name = Buffer.from(bytes).indexOf('weight_names')
    const length = Buffer.from(bytes).readUInt32LE(name + 64)
    expect(length).toBeLessThan(100)
    broken.set([0x48, 0x29, 0x48, 0x29], name + 64)
    writeFileSync(path, broken)
    await expect(loadModel(path)).rejects.toThrow(/a list of texts at byte \d+ is damaged/)
  })

  it('whole numbers of a pickle beyond all floats, and of a negative length', async () => {
    writeFileSync(path, Uint8Array.of(0x80, 2, 0x8a, 255, ...new Array(255).fill(0x7f), 0x2e))
    await expect(loadModel(path)).rejects.toThrow(RefrainError)
    writeFileSync(path, Uint8Array.of(0x80, 2, 0x8b, 0xfb, 0xff, 0xff, 0xff, 0x2e))
    await expect(loadModel(path)).rejects.toThrow('a whole number of -5 bytes')
  })
})
