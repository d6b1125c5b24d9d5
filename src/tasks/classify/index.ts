/** Classification, many to one: `train` makes a `Classifier`, which is one `.refrain` file. */

export type { Sound } from '../../data/wav.ts'
export { bestEpoch } from '../training.ts'
export { AudioEncoder, type AudioOptions, audioDefaults } from './audio.ts'
export {
  Classifier,
  type Explained,
  fromFile,
  load,
  type NumbersExplanation,
  type Parts,
  type Prediction,
  type TextExplanation,
} from './classifier.ts'
export type { Encoder } from './encoder.ts'
export type {
  Examples,
  InputKind,
  KindOf,
  LabelledClips,
  LabelledSeries,
  LabelledSounds,
  LabelledTexts,
  OptionsOf,
} from './inputs.ts'
export type { CommonOptions, Decay, Pooling } from './options.ts'
export { Scaler } from './scaler.ts'
export type { Evaluation } from './scores.ts'
export { SeriesEncoder, type SeriesOptions, type Steps, seriesDefaults } from './series.ts'
export { type Labels, Targets } from './targets.ts'
export { type ClassifyOptions, defaults, TextEncoder, type Tokens } from './texts.ts'
export { train } from './train.ts'
export {
  type Clip,
  type FrameReader,
  VideoEncoder,
  type VideoOptions,
  videoDefaults,
} from './video.ts'
