/** Words as a tagger reads them: the number of each, and the numbers of its characters. */
import { Vocabulary } from '../../data/vocabulary.ts'
import { RefrainError, show } from '../../errors.ts'
import { checkInteger } from '../../util/check.ts'

/** What `WordEncoder.build` takes. */
export interface WordLimits {
  /** Most words, the frequent ones. */
  readonly vocabulary: number
  /** How often a word must occur. */
  readonly minCount: number
  /** Characters of a word that are read. */
  readonly wordLength: number
}

/** Sentences for the model: numbers of words, and of each word's characters, padded with 0. */
export interface EncodedSentences {
  readonly words: Int32Array[]
  readonly characters: Int32Array[][]
}

/** "1996" and "2024" are one word, and so are "The" and "the": their characters tell them apart. */
export const wordForm = (token: string) =>
  token
    .normalize('NFC')
    .toLowerCase()
    .replace(/\p{Nd}/gu, '0')

/** The vocabularies of words and of characters. */
export class WordEncoder {
  readonly words: Vocabulary
  readonly characters: Vocabulary
  /** Characters of a word that are read: of a longer one its first and its last. */
  readonly wordLength: number

  private constructor(words: Vocabulary, characters: Vocabulary, wordLength: number) {
    this.words = words
    this.characters = characters
    this.wordLength = wordLength
  }

  /** The vocabularies of these sentences, and the first number of the words that occur once. */
  static build(sentences: readonly (readonly string[])[], limits: WordLimits) {
    const { vocabulary: maxSize, minCount, wordLength } = limits
    const forms = sentences.map((tokens) => tokens.map(wordForm))
    const counts = new Map<string, number>()
    for (const form of forms.flat()) counts.set(form, (counts.get(form) ?? 0) + 1)
    const encoder = new WordEncoder(
      Vocabulary.build(forms, { maxSize, minCount }),
      Vocabulary.build(
        sentences.flatMap((tokens) => tokens.map((token) => token.normalize('NFC'))),
      ),
      checkInteger("tag.train 'wordLength'", wordLength, 2),
    )
    // Numbers count from 2, frequent words first.
    const rareFrom = 2 + [...counts.values()].filter((count) => count > 1).length
    return { encoder, rareFrom }
  }

  /** The encoder that {@link toJSON} described. Throws `BAD_FILE` on anything else. */
  static fromJSON(json: unknown): WordEncoder {
    const { words, characters, wordLength } = Object(json)
    if (!Number.isInteger(wordLength) || wordLength < 2) {
      throw new RefrainError('BAD_FILE', `wordLength: expected 2 or more, got ${show(wordLength)}`)
    }
    return new WordEncoder(
      Vocabulary.fromJSON(words),
      Vocabulary.fromJSON(characters),
      wordLength as number,
    )
  }

  /** Plain JSON, for files. */
  toJSON() {
    const { words, characters, wordLength } = this
    return { words: words.toJSON(), characters: characters.toJSON(), wordLength }
  }

  /** Whether the words' vocabulary has this word. */
  knows(token: string): boolean {
    return this.words.has(wordForm(token))
  }

  /** Sentences as numbers; equal words share one array of characters. */
  encode(sentences: readonly (readonly string[])[]): EncodedSentences {
    const seen = new Map<string, { id: number; characters: Int32Array }>()
    const read = (token: string) => {
      let found = seen.get(token)
      if (!found) {
        const [id] = this.words.encode([wordForm(token)])
        found = { id, characters: this.#spell(token) }
        seen.set(token, found)
      }
      return found
    }
    const all = sentences.map((tokens) => tokens.map(read))
    return {
      words: all.map((list) => Int32Array.from(list, ({ id }) => id)),
      characters: all.map((list) => list.map(({ characters }) => characters)),
    }
  }

  #spell(token: string): Int32Array {
    const { wordLength } = this
    let characters = [...token.normalize('NFC')]
    if (characters.length > wordLength) {
      const last = Math.floor(wordLength / 2)
      characters = [...characters.slice(0, wordLength - last), ...characters.slice(-last)]
    }
    const ids = new Int32Array(wordLength)
    ids.set(this.characters.encode(characters))
    return ids
  }
}
