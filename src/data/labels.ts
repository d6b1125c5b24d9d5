/** Maps labels to class numbers and back. */
import { RefrainError, show } from '../errors.ts'
import { nearest } from '../util/check.ts'

/** Class numbers of labels: 0, 1, … in the labels' code order. */
export class LabelEncoder {
  readonly labels: readonly string[]
  readonly #ids: Map<string, number>

  private constructor(labels: readonly string[]) {
    this.labels = labels
    this.#ids = new Map(labels.map((label, i) => [label, i]))
  }

  /** An encoder of the labels that occur here. */
  static build(labels: Iterable<string>): LabelEncoder {
    return new LabelEncoder([...new Set(labels)].sort((a, b) => (a < b ? -1 : 1)))
  }

  /** The encoder that {@link toJSON} described. Throws `BAD_FILE` on anything else. */
  static fromJSON(json: unknown): LabelEncoder {
    const labels = (json as { labels?: unknown } | null)?.labels
    if (!Array.isArray(labels) || !labels.every((label) => typeof label === 'string')) {
      throw new RefrainError(
        'BAD_FILE',
        `labels: expected { labels: [string…] }, got ${show(json)}`,
      )
    }
    if (new Set(labels).size !== labels.length) {
      throw new RefrainError('BAD_FILE', 'labels: a label occurs twice')
    }
    return new LabelEncoder(labels)
  }

  /** Number of labels. */
  get size(): number {
    return this.labels.length
  }

  /**
   * The class numbers of these labels. Throws `BAD_DATA` on one that is unknown; `where` tells the
   * place of label `i` in the data.
   */
  encode(labels: readonly string[], where = (i: number) => `label ${i}`): Int32Array {
    return Int32Array.from(labels, (label, i) => {
      const id = this.#ids.get(label)
      if (id !== undefined) return id
      const close = nearest(label, this.labels)
      const known = this.labels.slice(0, 20).map(show).join(', ')
      throw new RefrainError(
        'BAD_DATA',
        `${where(i)}: unknown label ${show(label)}`,
        `${close ? `did you mean '${close}'? ` : ''}The model knows ${known}` +
          `${this.size > 20 ? `, … ${this.size} in all` : ''}`,
      )
    })
  }

  /** The labels of these class numbers. */
  decode(ids: ArrayLike<number>): string[] {
    return Array.from(ids, (id) => {
      const label = this.labels[id]
      if (label === undefined) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `LabelEncoder.decode: expected numbers from 0 to ${this.size - 1}, got ${show(id)}`,
        )
      }
      return label
    })
  }

  /** The labels, for a file. */
  toJSON(): { labels: string[] } {
    return { labels: [...this.labels] }
  }
}
