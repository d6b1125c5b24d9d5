/**
 * Losses of whole sequences: of the labels of all steps together, where the others are means over
 * rows of numbers. They take class numbers and, if any, one weight for each sequence.
 */
import { RefrainError } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { CtcReduction } from '../tensor/ctc.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkOptions } from '../util/check.ts'

export type SequenceLossName = 'crf' | 'ctc'

/** Options of {@link ctc}. */
export interface CtcOptions {
  /** The class number that stands for no label. Default 0, as in Keras and PyTorch. */
  readonly blank?: number
  /** Leave sequences out whose labels need more steps than there are; by default they fail. */
  readonly zeroInfinity?: boolean
  /**
   * 'sumOverBatchSize', Keras's and the default: the mean over sequences. 'meanWithSampleWeight': the
   * weighted mean. 'mean': PyTorch's, which divides each loss by its number of labels first. 'sum'.
   */
  readonly reduction?: CtcReduction
}

/** A loss of whole sequences and its options, as it stands in files. */
export interface SequenceLossConfig extends CtcOptions {
  readonly name: SequenceLossName
}

/** How a loss of whole sequences is computed. */
export interface SequenceLoss {
  readonly options: readonly string[]
  /** Whether labels are as many as the steps. */
  readonly stepwise: boolean
  compute(
    ctx: Context,
    loss: SequenceLossConfig,
    prediction: Tensor,
    labels: Tensor,
    weights: Float32Array | null,
  ): number
  /** Fails on an option's value that will not do. */
  check?(loss: SequenceLossConfig): void
}

/** Those that every model knows by name, and those that have been added. */
const losses: Record<string, SequenceLoss> = {
  crf: {
    options: [],
    stepwise: true,
    compute(ctx, _loss, prediction, labels, weights) {
      if (prediction.labelLoss) return prediction.labelLoss(ctx, labels, weights)
      throw new RefrainError(
        'BAD_ARGUMENT',
        "loss 'crf': the model does not end with a CRF",
        'make crf() its last layer',
      )
    },
  },
}

/** Makes a loss known by its name. */
export function addSequenceLoss(name: SequenceLossName, loss: SequenceLoss): void {
  losses[name] = loss
}

/** All names known. */
export const sequenceLossNames = (): string[] => Object.keys(losses)

/** Whether the loss is one of whole sequences. */
export function isSequenceLoss(loss: { name: string }): loss is SequenceLossConfig {
  return Object.hasOwn(losses, loss.name)
}

/** Whether a target has the lengths of the inputs; labels of a CTC have lengths of their own. */
export function isStepwise(loss: { name: string }): boolean {
  return !isSequenceLoss(loss) || losses[loss.name].stepwise
}

/** Fails on an option that the loss does not have. */
export function checkSequenceLoss(loss: SequenceLossConfig): void {
  checkOptions(`loss '${loss.name}'`, loss, ['name', ...losses[loss.name].options])
  losses[loss.name].check?.(loss)
}

/** The loss of a batch; where `ctx` records, it sends its gradient back. */
export function computeSequenceLoss(
  ctx: Context,
  loss: SequenceLossConfig,
  prediction: Tensor,
  labels: Tensor,
  weights: Float32Array | null,
): number {
  return losses[loss.name].compute(ctx, loss, prediction, labels, weights)
}
