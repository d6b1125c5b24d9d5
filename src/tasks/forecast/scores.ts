/** How far forecasts are from what came, beside the two forecasts that cost nothing. */

/** Errors of forecasts; all are better smaller. */
export interface Scores {
  /** Mean absolute error, in the units of the values. */
  readonly mae: number
  /** Root of the mean squared error, in the units of the values. */
  readonly rmse: number
  /** Symmetric mean absolute percentage error, 0 to 200, as the M4 competition defines it. */
  readonly smape: number
  /**
   * Mean absolute scaled error (Hyndman & Koehler 2006): in units of the error that repeating the last
   * season makes in the part before the first forecast, mean over series and columns. NaN where that
   * part is shorter than a season, or repeats itself exactly.
   */
  readonly mase: number
  /** Mean pinball loss over the quantiles, in the units of the values; of point forecasts at every quantile. */
  readonly quantileLoss: number
}

/** Adds up the errors of one forecaster over many values. */
export class ErrorSums {
  readonly #quantiles: readonly number[]
  #count = 0
  #absolute = 0
  #squared = 0
  #relative = 0
  #pinball = 0
  /** By series and column: absolute errors and their count. */
  readonly #parts = new Map<string, [sum: number, count: number]>()

  constructor(quantiles: readonly number[]) {
    this.#quantiles = quantiles
  }

  /**
   * A forecast and what came.
   *
   * @param part the series and column
   * @param forQuantiles the forecast of each quantile; by default the point
   */
  add(part: string, truth: number, point: number, forQuantiles?: ArrayLike<number>): void {
    const error = Math.abs(truth - point)
    this.#count++
    this.#absolute += error
    this.#squared += error * error
    const size = Math.abs(truth) + Math.abs(point)
    this.#relative += size > 0 ? (200 * error) / size : 0
    this.#quantiles.forEach((quantile, q) => {
      const over = truth - (forQuantiles ? forQuantiles[q] : point)
      this.#pinball += Math.max(quantile * over, (quantile - 1) * over) / this.#quantiles.length
    })
    const own = this.#parts.get(part)
    if (own) {
      own[0] += error
      own[1]++
    } else {
      this.#parts.set(part, [error, 1])
    }
  }

  /** @param scales the error of repeating the season, of each part */
  scores(scales: ReadonlyMap<string, number>): Scores {
    const ratios = [...this.#parts].flatMap(([part, [sum, count]]) => {
      const scale = scales.get(part) ?? 0
      return scale > 0 ? [sum / count / scale] : []
    })
    return {
      mae: this.#absolute / this.#count,
      rmse: Math.sqrt(this.#squared / this.#count),
      smape: this.#relative / this.#count,
      mase: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
      quantileLoss: this.#quantiles.length > 0 ? this.#pinball / this.#count : Number.NaN,
    }
  }
}

/** The mean absolute error of repeating the value a season before, in the first `length` values; 0 if there is none. */
export function seasonalError(values: ArrayLike<number>, season: number, length: number): number {
  let sum = 0
  for (let t = season; t < length; t++) sum += Math.abs(values[t] - values[t - season])
  return length > season ? sum / (length - season) : 0
}

/** What repeating the last season before `at` forecasts for step `h`, from 0; with a season of 1, the last value. */
export const seasonalNaive = (values: ArrayLike<number>, season: number, at: number, h: number) =>
  values[at - season + (h % season)]
