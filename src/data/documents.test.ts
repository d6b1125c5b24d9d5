import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ReadDocumentsOptions, readDocuments } from './documents.ts'

let folder: string
const file = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-documents-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const stream = (name: string, text: string) => ({
  name,
  stream: (async function* () {
    for (const byte of new TextEncoder().encode(text)) yield Uint8Array.of(byte)
  })(),
})

describe('readDocuments', () => {
  const text = '\r\nOne,\r\nand more\n\n \n\nTwo\nthree\n'

  it('a file is a document, as it is', async () => {
    const { texts, where } = await readDocuments(file('a.txt', text))
    expect(texts).toEqual(['\nOne,\nand more\n\n \n\nTwo\nthree\n'])
    expect(where(0)).toBe(join(folder, 'a.txt'))
  })

  it('blank lines stand between documents', async () => {
    const { texts, where } = await readDocuments(stream('in', text), { documents: 'blankLine' })
    expect(texts).toEqual(['One,\nand more', 'Two\nthree'])
    expect([where(0), where(1)]).toEqual(['in, row 1 (line 2)', 'in, row 2 (line 7)'])
  })

  it('lines, gzipped', async () => {
    const path = file('names.txt.gz', gzipSync('Ann\n\nBéla\n'))
    const { texts, where } = await readDocuments(path, { documents: 'line' })
    expect(texts).toEqual(['Ann', 'Béla'])
    expect(where(1)).toBe(`${path}, row 2 (line 3)`)
  })

  it('a folder: its texts, numbers in their order', async () => {
    mkdirSync(join(folder, 'book'))
    for (const name of ['chapter 10.txt', 'chapter 9.txt', '.hidden.txt', 'notes.md']) {
      file(join('book', name), name)
    }
    const { texts } = await readDocuments(join(folder, 'book'))
    expect(texts).toEqual(['chapter 9.txt', 'chapter 10.txt'])
  })

  it('says what is wrong', async () => {
    const empty = file('empty.txt', ' \n\n')
    for (const documents of ['file', 'blankLine', 'line'] as const) {
      await expect(readDocuments(empty, { documents })).rejects.toThrow(
        `${empty}: there is no text in it; give a file with text`,
      )
    }
    mkdirSync(join(folder, 'none'))
    await expect(readDocuments(join(folder, 'none'))).rejects.toThrow(
      'none: there are no .txt files in it. Expected a file, or a folder of .txt files',
    )
    await expect(readDocuments(file('latin.txt', Uint8Array.of(65, 10, 0xe9, 66)))).rejects.toThrow(
      'latin.txt: not UTF-8: byte 0xe9 at offset 2, line 2',
    )
    await expect(
      readDocuments(empty, { documents: 'lines' } as unknown as ReadDocumentsOptions),
    ).rejects.toThrow("readDocuments 'documents': unknown cut 'lines'; did you mean 'line'?")
    await expect(readDocuments(join(folder, 'emty.txt'))).rejects.toThrow(
      "did you mean 'empty.txt'?",
    )
  })
})
