/** Rows of a folder with a sub-folder of text files for each label. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RefrainError } from '../errors.ts'
import type { TableRow } from './row.ts'
import { decodeText } from './source.ts'

/** Order of names by their characters' codes. */
export const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Files read at the same time: enough to keep a disk busy, few enough for every limit. */
const readAhead = 32

/**
 * `FOLDER/label/*.txt` as rows with the columns `text` and `label`, sorted by label, then by file
 * name. Left out: hidden files, other endings, and `unsup`, IMDb's unlabelled reviews.
 */
export async function* readFolder(folder: string): AsyncGenerator<TableRow> {
  const labels = await subfolders(folder)
  let row = 0
  for (const label of labels) {
    const inside = await readdir(join(folder, label), { withFileTypes: true })
    const files = inside
      .filter((entry) => !entry.isDirectory() && /^[^.].*\.txt$/.test(entry.name))
      .map((entry) => join(folder, label, entry.name))
      .sort(compare)
    if (files.length === 0) throw await noTexts(folder, labels, label)
    for (let start = 0; start < files.length; start += readAhead) {
      const batch = files.slice(start, start + readAhead)
      const texts = await Promise.all(batch.map(readText))
      for (const [i, text] of texts.entries()) {
        row++
        yield { file: batch[i], row, values: { text, label } }
      }
    }
  }
  if (row === 0) throw await noTexts(folder, labels)
}

/** The folders in a folder, one a label. */
export async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'unsup')
    .map((entry) => entry.name)
    .sort(compare)
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path)
  async function* chunks() {
    yield bytes
  }
  let text = ''
  for await (const piece of decodeText(chunks(), path)) text += piece
  return text
}

async function noTexts(folder: string, labels: string[], label?: string): Promise<RefrainError> {
  for (const name of labels) {
    const nested = await subfolders(join(folder, name))
    if (nested.length > 0) {
      const known = labels.includes('train') ? 'train' : name
      return new RefrainError(
        'BAD_DATA',
        `${folder}: the folder '${name}' holds folders, not .txt files`,
        `did you mean '${join(folder, known)}'?`,
      )
    }
  }
  return new RefrainError(
    'BAD_DATA',
    `${label === undefined ? folder : join(folder, label)}: there are no .txt files in it`,
    'Expected a sub-folder for each label, with one .txt file for each text: ' +
      `${join(folder, 'positive', '1.txt')}`,
  )
}
