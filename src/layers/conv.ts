import { RefrainError } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { activate, columns, concatenate } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { convolve, type Padding } from '../tensor/patches.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { type ActivationName, checkActivation } from './activation.ts'
import { featuresOf, type LayerOptions, layerOptions, type Shape } from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'
import { checkPadding, checkSize, type Size2d, WindowLayer } from './windows.ts'

interface ConvOptions<Size> extends LayerOptions, WeightRules<'kernel' | 'bias'> {
  /** Width of the output. */
  filters: number
  /** Length of the window. */
  kernelSize: Size
  /** From one window to the next; default 1. */
  strides?: Size
  /** From one step or pixel of a window to the next; default 1. */
  dilationRate?: Size
  /** The input's channels and the filters fall into so many parts that do not see each other; default 1. */
  groups?: number
  /** Default 'linear'. */
  activation?: ActivationName
  /** Default true. */
  useBias?: boolean
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerLike
  /** Default 'zeros'. */
  biasInitializer?: InitializerLike
}

/** Keras 3's options for `Conv1D`, with its defaults. */
export interface Conv1dOptions extends ConvOptions<number> {
  /**
   * 'valid': windows inside of the sequence only; 'same': zeros before and after it, so that with
   * stride 1 the output is as long as the input; 'causal': zeros before it, so that no output depends
   * on a later step. Default 'valid'.
   */
  padding?: Padding
}

/** Keras 3's options for `Conv2D`, with its defaults. A size is one number or [height, width]. */
export interface Conv2dOptions extends ConvOptions<Size2d> {
  /** As for `conv1d`, without 'causal'. Default 'valid'. */
  padding?: 'valid' | 'same'
}

const optionNames = [
  'filters',
  'kernelSize',
  'strides',
  'padding',
  'dilationRate',
  'groups',
  'activation',
  'useBias',
  'kernelInitializer',
  'biasInitializer',
  ...ruleNames('kernel', 'bias'),
]

class Conv extends WindowLayer {
  readonly kind: string
  readonly filters: number
  readonly groups: number
  readonly activation: ActivationName
  readonly useBias: boolean
  readonly kernelInitializer: Initializer
  readonly biasInitializer: Initializer
  #kernel!: Parameter
  #bias: Parameter | null = null

  constructor(rank: 1 | 2, options: Conv1dOptions | Conv2dOptions) {
    const kind = `conv${rank}d`
    const { strides = 1, padding = 'valid', dilationRate = 1 } = options
    super(options, rank, {
      size: checkSize(`${kind} 'kernelSize'`, rank, options.kernelSize),
      strides: checkSize(`${kind} 'strides'`, rank, strides),
      dilation: checkSize(`${kind} 'dilationRate'`, rank, dilationRate),
      padding: checkPadding(
        `${kind} 'padding'`,
        padding,
        rank === 1 ? ['valid', 'same', 'causal'] : ['valid', 'same'],
      ),
    })
    this.kind = kind
    this.filters = checkInteger(`${kind} 'filters'`, options.filters)
    this.groups = checkInteger(`${kind} 'groups'`, options.groups ?? 1)
    this.#checkGroups('filters', this.filters)
    this.activation = checkActivation(`${kind} 'activation'`, options.activation ?? 'linear')
    this.useBias = options.useBias ?? true
    this.kernelInitializer = resolveInitializer(
      `${kind} 'kernelInitializer'`,
      options.kernelInitializer ?? 'glorotUniform',
    )
    this.biasInitializer = resolveInitializer(
      `${kind} 'biasInitializer'`,
      options.biasInitializer ?? 'zeros',
    )
  }

  #checkGroups(what: string, width: number): void {
    if (width % this.groups === 0) return
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${this.name || this.kind} 'groups': ${width} ${what} are not divisible by ${this.groups}`,
    )
  }

  options() {
    const { windows } = this
    return {
      filters: this.filters,
      kernelSize: this.size(windows.size),
      strides: this.size(windows.strides),
      padding: windows.padding,
      dilationRate: this.size(windows.dilation),
      groups: this.groups,
      activation: this.activation,
      useBias: this.useBias,
      kernelInitializer: initializerConfig(this.kernelInitializer),
      biasInitializer: initializerConfig(this.biasInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    return this.shapeAfter(input, (channels) => {
      this.#checkGroups('channels', channels)
      return this.filters
    })
  }

  protected override declare([input]: readonly Shape[]) {
    const { rank, windows, filters } = this
    const channels = featuresOf(this, input) / this.groups
    const shape = [...windows.size.slice(2 - rank), channels, filters]
    this.#kernel = this.addWeight('kernel', shape, this.kernelInitializer)
    if (this.useBias) this.#bias = this.addWeight('bias', [filters], this.biasInitializer)
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const { groups, filters, windows } = this
    const images = this.asImages(x)
    const channels = images.shape[3] / groups
    const kernel = this.#kernel.value.view([...windows.size, channels, filters])
    const bias = this.#bias?.value ?? null
    const width = filters / groups
    const parts = Array.from({ length: groups }, (_, g) => {
      const part = (whole: Tensor, size: number) =>
        groups === 1 ? whole : columns(ctx, whole, g * size, size)
      const [ofImages, ofKernel] = [part(images, channels), part(kernel, width)]
      return convolve(ctx, ofImages, ofKernel, bias && part(bias, width), windows)
    })
    const sums = groups === 1 ? parts[0] : concatenate(ctx, parts)
    const y = activate(ctx, this.activation, this.fromImages(sums))
    return y
  }
}

/**
 * A convolution over time: [B,T,C] → [B,T',filters], y_t = activation(Σ_k x_{t·stride + k·dilation}·
 * kernel_k + bias). Weights: kernel [kernelSize, C/groups, filters], bias [filters]. A mask has no
 * influence and ends here, as in Keras. Keras's `Conv1D`.
 */
export function conv1d(options: Conv1dOptions): Conv {
  return new Conv(1, layerOptions('conv1d', options, optionNames))
}

/**
 * A convolution over images: [B,H,W,C] → [B,H',W',filters]. Weights: kernel [height, width, C/groups,
 * filters], bias [filters]. For sequences of images wrap it in `timeDistributed`. Keras's `Conv2D`.
 */
export function conv2d(options: Conv2dOptions): Conv {
  return new Conv(2, layerOptions('conv2d', options, optionNames))
}
