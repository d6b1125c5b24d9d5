/** Files of sub-folders, one for each label: what readers of series, sounds and clips go through. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { RefrainError } from '../errors.ts'
import { compare, subfolders } from './folder.ts'

/** A file or folder and its label. */
export interface LabelledFile {
  readonly path: string
  readonly label: string
}

/**
 * What is in FOLDER/label/, sorted by label, then by name; hidden ones are left out. Throws `BAD_DATA`
 * for a label of which there is nothing.
 *
 * @param ending of files, as in `/\.wav$/i`; null: folders
 * @param example for errors: 'yes/1.wav'
 */
export async function labelledFiles(
  folder: string,
  ending: RegExp | null,
  example: string,
): Promise<LabelledFile[]> {
  const found: LabelledFile[] = []
  const labels = await subfolders(folder)
  const missing = (where: string) =>
    new RefrainError(
      'BAD_DATA',
      `${where}: there is nothing of that kind in it`,
      `Expected a sub-folder for each label: ${join(folder, example)}`,
    )
  for (const label of labels) {
    const inside = await readdir(join(folder, label), { withFileTypes: true })
    const names = inside
      .filter((entry) => !entry.name.startsWith('.'))
      .filter((entry) => (ending ? ending.test(entry.name) : entry.isDirectory()))
      .map(({ name }) => name)
      .sort(compare)
    if (names.length === 0) throw missing(join(folder, label))
    for (const name of names) found.push({ path: join(folder, label, name), label })
  }
  if (found.length === 0) throw missing(folder)
  return found
}
