/** Labels as targets: one of several, or for each of several whether an example has it. */
import { LabelEncoder } from '../../data/labels.ts'
import { RefrainError, show } from '../../errors.ts'
import { checkInteger } from '../../util/check.ts'

/** The label of each example or, where it may have several or none, its labels. */
export type Labels = readonly string[] | readonly (readonly string[])[]

/** What a classifier tells apart. */
export class Targets {
  readonly encoder: LabelEncoder
  /** Whether an example may have several labels, or none. */
  readonly several: boolean

  constructor(encoder: LabelEncoder, several: boolean) {
    this.encoder = encoder
    this.several = several
  }

  /** Number of labels. */
  get size(): number {
    return this.encoder.size
  }

  /** Learns the labels; each in a list of its own is for several. Throws `BAD_DATA` for only one. */
  static learn(labels: Labels): Targets {
    const several = Array.isArray(labels[0])
    const encoder = LabelEncoder.build(labels.flat())
    if (encoder.size < (several ? 1 : 2)) {
      throw several
        ? new RefrainError('BAD_DATA', 'classify: expected at least one label, got none')
        : new RefrainError(
            'BAD_DATA',
            `classify: expected at least two different labels, got only ${show(encoder.labels[0])}`,
            'give examples of each label that the model shall tell apart',
          )
    }
    return new Targets(encoder, several)
  }

  /** Each example's label numbers. Throws `BAD_DATA` for one that is unknown. */
  numbers(labels: Labels, where?: (i: number) => string): Int32Array[] {
    return labels.map((label, i) => {
      if (Array.isArray(label) !== this.several) {
        throw new RefrainError(
          'BAD_DATA',
          `${where?.(i) ?? `example ${i + 1}`}: expected ${this.several ? 'a list of labels' : 'one label'}, ` +
            `as in training, got ${show(label)}`,
        )
      }
      return this.encoder.encode([label].flat(), () => where?.(i) ?? `example ${i + 1}`)
    })
  }

  /** What `fit` takes: class numbers, or [N,labels] of zeros and ones. */
  data(numbers: readonly Int32Array[]) {
    if (!this.several) return Int32Array.from(numbers, ([label]) => label)
    const data = new Float32Array(numbers.length * this.size)
    numbers.forEach((own, row) => {
      for (const label of own) data[row * this.size + label] = 1
    })
    return { shape: [numbers.length, this.size], data }
  }

  /** For each example the label by which a split shall be even: its own, of several the rarest. */
  strata(numbers: readonly Int32Array[]): number[] {
    const counts = this.counts(numbers)
    return numbers.map((own) =>
      own.reduce(
        (rarest, label) => (counts[label] < (counts[rarest] ?? 1 / 0) ? label : rarest),
        -1,
      ),
    )
  }

  /** How many examples have each label. */
  counts(numbers: readonly Int32Array[]): Int32Array {
    const counts = new Int32Array(this.size)
    for (const own of numbers) for (const label of own) counts[label]++
    return counts
  }

  /**
   * Factors that make every label weigh the same in all; undefined for none.
   *
   * @param wanted 'auto': where one label has 20 times as many examples as another
   */
  balance(
    numbers: readonly Int32Array[],
    wanted: boolean | 'auto',
  ): Record<number, number> | undefined {
    const counts = this.counts(numbers)
    const uneven = Math.max(...counts) >= 20 * Math.min(...counts)
    if (wanted === false || (wanted === 'auto' && (this.several || !uneven))) return undefined
    if (this.several) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        "classify.train 'balance': it is for examples of one label each",
        "where they may have several, threshold: 'validation' finds rare labels more often",
      )
    }
    const even = (n: number) => (n === 0 ? 1 : numbers.length / (this.size * n))
    return Object.fromEntries(Array.from(counts, (n, i) => [i, even(n)]))
  }
}

/** The probabilities from which on an example has each label. Throws `BAD_FILE`. */
export function checkThresholds(json: unknown, { size }: Targets): number[] {
  const isShare = (value: unknown) => typeof value === 'number' && value >= 0 && value <= 1
  if (Array.isArray(json) && json.length === size && json.every(isShare)) return json
  throw new RefrainError(
    'BAD_FILE',
    `thresholds: expected ${checkInteger('labels', size)} numbers from 0 to 1, got ${show(json)}`,
  )
}
