/**
 * Losses of whole sequences: of the labels of all steps together, where the others are means over
 * rows of numbers. They take class numbers and, if any, one weight for each sequence.
 */
import { RefrainError } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkOptions } from '../util/check.ts'

export type SequenceLossName = 'crf'

/** A loss of whole sequences and its options, as it stands in files. */
export interface SequenceLossConfig {
  readonly name: SequenceLossName
}

interface SequenceLoss {
  readonly options: readonly string[]
  compute(
    ctx: Context,
    loss: SequenceLossConfig,
    prediction: Tensor,
    labels: Tensor,
    weights: Float32Array | null,
  ): number
}

const losses: Record<SequenceLossName, SequenceLoss> = {
  crf: {
    options: [],
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

export const sequenceLossNames = Object.keys(losses) as SequenceLossName[]

/** Whether the loss is one of whole sequences. */
export function isSequenceLoss(loss: { name: string }): loss is SequenceLossConfig {
  return Object.hasOwn(losses, loss.name)
}

/** Fails on an option that the loss does not have. */
export function checkSequenceLoss(loss: SequenceLossConfig): void {
  checkOptions(`loss '${loss.name}'`, loss, ['name', ...losses[loss.name].options])
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
