/** How far texts and labels are from those wanted: insertions, deletions and substitutions. */
import { RefrainError } from '../errors.ts'
import { checkTexts } from '../util/check.ts'

/** The fewest insertions, deletions and substitutions between two sequences (Levenshtein 1966). */
export function editCount<T>(wanted: ArrayLike<T>, given: ArrayLike<T>): number {
  const row = Int32Array.from({ length: given.length + 1 }, (_, j) => j)
  for (let i = 0; i < wanted.length; i++) {
    let diagonal = row[0]
    row[0] = i + 1
    for (let j = 0; j < given.length; j++) {
      const replaced = diagonal + (wanted[i] === given[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = Math.min(replaced, diagonal + 1, row[j] + 1)
    }
  }
  return row[given.length]
}

/** Edits over batches, for each unit of what was wanted. */
export class ErrorRate {
  readonly #name: string
  readonly #split: (text: string) => string[]
  #edits = 0
  #units = 0

  constructor(name: string, split: (text: string) => string[]) {
    this.#name = name
    this.#split = split
  }

  /** Adds texts: those wanted and those given. Throws `BAD_SHAPE` if they differ in number. */
  update(yTrue: readonly string[], yPred: readonly string[]): void {
    checkTexts(`${this.#name} 'yTrue'`, yTrue)
    checkTexts(`${this.#name} 'yPred'`, yPred)
    if (yTrue.length !== yPred.length) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.#name}: expected ${yTrue.length} texts, got ${yPred.length}`,
      )
    }
    yTrue.forEach((text, i) => {
      const wanted = this.#split(text)
      this.#edits += editCount(wanted, this.#split(yPred[i]))
      this.#units += wanted.length
    })
  }

  /** Edits / units: 0 is best, above 1 where more is wrong than there is; Infinity if nothing was wanted. */
  get result(): number {
    if (this.#units > 0) return this.#edits / this.#units
    return this.#edits === 0 ? 0 : Infinity
  }

  /** Forgets what was added. */
  reset(): void {
    this.state = [0, 0]
  }

  /** Edits and units so far. */
  get state(): [edits: number, units: number] {
    return [this.#edits, this.#units]
  }

  set state([edits, units]: [number, number]) {
    this.#edits = edits
    this.#units = units
  }
}

/**
 * The word error rate of texts, WER: edits of words for each word wanted. Words are what stands
 * between white space; case and punctuation count.
 */
export const wordErrorRate = (): ErrorRate =>
  new ErrorRate('wordErrorRate', (text) => text.trim().split(/\s+/u).filter(Boolean))

/** The character error rate of texts, CER: edits of Unicode characters, spaces included, for each. */
export const characterErrorRate = (): ErrorRate =>
  new ErrorRate('characterErrorRate', (text) => [...text.trim()])
