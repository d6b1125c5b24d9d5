/** Series as inputs: several measurements a step, scaled by what the training part had. */
import { RefrainError, show } from '../../errors.ts'
import { gaussianNoise } from '../../layers/noise.ts'
import { checkNumber } from '../../util/check.ts'
import { checkList, type Encoder, type Inputs } from './encoder.ts'
import { type CommonOptions, commonDefaults, type Decay, type Pooling } from './options.ts'
import { Scaler } from './scaler.ts'

/** The measurements of each step, oldest first: [T][F]. Series may be of different lengths. */
export type Steps = readonly ArrayLike<number>[]

/** Options of `classify.train` for series. */
export interface SeriesOptions extends CommonOptions {
  /**
   * Standard deviation of the noise that training adds to the measurements, in units of their own; it
   * makes more of few series. Default 0.8.
   */
  noise?: number
}

/** The options' defaults for series, which are often few. */
export const seriesDefaults = {
  ...commonDefaults,
  epochs: 100,
  patience: 20,
  batchSize: 16,
  learningRate: 6e-3,
  decay: 'cosine' as Decay,
  pooling: 'mean' as Pooling,
  dropout: 0.3,
  noise: 0.8,
}

/** How measurements are scaled. */
export class SeriesEncoder implements Encoder<Steps> {
  readonly kind = 'series'
  readonly unit = 'features'
  readonly scaler: Scaler

  constructor(scaler: Scaler) {
    this.scaler = scaler
  }

  get input() {
    return { shape: [null, this.size], dtype: 'float' as const }
  }

  /** Number of features. */
  get size(): number {
    return this.scaler.size
  }

  /** The scaled steps. Throws `BAD_SHAPE` for another number of features than in training. */
  encode(items: readonly Steps[]) {
    const { size, scaler } = this
    items.forEach((steps, i) => {
      if (steps[0].length === size) return
      throw new RefrainError(
        'BAD_SHAPE',
        `series ${i + 1}: expected ${size} features in each step, as in training, ` +
          `got ${steps[0].length}`,
      )
    })
    return items.map((steps) => {
      const { shape, data } = flat(steps)
      return { shape, data: scaler.apply(data) }
    })
  }

  toJSON() {
    return { scaler: this.scaler.toJSON() }
  }
}

function flat(steps: Steps) {
  const width = steps[0].length
  const data = new Float64Array(steps.length * width)
  steps.forEach((step, t) => {
    data.set(step, t * width)
  })
  return { shape: [steps.length, width], data }
}

/** Fails on a series without steps, steps of unequal width and numbers that are none. */
function checkSeries(where: string, items: readonly Steps[]): void {
  checkList(where, items, 'series')
  let features = 0
  items.forEach((steps, i) => {
    const place = `${where}: series ${i + 1}`
    if (!Array.isArray(steps) || steps.length === 0) {
      throw new RefrainError(
        'BAD_DATA',
        `${place}: expected at least one step, got ${show(steps)}`,
        'a series is an array of steps: [[0.1, 20], [0.3, 21], …]',
      )
    }
    steps.forEach((step: ArrayLike<number>, t) => {
      features ||= step?.length
      if (!(step?.length > 0) || step.length !== features) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${place}, step ${t + 1}: expected ${features || 'at least one'} numbers, as in the steps ` +
            `before, got ${show(step)}`,
        )
      }
      for (let f = 0; f < features; f++) {
        if (Number.isFinite(step[f])) continue
        throw new RefrainError(
          'NOT_FINITE',
          `${place}, step ${t + 1}, feature ${f + 1}: expected a finite number, got ${show(step[f])}`,
          'Fill gaps, or leave the step out',
        )
      }
    })
  })
}

/** What `classify` knows of series. */
export const series: Inputs<Steps, typeof seriesDefaults, SeriesEncoder> = {
  what: 'series',
  defaults: seriesDefaults,
  check: checkSeries,
  learn(items) {
    const rows = items.map(flat)
    const scaler = Scaler.learn(rows, items[0][0].length)
    return {
      encoder: new SeriesEncoder(scaler),
      rows: rows.map(({ shape, data }) => ({ shape, data: scaler.apply(data) })),
    }
  },
  fromJSON: ({ scaler }) => new SeriesEncoder(Scaler.fromJSON(scaler)),
  whole: true,
  front(x, _encoder, { noise }) {
    checkNumber("classify.train 'noise'", noise, 0, 1)
    return noise === 0 ? x : gaussianNoise({ stddev: noise }).apply(x)
  },
}
