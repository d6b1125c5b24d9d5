/** batchNormalization, and batch renormalization. */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import {
  type Correction,
  type Counted,
  type Moments,
  normalizeColumns,
} from '../tensor/normalize.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkNumber, checkOptions } from '../util/check.ts'
import { layerOptions, type Shape } from './layer.ts'
import { Normalization, type NormalizationOptions, sharedOptions } from './normalization.ts'

/** Keras 3's options for `BatchNormalization`, with its defaults. */
export interface BatchNormalizationOptions extends NormalizationOptions {
  /**
   * The dimension that keeps statistics and weights of its own for each place, the batch being 0;
   * negative from the end. Default -1.
   */
  axis?: number
  /** How much of the moving statistics stays with each step of training. Default 0.99. */
  momentum?: number
  /** Default 'zeros'. */
  movingMeanInitializer?: InitializerLike
  /** Default 'ones'. */
  movingVarianceInitializer?: InitializerLike
  /**
   * Batch renormalization (Ioffe 2017): what the batch's mean and variance give is corrected by r and d to
   * what slowly moving statistics would give, so that training sees what inference does. The gradient takes
   * r and d for constants. Default false.
   */
  renorm?: boolean
  /** With `renorm`: r is held to `rmin` to `rmax`, d to ±`dmax`. Default: 0, Infinity and Infinity. */
  renormClipping?: RenormClipping
  /** With `renorm`: how much of the slowly moving statistics stays with each step. Default 0.99. */
  renormMomentum?: number
}

/** How far batch renormalization may correct: y = r · x̂ + d. */
export interface RenormClipping {
  readonly rmin?: number
  readonly rmax?: number
  readonly dmax?: number
}

