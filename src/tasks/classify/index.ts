/** Classification, many to one: `train` makes a `Classifier`, which is one `.refrain` file. */

export { bestEpoch } from '../training.ts'
export {
  Classifier,
  fromFile,
  load,
  type Parts,
  type Prediction,
  type TextExplanation,
} from './classifier.ts'
export type { Encoder } from './encoder.ts'
export type {
  Examples,
  InputKind,
  KindOf,
  LabelledSeries,
  LabelledTexts,
  OptionsOf,
} from './inputs.ts'
export type { CommonOptions, Pooling } from './options.ts'
export { Scaler } from './scaler.ts'
export type { Evaluation } from './scores.ts'
export { SeriesEncoder, type SeriesOptions, type Steps, seriesDefaults } from './series.ts'
export { type Labels, Targets } from './targets.ts'
export { type ClassifyOptions, defaults, TextEncoder } from './texts.ts'
export { train } from './train.ts'
