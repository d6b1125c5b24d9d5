/** The whole public surface of the library. */

export type { ArrayData } from './data/column.ts'
export { type ErrorCode, errorCodes, RefrainError } from './errors.ts'
export {
  availableBackends,
  type BackendOptions,
  defaultBackend,
  setBackend,
} from './kernels/backend.ts'
export type { Backend, BackendName } from './kernels/kernels.ts'
export { type MeasuredPeak, measurePeak } from './kernels/peak.ts'
export {
  type ActivationName,
  type AdditiveAttentionOptions,
  type AttentionOptions,
  type AttentionOutputs,
  activation,
  additiveAttention,
  attention,
  averagePooling1d,
  averagePooling2d,
  type BidirectionalOptions,
  bidirectional,
  bioConstraints,
  type Conv1dOptions,
  type Conv2dOptions,
  type Crf,
  type CrfConstraints,
  type CrfOptions,
  conv1d,
  conv2d,
  crf,
  type DenseOptions,
  type DropoutOptions,
  dense,
  dropout,
  type EmbeddingOptions,
  embedding,
  flatten,
  type GlobalPoolingOptions,
  type GruOptions,
  type GruOutputs,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  gru,
  type InputOptions,
  input,
  Layer,
  type LayerOptions,
  type LstmOptions,
  type LstmOutputs,
  type LuongAttentionOptions,
  lstm,
  luongAttention,
  type MergeMode,
  maxPooling1d,
  maxPooling2d,
  type Pooling1dOptions,
  type Pooling2dOptions,
  type Shape,
  type SimpleRnnOptions,
  type SimpleRnnOutputs,
  type SymbolicTensor,
  simpleRnn,
  timeDistributed,
} from './layers/index.ts'
export * from './model/index.ts'
export {
  type CtcBeamDecodeOptions,
  type CtcDecodeOptions,
  type CtcPath,
  ctcBeamDecode,
  ctcGreedyDecode,
} from './tensor/ctc-decode.ts'
export {
  constant,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  type Initializer,
  type InitializerLike,
  lecunNormal,
  lecunUniform,
  ones,
  orthogonal,
  randomNormal,
  randomUniform,
  truncatedNormal,
  zeros,
} from './tensor/initializers.ts'
export { type NestedArray, type Tensor, tensor } from './tensor/tensor.ts'
export * from './train/callbacks.ts'
export {
  binaryCrossentropy,
  categoricalCrossentropy,
  type LossConfig,
  type LossName,
  meanAbsoluteError,
  meanSquaredError,
  sparseCategoricalCrossentropy,
} from './train/losses.ts'

export type { MetricName } from './train/metrics.ts'
export {
  adam,
  adamW,
  type Optimizer,
  type OptimizerOptions,
  rmsprop,
  sgd,
} from './train/optimizers.ts'
export { type ProgressOptions, progress } from './train/progress.ts'
export { exponentialDecay, type Schedule } from './train/schedules.ts'
export { type CtcOptions, ctc } from './train/sequence-losses.ts'
export type { History } from './train/trainer.ts'
