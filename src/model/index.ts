export type { Cost } from './explain/cost.ts'
export {
  type ExplainOptions,
  type Explanation,
  explain,
  type LayerExplanation,
  type Part,
  type StepExplanation,
  type Work,
} from './explain/explain.ts'
export { formatExplanation } from './explain/format.ts'
export type { SlowPath } from './explain/slow.ts'
export { encodeModel } from './file.ts'
export { type FunctionalOptions, model } from './functional.ts'
export { type GradientFlow, gradientFlow, type LayerFlow } from './gradient-flow.ts'
export { decodeModel, type LoadedFile, type LoadOptions, loadFile } from './load.ts'
export type { Model, ModelOptions, SaveOptions } from './model.ts'
export type { ModelData, PerOutput } from './outputs.ts'
export { type PlotOptions, plotModel } from './plot.ts'
export { sequential } from './sequential.ts'
export type { SavedState, StepResult, StreamState } from './step.ts'
export type { SummaryOptions } from './summary.ts'
export { type LayerTrace, type Saturation, type Trace, trace } from './trace.ts'
export type {
  BatchSource,
  CompileOptions,
  EvaluateOptions,
  FitBatchesOptions,
  FitOptions,
  TrainingRecord,
  ValidationData,
} from './training.ts'
export type { LayerWay, Way } from './ways.ts'
