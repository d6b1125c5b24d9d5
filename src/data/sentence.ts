/** A tagged sentence, and how an error message says where it is. */
import { RefrainError } from '../errors.ts'
import type { Place } from './row.ts'

/** Words with a tag each. `row` is the sentence's number in its file, `line` where it begins. */
export interface TaggedSentence extends Place {
  tokens: string[]
  tags: string[]
  /** The document's number in its file, from 0, where the file tells documents apart. */
  document: number
}

/** What a reader gives. */
export type Sentences = AsyncGenerator<Omit<TaggedSentence, 'file'>>

/** "ner.conll, sentence 3 (line 17)". */
export const locateSentence = ({ file, row, line }: Place) =>
  `${file}, sentence ${row}${line === undefined ? '' : ` (line ${line})`}`

/** Fails at a line of a sentence. */
export function badSentence(place: Place, what: string, hint = ''): RefrainError {
  return new RefrainError('BAD_DATA', `${locateSentence(place)}: ${what}`, hint)
}
