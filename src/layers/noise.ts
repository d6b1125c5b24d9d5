/** Layers that act in training alone: spatialDropout1d, gaussianNoise. */
import type { Context } from '../tensor/context.ts'
import { dropoutMask, scaleRepeated, weightedSum } from '../tensor/ops.ts'
import { Random } from '../tensor/random.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkNumber } from '../util/check.ts'
import { checkRate, type DropoutOptions } from './dropout.ts'
import {
  checkRank,
  type LayerOptions,
  layerOptions,
  type SeedOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'

class SpatialDropout1d extends SimpleLayer {
  readonly kind = 'spatialDropout1d'
  readonly rate: number

  constructor(options: DropoutOptions) {
    super(options)
    this.rate = checkRate("spatialDropout1d 'rate'", options.rate)
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return { rate: this.rate }
  }

  outputShape(input: Shape): Shape {
    checkRank(this, input, 3, '[batch, time, features]')
    return input
  }

  forward(ctx: Context, x: Tensor): Tensor {
    if (!ctx.training || this.rate === 0) return x
    const [rows, steps, features] = x.shape
    const kept = dropoutMask(ctx, [rows, features], this.rate)
    const y = scaleRepeated(ctx, x, kept, [rows, steps, features])
    y.mask = x.mask
    return y
  }
}

/**
 * Dropout of whole features: in training, one that is dropped is zero at every step of a row; the
 * others are divided by 1 - rate. Tompson et al. 2015; Keras's `SpatialDropout1D`.
 */
export function spatialDropout1d(options: DropoutOptions): SpatialDropout1d {
  return new SpatialDropout1d(layerOptions('spatialDropout1d', options, ['rate', 'seed']))
}

/** Options of `gaussianNoise`. */
export interface GaussianNoiseOptions extends LayerOptions, SeedOptions {
  /** Standard deviation of the noise, from 0 to 1. */
  stddev: number
}

class GaussianNoise extends SimpleLayer {
  readonly kind = 'gaussianNoise'
  readonly stddev: number

  constructor(options: GaussianNoiseOptions) {
    super(options)
    this.stddev = checkNumber("gaussianNoise 'stddev'", options.stddev, 0, 1)
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return { stddev: this.stddev }
  }

  outputShape(input: Shape): Shape {
    return input
  }

  forward(ctx: Context, x: Tensor): Tensor {
    if (!ctx.training || this.stddev === 0) return x
    const { seed, step } = ctx.random
    const random = new Random(seed, `gaussianNoise ${step} ${ctx.nextStream()}`)
    const noise = ctx.empty(x.shape)
    const { values } = noise
    for (let i = 0; i < values.length; i++) values[i] = random.normal()
    const y = weightedSum(ctx, [x, noise], [1, this.stddev])
    y.mask = x.mask
    return y
  }
}

/**
 * Adds normal noise of mean 0 in training, a number of its own for each element; otherwise does
 * nothing. Keras's `GaussianNoise`.
 */
export function gaussianNoise(options: GaussianNoiseOptions): GaussianNoise {
  return new GaussianNoise(layerOptions('gaussianNoise', options, ['stddev', 'seed']))
}
