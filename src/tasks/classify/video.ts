/** Clips as inputs: a sequence of images, each read by convolutions or all by a convolutional LSTM. */
import type { FlatData } from '../../data/column.ts'
import { RefrainError, show } from '../../errors.ts'
import { conv2d } from '../../layers/conv.ts'
import { convLstm2d } from '../../layers/conv-lstm.ts'
import { flatten } from '../../layers/flatten.ts'
import type { LayerLike, SymbolicTensor } from '../../layers/layer.ts'
import { timeDistributed } from '../../layers/time-distributed.ts'
import { maxPooling2d } from '../../layers/window-pooling.ts'
import { checkInteger, checkOneOf, sizeOf } from '../../util/check.ts'
import { checkList, type Encoder, type Inputs } from './encoder.ts'
import { type CommonOptions, commonDefaults } from './options.ts'
import { Scaler } from './scaler.ts'

/** The pixels of a clip, frame by frame: shape [T, height, width, channels]. Clips may differ in T. */
export type Clip = FlatData

/** How frames are read. */
export type FrameReader = 'conv' | 'convLstm'

/** Options of `classify.train` for clips. */
export interface VideoOptions extends CommonOptions {
  /**
   * 'conv': each frame by convolutions, whose outputs the LSTM reads; 'convLstm': the last of the
   * convolutions is a convolutional LSTM (Shi et al. 2015), which sees what moves where. Default 'conv'.
   */
  reader?: FrameReader
  /** Channels of each convolution; every one halves height and width. Default [16, 32, 32]. */
  filters?: readonly number[]
}

/** The options' defaults for clips. */
export const videoDefaults = {
  ...commonDefaults,
  dropout: 0.3,
  reader: 'conv' as FrameReader,
  filters: [16, 32, 32] as readonly number[],
}

/** The size of a frame, and how its channels are scaled. */
export class VideoEncoder implements Encoder<Clip> {
  readonly kind = 'video'
  readonly unit = 'channels'
  readonly frame: readonly number[]
  readonly scaler: Scaler

  constructor(frame: readonly number[], scaler: Scaler) {
    this.frame = frame
    this.scaler = scaler
  }

  get input() {
    return { shape: [null, ...this.frame], dtype: 'float' as const }
  }

  /** Number of channels. */
  get size(): number {
    return this.scaler.size
  }

  /** The scaled pixels. Throws `BAD_SHAPE` for frames of another size than in training. */
  encode(clips: readonly Clip[]) {
    return clips.map(({ shape, data }, i) => {
      checkFrame(`clip ${i + 1}`, shape, this.frame, 'in training')
      return { shape, data: this.scaler.apply(data) }
    })
  }

  toJSON() {
    return { frame: [...this.frame], scaler: this.scaler.toJSON() }
  }
}

function checkFrame(
  place: string,
  shape: readonly number[],
  frame: readonly number[],
  where: string,
): void {
  if (shape.slice(1).join() === frame.join()) return
  throw new RefrainError(
    'BAD_SHAPE',
    `${place}: expected frames of ${show([...frame])}, as ${where}, got ${show(shape.slice(1))}`,
    'Bring all frames to one size',
  )
}

/** Fails on clips that are none, or whose frames are of different sizes. */
function checkClips(where: string, clips: readonly Clip[]): void {
  checkList(where, clips, 'clips')
  clips.forEach((clip, i) => {
    const place = `${where}: clip ${i + 1}`
    const { shape, data } = (clip ?? {}) as Partial<Clip>
    const fits = Array.isArray(shape) && shape.length === 4 && data && sizeOf(shape) === data.length
    if (!fits || data.length === 0) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${place}: expected { shape: [frames, height, width, channels], data } with as many numbers, ` +
          `got ${Array.isArray(shape) ? `shape ${show(shape)}` : show(clip)}`,
      )
    }
    checkFrame(place, shape, clips[0].shape.slice(1), 'in the first clip')
    for (let n = 0; n < data.length; n++) {
      if (Number.isFinite(data[n])) continue
      throw new RefrainError(
        'NOT_FINITE',
        `${place}: expected finite numbers, got ${show(data[n])} in frame ` +
          `${Math.floor((n * shape[0]) / data.length) + 1}`,
      )
    }
  })
}

/** What `classify` knows of clips. */
export const video: Inputs<Clip, typeof videoDefaults, VideoEncoder> = {
  what: 'clip',
  defaults: videoDefaults,
  check: checkClips,
  learn(clips) {
    const frame = clips[0].shape.slice(1)
    const encoder = new VideoEncoder(frame, Scaler.learn(clips, frame[2]))
    return { encoder, rows: encoder.encode(clips) }
  },
  fromJSON({ frame, scaler }) {
    const encoder = new VideoEncoder(frame as number[], Scaler.fromJSON(scaler))
    const fits =
      Array.isArray(frame) &&
      frame.length === 3 &&
      frame.every((n) => Number.isInteger(n) && n > 0) &&
      frame[2] === encoder.size
    if (fits) return encoder
    throw new RefrainError(
      'BAD_FILE',
      `frame: expected [height, width, ${encoder.size}], got ${show(frame)}`,
    )
  },
  front(x, _encoder, { reader, filters }) {
    checkOneOf("classify.train 'reader'", reader, ['conv', 'convLstm'])
    let y: SymbolicTensor = x
    const each = (layer: LayerLike) => {
      y = timeDistributed(layer).apply(y)
    }
    filters.forEach((count, i) => {
      const options = {
        filters: checkInteger("classify.train 'filters'", count),
        kernelSize: 3,
        padding: 'same' as const,
      }
      if (reader === 'convLstm' && i === filters.length - 1) {
        y = convLstm2d({ ...options, returnSequences: true }).apply(y) as SymbolicTensor
      } else each(conv2d({ ...options, activation: 'relu' }))
      each(maxPooling2d({ padding: 'same' }))
    })
    each(flatten())
    return y
  },
}
