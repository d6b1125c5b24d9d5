/** What convolutions and pooling share: windows that slide over sequences or images. */
import { RefrainError, show } from '../errors.ts'
import { type Padding, type Pair, type Windows, windowCount } from '../tensor/patches.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, suggest } from '../util/check.ts'
import { checkRank, featuresOf, type LayerOptions, type Shape, SimpleLayer } from './layer.ts'

/** A number for both directions, or one down the image and one across it. */
export type Size2d = number | readonly [number, number]

/** Reads an option that is one number over sequences (rank 1), one or two over images (rank 2). */
export function checkSize(where: string, rank: 1 | 2, value: unknown): Pair {
  if (rank === 1) return [1, checkInteger(where, value)]
  if (!Array.isArray(value)) return [checkInteger(where, value), checkInteger(where, value)]
  if (value.length !== 2) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where}: expected a whole number or [height, width], got ${show(value)}`,
    )
  }
  return [checkInteger(where, value[0]), checkInteger(where, value[1])]
}

/** Fails unless `padding` is one of those that are `known`. */
export function checkPadding(where: string, padding: unknown, known: readonly Padding[]): Padding {
  if (!known.includes(padding as Padding)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `${where}: unknown padding ${show(padding)}`,
      suggest(String(padding), known),
    )
  }
  return padding as Padding
}

/**
 * A layer that makes one output of every window over a sequence [B,T,C] (rank 1) or an image
 * [B,H,W,C] (rank 2).
 */
export abstract class WindowLayer extends SimpleLayer {
  readonly rank: 1 | 2
  readonly windows: Windows

  constructor(options: LayerOptions, rank: 1 | 2, windows: Windows) {
    super(options)
    this.rank = rank
    this.windows = windows
  }

  /** A size as the option that it came from. */
  protected size(pair: Pair): number | Pair {
    return this.rank === 1 ? pair[1] : pair
  }

  /** The output's shape, its last dimension `width`; throws `BAD_SHAPE` if no window fits. */
  protected shapeAfter(input: Shape, width: (channels: number) => number): Shape {
    const { rank, windows } = this
    const meaning = rank === 1 ? '[batch, time, channels]' : '[batch, height, width, channels]'
    checkRank(this, input, rank + 2, meaning)
    const lengths = input.slice(1, -1).map((length, i) => {
      const count = length && windowCount(length, (2 - rank + i) as 0 | 1, windows)
      if (count === 0) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${this.name || this.kind}: a window of ${show(this.size(windows.size))} does not fit ` +
            `into an input of shape ${show([...input])}`,
          "use padding 'same', or larger inputs",
        )
      }
      return count
    })
    return [input[0], ...lengths, width(featuresOf(this, input))]
  }

  /** A sequence as an image of height 1. */
  protected asImages(x: Tensor): Tensor {
    const [batch, ...rest] = x.shape
    return this.rank === 1 ? x.view([batch, 1, ...rest]) : x
  }

  /** The way back. */
  protected fromImages(y: Tensor): Tensor {
    const [batch, , ...rest] = y.shape
    return this.rank === 1 ? y.view([batch, ...rest]) : y
  }
}