/** The limits of r and d, checked. */
function checkClipping(clipping: RenormClipping): RenormClipping {
  const where = "batchNormalization 'renormClipping'"
  checkOptions(where, clipping, ['rmin', 'rmax', 'dmax'])
  const { rmin = 0, rmax = Infinity } = clipping
  for (const [name, limit] of Object.entries(clipping)) checkNumber(`${where} '${name}'`, limit, 0)
  if (rmin <= rmax) return clipping
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected rmin of at most rmax, got ${show(clipping)}`,
  )
}

/** √ of what another initializer gives. */
const rootOf = (initializer: Initializer): Initializer => ({
  ...initializer,
  fill(out, ...rest) {
    initializer.fill(out, ...rest)
    for (let i = 0; i < out.length; i++) out[i] = Math.sqrt(out[i])
  },
})

/** The weights of `renorm`: the deviation for inference, and the statistics for training, [F] each. */
interface RenormWeights {
  readonly movingStddev: Parameter
  readonly mean: Parameter
  readonly stddev: Parameter
}

/** Keras's epsilon, which keeps a batch without any step from dividing by 0. */
const tiny = 1e-7

class BatchNormalization extends Normalization {
  readonly kind = 'batchNormalization'
  readonly momentum: number
  readonly movingMeanInitializer: Initializer
  readonly movingVarianceInitializer: Initializer
  readonly renorm: boolean
  readonly renormClipping: RenormClipping
  readonly renormMomentum: number
  #mean!: Parameter
  #variance!: Parameter
  #renorm: RenormWeights | null = null

  constructor(options: BatchNormalizationOptions) {
    super('batchNormalization', [options.axis ?? -1], options)
    const { movingMeanInitializer = 'zeros', movingVarianceInitializer = 'ones' } = options
    this.momentum = checkNumber("batchNormalization 'momentum'", options.momentum ?? 0.99, 0, 1)
    this.movingMeanInitializer = resolveInitializer(
      "batchNormalization 'movingMeanInitializer'",
      movingMeanInitializer,
    )
    this.movingVarianceInitializer = resolveInitializer(
      "batchNormalization 'movingVarianceInitializer'",
      movingVarianceInitializer,
    )
    this.renorm = options.renorm ?? false
    this.renormClipping = checkClipping(options.renormClipping ?? {})
    const { renormMomentum = 0.99 } = options
    this.renormMomentum = checkNumber("batchNormalization 'renormMomentum'", renormMomentum, 0, 1)
  }

  override options() {
    const { renorm, renormClipping, renormMomentum } = this
    return {
      momentum: this.momentum,
      ...super.options(),
      movingMeanInitializer: initializerConfig(this.movingMeanInitializer),
      movingVarianceInitializer: initializerConfig(this.movingVarianceInitializer),
      ...(renorm && { renorm, renormClipping, renormMomentum }),
    }
  }

  protected override declare(inputs: readonly Shape[]) {
    super.declare(inputs)
    const shape = this.lengthsOf(inputs[0])
    const fixed = { trainable: false }
    this.#mean = this.addWeight('movingMean', shape, this.movingMeanInitializer, fixed)
    this.#variance = this.addWeight('movingVariance', shape, this.movingVarianceInitializer, fixed)
    if (!this.renorm) return
    const root = rootOf(this.movingVarianceInitializer)
    this.#renorm = {
      movingStddev: this.addWeight('movingStddev', shape, root, fixed),
      mean: this.addWeight('renormMean', shape, this.movingMeanInitializer, fixed),
      stddev: this.addWeight('renormStddev', shape, root, fixed),
    }
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const learns = ctx.training && !this.frozen
    const affine = {
      gamma: this.gamma?.value ?? null,
      beta: this.beta?.value ?? null,
      epsilon: this.epsilon,
    }
    const counted = learns ? this.#counted(ctx, x) : { weights: null, count: 0 }
    const statistics = learns ? null : this.#moving()
    const correct = learns && this.#renorm ? (now: Moments) => this.#correction(now) : null
    return this.along(ctx, x, (rows) => {
      const { y, moments } = normalizeColumns(ctx, rows, affine, statistics, counted, correct)
      if (learns) ctx.afterStep(() => this.#move(moments))
      return y
    })
  }

  /** The rows of `along` that are not masked. */
  #counted(ctx: Context, x: Tensor): Counted {
    const [axis] = this.axesOf(x.shape)
    const rows = x.size / x.shape[axis]
    const outer = ctx.unfolded?.mask
    const mask = x.mask ?? (outer && rows % outer.valid.size === 0 ? outer : null)
    if (!mask?.lengths) return { weights: null, count: rows }
    if (axis === 1 && mask === x.mask) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.name} 'axis': statistics of each time step cannot leave out masked steps`,
        'axis: -1 takes those of the features',
      )
    }
    const each = rows / mask.valid.size
    const weights = ctx.empty([rows])
    const flags = mask.valid.ints
    const { values } = weights
    for (let r = 0; r < rows; r++) values[r] = flags[Math.floor(r / each)]
    return { weights, count: mask.count * each + tiny }
  }

  #moving(): Moments {
    return {
      mean: Float64Array.from(this.#mean.value.values),
      variance: Float64Array.from(this.#variance.value.values),
    }
  }

  /** What turns numbers normalized by the batch's moments into those by the slow statistics. */
  #correction({ mean, variance }: Moments): Correction {
    const { rmin = 0, rmax = Infinity, dmax = Infinity } = this.renormClipping
    const slow = {
      mean: this.#renorm!.mean.value.values,
      stddev: this.#renorm!.stddev.value.values,
    }
    const spread = (c: number) => Math.max(slow.stddev[c], Math.sqrt(this.epsilon))
    return {
      r: variance.map((value, c) => {
        const r = Math.sqrt(value + this.epsilon) / spread(c)
        return Math.min(Math.max(r, rmin), rmax)
      }),
      d: mean.map((value, c) => {
        const d = (value - slow.mean[c]) / spread(c)
        return Math.min(Math.max(d, -dmax), dmax)
      }),
    }
  }

  #move({ mean, variance }: Moments): void {
    move(this.#mean, mean, this.momentum)
    if (!this.#renorm) {
      move(this.#variance, variance, this.momentum)
      return
    }
    const stddev = variance.map((value) => Math.sqrt(value + this.epsilon))
    move(this.#renorm.mean, mean, this.renormMomentum)
    move(this.#renorm.stddev, stddev, this.renormMomentum)
    const { movingStddev } = this.#renorm
    move(movingStddev, stddev, this.momentum)
    // Inference adds epsilon to the variance again.
    const { values } = this.#variance.value
    movingStddev.value.values.forEach((value, c) => {
      values[c] = Math.max(value ** 2 - this.epsilon, 0)
    })
    this.#variance.version++
  }
}

/** Takes a moving statistic on by one step. */
function move(parameter: Parameter, now: Float64Array, momentum: number): void {
  const { values } = parameter.value
  for (let c = 0; c < now.length; c++) {
    values[c] = values[c] * momentum + now[c] * (1 - momentum)
  }
  parameter.version++
}

/**
 * Each feature less its mean, over its standard deviation, times gamma, plus beta. In training, mean
 * and variance are those of the batch's steps that are not masked, and the moving statistics, which
 * everything else uses, go a hundredth of the way there with each step of the optimizer. With
 * `trainable: false` training uses the moving ones, too. Weights: gamma, beta, movingMean,
 * movingVariance, each [F]; the last two are not trainable. With another `axis` it is not the features
 * that are taken apart but what lies along that. Masks pass. With `renorm`, the weights movingStddev,
 * renormMean and renormStddev come after these. Ioffe & Szegedy 2015; Keras's `BatchNormalization`.
 */
export function batchNormalization(options: BatchNormalizationOptions = {}): BatchNormalization {
  return new BatchNormalization(
    layerOptions('batchNormalization', options, [
      ...sharedOptions,
      'momentum',
      'movingMeanInitializer',
      'movingVarianceInitializer',
      'renorm',
      'renormClipping',
      'renormMomentum',
    ]),
  )
}
