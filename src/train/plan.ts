/** What training is told, what it remembers and what it gives back. */
import type { Column } from '../data/column.ts'
import type { Backend } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import type { ParameterSet } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Callback } from './callbacks.ts'
import type { LossConfig } from './losses.ts'
import type { MetricConfig } from './metric.ts'
import type { Optimizer } from './optimizer.ts'
import type { Source } from './source.ts'
import type { Gradients } from './updater.ts'
import type { WatchingContext } from './watch.ts'
import type { Piece } from './windows.ts'

/** What can be trained: parameters, and predictions from inputs. */
export interface Trainable {
  readonly backend: Backend
  readonly parameters: ParameterSet
  /** What layers keep from batch to batch; absent: nothing. */
  readonly states?: CarriedStates
  /** One tensor for each output. */
  run(ctx: Context, inputs: readonly Tensor[]): Tensor[]
}

/** The states that sequences leave to the next batch. */
export interface CarriedStates {
  /** Whether batches must come in their order. */
  readonly stateful: boolean
  /** Back to zeros; `onlyWindows`: of layers that keep them from window to window only. */
  reset(onlyWindows?: boolean): void
  /** By layer and number. */
  read(): Readonly<Record<string, CarriedState>>
  write(states: Readonly<Record<string, CarriedState>>): void
}

export interface CarriedState {
  readonly shape: readonly number[]
  readonly values: Float32Array | Float64Array
}

/** Rows of inputs, and of targets and weights for each output. */
export interface TrainingData {
  readonly inputs: readonly Column[]
  /** Null for an output without a loss. */
  readonly targets: readonly (Column | null)[]
  /** One a row, or one a step; null: all 1. */
  readonly weights: readonly (Column | null)[]
}

/** How one output is trained and measured. */
export interface OutputPlan {
  /** Stands before its numbers' names where there are several outputs: 'tags_loss'. */
  readonly name: string
  /** Null for an output that is not trained. */
  readonly loss: LossConfig | null
  /** Factor of its loss in the sum; the numbers under its own name are without it. */
  readonly weight: number
  readonly metrics: readonly MetricConfig[]
}

/** What a model is compiled with. */
export interface TrainingPlan {
  readonly optimizer: Optimizer
  readonly outputs: readonly OutputPlan[]
}

/** What `fit` needs once names are resolved. */
export interface FitPlan {
  readonly source: Source
  readonly validation: TrainingData | null
  readonly epochs: number
  /** Of the validation, and of data in memory. */
  readonly batchSize: number
  readonly shuffle: boolean
  /** Sequences are trained on in windows of so many steps, one after the other; null: as a whole. */
  readonly bpttSteps?: number | null
  /** Batches of an epoch, where a generator makes them; null: all. */
  readonly stepsPerEpoch?: number | null
  readonly seed: number
  readonly callbacks: readonly Callback[]
  /** Writes a checkpoint with this state to `path`. */
  save(path: string, state: TrainerState): Promise<void>
  /** Where an earlier run stopped. */
  readonly resume: Resume | null
  /** Looks for the first number that is not finite; null: only loss and gradients are checked. */
  readonly numerics?: NumericsWatch | null
}

/** What a run that goes on from a checkpoint must have in common with the one that wrote it. */
export const settingsOf = (plan: FitPlan) => ({
  seed: plan.seed,
  batchSize: plan.batchSize,
  shuffle: plan.shuffle,
  bpttSteps: plan.bpttSteps ?? null,
  stepsPerEpoch: plan.stepsPerEpoch ?? null,
  rows: plan.source.rows,
})

/** What a step of the optimizer gives. */
export interface StepNumbers {
  readonly loss: number
  /** How much the loss counts in the epoch's mean. */
  readonly weight: number
  /** Whether clipping changed the gradients. */
  readonly clipped: boolean
  /** Of all gradients together, before clipping. */
  readonly norm: number
}

/** Watches over steps; `numerics.ts` has it. */
export interface NumericsWatch {
  /** What steps run in. */
  readonly StepContext: typeof Context
  /** What it runs again in. */
  readonly AgainContext: typeof WatchingContext
  /**
   * Takes a step. If numbers are not finite, it runs once more what the step computes, `again`, while
   * looking on, and throws an error that tells where; weights and states are those before the step.
   */
  run(options: {
    readonly model: Trainable
    readonly piece: Piece
    readonly iteration: number
    step(): StepNumbers
    again(): { ctx: WatchingContext; loss: number; gradients: Gradients }
  }): StepNumbers
}

/** A trainer about to go on from a checkpoint. */
export interface Resumable {
  readonly plan: FitPlan
  /** How many weights there are. */
  readonly weights: number
  /** The optimizer's memory, in the order of its slots. */
  readonly slots: readonly Tensor[]
  readonly states?: CarriedStates
}

/**
 * Where an earlier run stopped: puts everything back but what it returns. Throws, with nothing changed
 * but callbacks, if the run was another.
 */
export type Resume = (trainer: Resumable) => TrainerState['json']

/** Epochs and, for each number, its value after each epoch. */
export interface History {
  readonly epoch: number[]
  readonly history: Record<string, number[]>
  /** Why training ended before the last epoch; '' if it did not. */
  stopped: string
  /** Optimizer steps, and those in which clipping changed a gradient. */
  steps: number
  clippedSteps: number
}

/**
 * Everything that decides how training goes on. Arrays by name, among them `optimizer/` and the name
 * of each of the optimizer's slots; the rest plain JSON.
 */
export interface TrainerState {
  readonly arrays: Record<string, Float32Array | Float64Array>
  readonly json: {
    readonly iteration: number
    readonly learningRate: number | null
    readonly averagingSince: number | null
    readonly epoch: number
    readonly step: number
    readonly seed: number
    readonly batchSize: number
    readonly shuffle: boolean
    readonly bpttSteps: number | null
    /** Missing in files from before there were generators. */
    readonly stepsPerEpoch?: number | null
    /** Of an epoch; null: batches made on the way. */
    readonly rows: number | null
    /** Shapes of the arrays `states/…`. */
    readonly states: Readonly<Record<string, readonly number[]>>
    readonly loss: [number, number]
    /** Sums of the outputs' losses, if several have one. */
    readonly losses: [number, number][]
    /** Of all outputs, one after the other. */
    readonly metrics: number[][]
    readonly history: History
    readonly callbacks: { name: string; json: unknown }[]
  }
}
