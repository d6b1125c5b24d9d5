/** Options and defaults of training, and how sequences are fitted. */

import { dropout as dropoutLayer } from '../../layers/dropout.ts'
import type { Layer } from '../../layers/layer.ts'
import { lstm } from '../../layers/lstm.ts'
import type { Model } from '../../model/model.ts'
import type { ModelData } from '../../model/outputs.ts'
import { type Callback, earlyStopping } from '../../train/callbacks.ts'
import { adam } from '../../train/optimizers.ts'
import type { History } from '../../train/plan.ts'
import { cosineDecay } from '../../train/schedules.ts'
import type { RunOptions } from '../training.ts'

/** What all kinds of models for `generate` are trained with. */
export interface GenerateOptions extends RunOptions {
  /** Most epochs; training stops earlier when validation no longer improves. Default 20. */
  epochs?: number
  /** Epochs without a better validation before training stops. Default 3. */
  patience?: number
  /**
   * Share kept for validation: the end of a stream, or some of the documents or pieces. Default 0.1; 0:
   * none, and all epochs run.
   */
  validation?: number
  /** Sequences side by side. Default 32; of piano rolls 16. */
  batchSize?: number
  /**
   * Adam's at the start; it falls to a hundredth of that over the epochs, as a cosine. Default 0.002; of
   * piano rolls 0.008.
   */
  learningRate?: number
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Units of each LSTM. Default 256. */
  units?: number
  /** LSTMs above each other. Default 2; of piano rolls 1. */
  layers?: number
  /** Dropout after each LSTM, and of word vectors. Default 0.2; of piano rolls 0.5. */
  dropout?: number
  /** Steps through which gradients go back; the states go on from window to window. Default 128. */
  bpttSteps?: number
  /** Of the split, the weights, dropout and shuffling. Default 0. */
  seed?: number
}

/** The defaults that all kinds share; null: it depends on the kind. */
export const sharedDefaults = {
  epochs: 20,
  patience: 3,
  validation: 0.1,
  batchSize: null as number | null,
  learningRate: null as number | null,
  clipNorm: 1,
  units: null as number | null,
  layers: null as number | null,
  dropout: null as number | null,
  bpttSteps: 128,
  seed: 0,
}

/** The shared settings, with a number for each. */
export type Shared = Record<keyof typeof sharedDefaults, number>

/** What models of text and of tunes have where nothing else is said. */
export const languageSize = {
  units: 256,
  layers: 2,
  dropout: 0.2,
  batchSize: 32,
  learningRate: 2e-3,
}

/** What models of piano rolls have: what JSB's and Nottingham's validation parts chose. */
export const rollSize = { units: 256, layers: 1, dropout: 0.5, batchSize: 16, learningRate: 8e-3 }

/** The settings with what the kind has where they leave it open. */
export function sized<T extends typeof sharedDefaults>(
  settings: T,
  size: typeof languageSize,
): Omit<T, keyof typeof languageSize> & typeof languageSize {
  const { units, layers, dropout, batchSize, learningRate } = settings
  return {
    ...settings,
    units: units ?? size.units,
    layers: layers ?? size.layers,
    dropout: dropout ?? size.dropout,
    batchSize: batchSize ?? size.batchSize,
    learningRate: learningRate ?? size.learningRate,
  }
}

/** LSTMs above each other, with dropout behind each; the last with `width` units. */
export function stacked({ layers, units, dropout }: Shared, width = units): Layer[] {
  return Array.from({ length: layers }, (_, i) => [
    lstm({ units: i === layers - 1 ? width : units, returnSequences: true }),
    ...(dropout > 0 ? [dropoutLayer({ rate: dropout })] : []),
  ]).flat()
}

/** Adam with a rate that falls to a hundredth over all steps. */
export function optimizerFor({ learningRate, clipNorm, epochs }: Shared, stepsPerEpoch: number) {
  const schedule = cosineDecay({
    initialLearningRate: learningRate,
    decaySteps: Math.max(1, epochs * stepsPerEpoch),
    alpha: 0.01,
  })
  return adam({ learningRate: schedule, globalClipNorm: clipNorm })
}

/** Fits; stops by `monitor` and keeps the best epoch's weights, if there is validation data. */
export async function fitSequences(
  model: Model,
  [x, y]: readonly [ModelData, ModelData],
  validation: readonly [ModelData, ModelData] | null,
  settings: Shared,
  options: RunOptions & { monitor: string },
): Promise<History> {
  const { epochs, batchSize, bpttSteps, seed, patience } = settings
  const stop = earlyStopping({
    monitor: options.monitor,
    mode: 'min',
    patience,
    restoreBestWeights: true,
  })
  const callbacks: Callback[] = [...(validation ? [stop] : []), ...(options.callbacks ?? [])]
  return model.fit(x, y, {
    epochs,
    batchSize,
    bpttSteps,
    seed,
    validationData: validation ?? undefined,
    callbacks,
    resume: options.resume,
  })
}

/** Windows that rows of these lengths have in an epoch, as near as it can be told before shuffling. */
export function stepsOf(lengths: readonly number[], { batchSize, bpttSteps }: Shared): number {
  const sorted = [...lengths].sort((a, b) => b - a)
  let steps = 0
  for (let row = 0; row < sorted.length; row += batchSize) {
    steps += Math.ceil(Math.max(1, sorted[row]) / bpttSteps)
  }
  return steps
}
