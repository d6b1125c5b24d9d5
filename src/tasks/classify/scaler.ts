/** Brings features to mean 0 and standard deviation 1, by what the training part had. */
import { RefrainError, show } from '../../errors.ts'

/** Means and standard deviations of features. */
export class Scaler {
  readonly means: readonly number[]
  readonly deviations: readonly number[]

  constructor(means: readonly number[], deviations: readonly number[]) {
    this.means = means
    this.deviations = deviations
  }

  /** Number of features. */
  get size(): number {
    return this.means.length
  }

  /** Statistics over all steps of all rows; a feature that never changes has the deviation 1. */
  static learn(rows: readonly { readonly data: ArrayLike<number> }[], width: number): Scaler {
    const count = rows.reduce((sum, { data }) => sum + data.length, 0) / width
    const means = new Float64Array(width)
    eachElement(rows, width, (value, f) => {
      means[f] += value / count
    })
    const squares = new Float64Array(width)
    eachElement(rows, width, (value, f) => {
      squares[f] += (value - means[f]) ** 2 / count
    })
    const deviations = Array.from(squares, Math.sqrt)
    // Rounding alone makes the deviation of a constant about 1e-16 of it.
    return new Scaler(
      [...means],
      deviations.map((d, f) => (d > 1e-9 * Math.abs(means[f]) ? d : 1)),
    )
  }

  /** The scaled numbers of rows in which the features follow each other. */
  apply(data: ArrayLike<number>): Float32Array {
    const { means, deviations, size } = this
    const scaled = new Float32Array(data.length)
    for (let at = 0; at < data.length; at += size) {
      for (let f = 0; f < size; f++) scaled[at + f] = (data[at + f] - means[f]) / deviations[f]
    }
    return scaled
  }

  /** Means and deviations, for a file. */
  toJSON() {
    return { means: [...this.means], deviations: [...this.deviations] }
  }

  /** The scaler that `toJSON` described. Throws `BAD_FILE` on anything else. */
  static fromJSON(json: unknown): Scaler {
    const { means, deviations } = (json ?? {}) as Record<string, unknown>
    const isList = (list: unknown): list is number[] =>
      Array.isArray(list) && list.length > 0 && list.every(Number.isFinite)
    const fits =
      isList(means) &&
      isList(deviations) &&
      means.length === deviations.length &&
      deviations.every((value) => value > 0)
    if (!fits) {
      throw new RefrainError(
        'BAD_FILE',
        'scaler: expected { means: [number…], deviations: [number above 0…] } of one length, ' +
          `got ${show(json)}`,
      )
    }
    return new Scaler(means, deviations)
  }
}

function eachElement(
  rows: readonly { readonly data: ArrayLike<number> }[],
  width: number,
  visit: (value: number, feature: number) => void,
): void {
  for (const { data } of rows) {
    for (let at = 0; at < data.length; at += width) {
      for (let f = 0; f < width; f++) visit(data[at + f], f)
    }
  }
}
