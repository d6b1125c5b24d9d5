/** The whole public surface of the library. */

export type { ArrayData, FlatData } from './data/column.ts'
export { type ErrorCode, errorCodes, RefrainError } from './errors.ts'
export {
  availableBackends,
  type BackendOptions,
  defaultBackend,
  setBackend,
} from './kernels/backend.ts'
export type { Backend, BackendName } from './kernels/kernels.ts'
export { type MeasuredPeak, measurePeak } from './kernels/peak.ts'
export { referenceBackend } from './kernels/reference.ts'
export {
  type ActivationName,
  type AdditiveAttentionOptions,
  type AttentionDecoderOptions,
  type AttentionDecoderOutputs,
  type AttentionOptions,
  type AttentionOutputs,
  activation,
  add,
  additiveAttention,
  attention,
  attentionDecoder,
  average,
  averagePooling1d,
  averagePooling2d,
  type BatchNormalizationOptions,
  type BidirectionalOptions,
  type BidirectionalOutputs,
  type BidirectionalResult,
  batchNormalization,
  bidirectional,
  bioConstraints,
  Cell,
  type CellDefinition,
  type CellStep,
  type ConcatenateOptions,
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvLstm2dOptions,
  type Crf,
  type CrfConstraints,
  type CrfOptions,
  concatenate,
  conv1d,
  conv2d,
  convLstm2d,
  crf,
  type DefinedCellOptions,
  type DenseOptions,
  type DirectionOutputs,
  type DotOptions,
  type DropoutOptions,
  defineCell,
  dense,
  dot,
  dropout,
  type EmbeddingOptions,
  embedding,
  flatten,
  type GaussianNoiseOptions,
  type GlobalPoolingOptions,
  type GruCellOptions,
  type GruOptions,
  type GruOutputs,
  gaussianNoise,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  gru,
  gruCell,
  type InputOptions,
  input,
  type LambdaFunction,
  type LambdaOptions,
  Layer,
  type LayerNormalizationOptions,
  type LayerOptions,
  type LstmCellOptions,
  type LstmOptions,
  type LstmOutputs,
  type LuongAttentionOptions,
  lambda,
  layerNormalization,
  lstm,
  lstmCell,
  luongAttention,
  type MaskingOptions,
  type MergeMode,
  masking,
  maximum,
  maxPooling1d,
  maxPooling2d,
  minimum,
  multiply,
  type NoiseDropoutOptions,
  type Operand,
  type Operations,
  type PermuteOptions,
  type Pooling1dOptions,
  type Pooling2dOptions,
  permute,
  type RecurrentOptions,
  type RenormClipping,
  type RepeatVectorOptions,
  type ReshapeOptions,
  type Rnn,
  type RnnOptions,
  type RnnOutputs,
  repeatVector,
  reshape,
  rnn,
  type ScheduledSamplingOptions,
  type Shape,
  type SimpleRnnCellOptions,
  type SimpleRnnOptions,
  type SimpleRnnOutputs,
  type StepOutput,
  type SymbolicTensor,
  scheduledSampling,
  simpleRnn,
  simpleRnnCell,
  spatialDropout1d,
  stackedRnnCells,
  subtract,
  type TiedDenseOptions,
  type TimeDistributedOptions,
  type TokenDropoutOptions,
  tiedDense,
  timeDistributed,
  tokenDropout,
  type WeightDefinition,
} from './layers/index.ts'
export * from './model/index.ts'
export {
  type Constraint,
  type ConstraintLike,
  type ConstraintName,
  maxNorm,
  minMaxNorm,
  nonNeg,
  unitNorm,
} from './tensor/constraints.ts'
export type { CrfPath } from './tensor/crf-paths.ts'
export type { CtcReduction } from './tensor/ctc.ts'
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
  identity,
  lecunNormal,
  lecunUniform,
  ones,
  orthogonal,
  randomNormal,
  randomUniform,
  truncatedNormal,
  varianceScaling,
  zeros,
} from './tensor/initializers.ts'
export { orthogonalRegularizer } from './tensor/orthogonal-regularizer.ts'
export { l1, l1l2, l2, type Regularizer, type RegularizerLike } from './tensor/regularizers.ts'
export { type NestedArray, type Tensor, tensor } from './tensor/tensor.ts'
export { adadelta, adagrad, adamax, lion, nadam } from './train/adaptive.ts'
export { asgd, ntAsgd } from './train/asgd.ts'
export * from './train/callbacks.ts'
export { ctc } from './train/ctc-loss.ts'
export { type ComputedLoss, type CustomLoss, defineLoss } from './train/define-loss.ts'
export * from './train/log-callbacks.ts'
export {
  binaryCrossentropy,
  binaryFocalCrossentropy,
  categoricalCrossentropy,
  categoricalFocalCrossentropy,
  categoricalHinge,
  cosineSimilarity,
  hinge,
  huber,
  klDivergence,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
  quantile,
  sparseCategoricalCrossentropy,
  squaredHinge,
} from './train/loss-functions.ts'
export type { LossConfig, LossName, LossReduction } from './train/losses.ts'
export {
  categoricalGeneralizedCrossEntropy,
  circle,
  dice,
  tversky,
} from './train/losses-more.ts'
export { Metric, type MetricConfig, type MetricName } from './train/metric.ts'
export {
  binaryAccuracy,
  categoricalAccuracy,
  defineMetric,
  rootMeanSquaredError,
  sparseCategoricalAccuracy,
} from './train/metrics.ts'
export { type Bleu, type BleuOptions, type BleuReport, bleu } from './train/metrics-bleu.ts'
export { type Chrf, type ChrfOptions, chrf } from './train/metrics-chrf.ts'
export { characterErrorRate, type ErrorRate, wordErrorRate } from './train/metrics-edits.ts'
export {
  type EntityReport,
  type EntityScore,
  type EntityScores,
  entityScores,
} from './train/metrics-entities.ts'
export { binaryIou, iou, meanIou, oneHotIou, oneHotMeanIou } from './train/metrics-iou.ts'
export {
  auc,
  bitsPerCharacter,
  concordanceCorrelation,
  f1Score,
  falseNegatives,
  falsePositives,
  fBetaScore,
  pearsonCorrelation,
  perplexity,
  precision,
  precisionAtRecall,
  r2Score,
  recall,
  recallAtPrecision,
  sensitivityAtSpecificity,
  sparseTopKCategoricalAccuracy,
  specificityAtSensitivity,
  topKCategoricalAccuracy,
  trueNegatives,
  truePositives,
} from './train/metrics-more.ts'
export {
  entityF1,
  labelErrorRate,
  type SequenceMetricOptions,
} from './train/metrics-sequences.ts'
export { muon } from './train/muon.ts'
export type { NumericsReport, NumericsStatistics } from './train/numerics.ts'
export type { Optimizer, OptimizerOptions } from './train/optimizer.ts'
export { adam, adamW, rmsprop, sgd } from './train/optimizers.ts'
export { adafactor, ftrl, lamb } from './train/optimizers-rare.ts'
export type { History } from './train/plan.ts'
export { type ProgressOptions, progress } from './train/progress.ts'
export * from './train/rate-callbacks.ts'
export {
  cosineDecay,
  cosineDecayRestarts,
  exponentialDecay,
  inverseTimeDecay,
  oneCycle,
  piecewiseConstantDecay,
  polynomialDecay,
  type Schedule,
  stepDecay,
  warmup,
} from './train/schedules.ts'
export type { CtcOptions } from './train/sequence-losses.ts'
export {
  type TuneEvaluation,
  type TuneOptions,
  type TuneRange,
  type TuneResult,
  type TuneSpace,
  type TuneTrial,
  type TuneValues,
  tune,
} from './train/tune.ts'

// Last, so that the kernels come early in a bundle, in front of text that packs otherwise: gzip saves 1.2 kB.

export type { ForeignOptions } from './formats/foreign.ts'
export { loadModel, loadWeights } from './formats/load.ts'
export type { ArchitectureStep } from './formats/torch/read.ts'
