/** What can be set about every classifier, whatever its inputs are. */
import type { RunOptions } from '../training.ts'

/** How the LSTM's outputs, one a step, become one vector. */
export type Pooling = 'max' | 'mean' | 'mean+max' | 'last' | 'attention'

/** How the learning rate falls. */
export type Decay = 'none' | 'cosine'

/** Options that classifiers of all kinds of inputs share. */
export interface CommonOptions extends RunOptions {
  /** Most epochs; training stops earlier when validation no longer improves. Default 20; of series 100. */
  epochs?: number
  /**
   * Epochs in which neither the validation accuracy nor the validation loss improves before training
   * stops. Default 3; of series 20, of sounds 8.
   */
  patience?: number
  /** Share of the examples kept for validation. Default 0.1; 0: none, and all epochs run. */
  validation?: number
  /** Default 32; of series 16. */
  batchSize?: number
  /** Adam's. Default 0.001; of series 0.006, of sounds 0.002. */
  learningRate?: number
  /** 'cosine': the learning rate falls to 0 over `epochs`; 'none'. Default 'none'; of series 'cosine'. */
  decay?: Decay
  /** Limit of the gradients' global norm. Default 1. */
  clipNorm?: number
  /** Units of the LSTM in each direction. Default 64. */
  units?: number
  /** Bidirectional LSTMs, one upon the other. Default 1. */
  layers?: number
  /**
   * What the label is read from: of each unit the largest output ('max'), the mean ('mean'), both, side
   * by side ('mean+max'), the last of either direction ('last'), or a mean weighted by additive attention
   * ('attention'; Bahdanau et al. 2015), which the mean of all outputs asks. Default 'max'; of texts
   * 'mean+max', of series 'mean'.
   */
  pooling?: Pooling
  /**
   * Dropout before each LSTM, of series not before the first, and before the last layer. Default 0.5; of
   * series, sounds and clips 0.3.
   */
  dropout?: number
  /**
   * Weigh labels so that rare ones count as much as frequent ones; not for several labels. Default
   * 'auto': if the most frequent has 20 times as many examples as the rarest, or more.
   */
  balance?: boolean | 'auto'
  /**
   * Fit the probabilities' temperature to the validation part, so that of the answers given with 80 %
   * about 80 % are right (Guo et al. 2017). Does not change which label is likeliest. Default true.
   */
  calibrate?: boolean
  /**
   * From which probability on an example has a label, where it may have several: a number for all, or
   * 'validation' for that of each label with the best F1 on the validation part. Default 0.5.
   */
  threshold?: number | 'validation'
  /** Of the split, the weights, dropout and shuffling. Default 0. */
  seed?: number
}

/** The defaults of all kinds; a kind may have others. */
export const commonDefaults = {
  epochs: 20,
  patience: 3,
  validation: 0.1,
  batchSize: 32,
  learningRate: 1e-3,
  decay: 'none' as Decay,
  clipNorm: 1,
  units: 64,
  layers: 1,
  pooling: 'max' as Pooling,
  dropout: 0.5,
  balance: 'auto' as boolean | 'auto',
  calibrate: true,
  threshold: 0.5 as number | 'validation',
  seed: 0,
}

/** What is set for one training. */
export type CommonSettings = typeof commonDefaults
