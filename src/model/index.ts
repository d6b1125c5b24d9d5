export { explain, type LayerExplanation } from './explain.ts'
export { encodeModel } from './file.ts'
export { type FunctionalOptions, model } from './functional.ts'
export { decodeModel, type LoadedFile, loadFile, loadModel } from './load.ts'
export type {
  CompileOptions,
  FitOptions,
  Model,
  ModelOptions,
  SaveOptions,
  TrainingRecord,
  ValidationData,
} from './model.ts'
export { sequential } from './sequential.ts'
export type { SavedState, StepResult, StreamState } from './step.ts'
