/** Sounds as inputs: samples → log-mel frames, scaled by what the training part had. */
import { logMel, type MelOptions } from '../../data/log-mel.ts'
import { resample, type Sound } from '../../data/wav.ts'
import { RefrainError, show } from '../../errors.ts'
import { checkInteger, checkNumber } from '../../util/check.ts'
import { checkList, type Encoder, type Inputs } from './encoder.ts'
import { type CommonOptions, commonDefaults } from './options.ts'
import { Scaler } from './scaler.ts'

/** Options of `classify.train` for sounds. */
export interface AudioOptions extends CommonOptions {
  /**
   * Samples a second to which all sounds are brought. Default 0: the lowest rate in the training part,
   * 16,000 at most, so that no sound has bands in which it can hold nothing.
   */
  sampleRate?: number
  /** Bands of the mel scale. Default 40. */
  bands?: number
  /** Length of a frame, seconds. Default 0.025. */
  frame?: number
  /** From one frame to the next, seconds. Default 0.01. */
  hop?: number
}

/** The options' defaults for sounds. */
export const audioDefaults = {
  ...commonDefaults,
  epochs: 40,
  patience: 8,
  learningRate: 2e-3,
  dropout: 0.3,
  sampleRate: 0,
  bands: 40,
  frame: 0.025,
  hop: 0.01,
}

/** How frames are made and scaled. */
export class AudioEncoder implements Encoder<Sound> {
  readonly kind = 'audio'
  readonly unit = 'bands'
  readonly mel: MelOptions
  readonly scaler: Scaler

  constructor(mel: MelOptions, scaler: Scaler) {
    this.mel = mel
    this.scaler = scaler
  }

  get input() {
    return { shape: [null, this.size], dtype: 'float' as const }
  }

  /** Number of bands. */
  get size(): number {
    return this.mel.bands
  }

  /** The scaled frames of each sound. */
  encode(sounds: readonly Sound[]) {
    return sounds.map((sound) => {
      const { shape, data } = framesOf(sound, this.mel)
      return { shape, data: this.scaler.apply(data) }
    })
  }

  toJSON() {
    return { mel: { ...this.mel }, scaler: this.scaler.toJSON() }
  }
}

const framesOf = ({ samples, sampleRate }: Sound, mel: MelOptions) =>
  logMel(resample(samples, sampleRate, mel.sampleRate), mel)

/** Fails on a sound without samples, a rate or finite numbers. */
function checkSounds(where: string, sounds: readonly Sound[]): void {
  checkList(where, sounds, 'sounds')
  sounds.forEach((sound, i) => {
    const place = `${where}: sound ${i + 1}`
    const { samples, sampleRate } = (sound ?? {}) as Partial<Sound>
    if (!(samples && samples.length > 0)) {
      throw new RefrainError(
        'BAD_DATA',
        `${place}: expected { samples: [0, 0.1, …], sampleRate: 16000 }, got ${show(sound)}`,
      )
    }
    checkNumber(`${place}, 'sampleRate'`, sampleRate, 100, 1e6)
    for (let n = 0; n < samples.length; n++) {
      if (Number.isFinite(samples[n])) continue
      throw new RefrainError(
        'NOT_FINITE',
        `${place}, sample ${n + 1}: expected a finite number, got ${show(samples[n])}`,
      )
    }
  })
}

function checkMel({
  sampleRate,
  frame,
  hop,
  bands,
}: Record<keyof MelOptions, unknown>): MelOptions {
  return {
    sampleRate: checkNumber("'sampleRate'", sampleRate, 100, 1e6),
    frame: checkNumber("'frame'", frame, 0.001, 1),
    hop: checkNumber("'hop'", hop, 0.001, 1),
    bands: checkInteger("'bands'", bands),
  }
}

/** What `classify` knows of sounds. */
export const audio: Inputs<Sound, typeof audioDefaults, AudioEncoder> = {
  what: 'sound',
  defaults: audioDefaults,
  check: checkSounds,
  learn(sounds, settings) {
    const lowest = sounds.reduce((rate, sound) => Math.min(rate, sound.sampleRate), 16_000)
    const mel = checkMel({ ...settings, sampleRate: settings.sampleRate || lowest })
    const rows = sounds.map((sound) => framesOf(sound, mel))
    const scaler = Scaler.learn(rows, mel.bands)
    return {
      encoder: new AudioEncoder(mel, scaler),
      rows: rows.map(({ shape, data }) => ({ shape, data: scaler.apply(data) })),
    }
  },
  fromJSON({ mel, scaler }) {
    const encoder = new AudioEncoder(
      checkMel((mel ?? {}) as Record<keyof MelOptions, unknown>),
      Scaler.fromJSON(scaler),
    )
    if (encoder.scaler.size === encoder.size) return encoder
    throw new RefrainError(
      'BAD_FILE',
      `scaler: expected ${encoder.size} bands, got ${encoder.scaler.size}`,
    )
  },
  front: (x) => x,
}
