/**
 * Losses of whole sequences: of the labels of all steps together, where the others are means over
 * rows of numbers. They take class numbers and, if any, one weight for each sequence.
 */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { type CtcReduction, ctcNegativeLogLikelihood } from '../tensor/ctc.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger, checkOptions, suggest } from '../util/check.ts'

export type SequenceLossName = 'crf' | 'ctc'

/** Options of {@link ctc}. */
export interface CtcOptions {
  /** The class number that stands for no label. Default 0, as in Keras and PyTorch. */
  readonly blank?: number
  /** Leave sequences out whose labels need more steps than there are; by default they fail. */
  readonly zeroInfinity?: boolean
  /**
   * 'sumOverBatchSize', Keras's and the default: the mean over sequences. 'mean': PyTorch's, which
   * divides each loss by its number of labels first. 'sum'.
   */
  readonly reduction?: CtcReduction
}

/** A loss of whole sequences and its options, as it stands in files. */
export interface SequenceLossConfig extends CtcOptions {
  readonly name: SequenceLossName
}

/**
 * Connectionist temporal classification (Graves et al. 2006), for labels in order but without times:
 * speech, handwriting. The model's output is [B,T,K], logits or their softmax, with a class for the
 * blank; targets are rows of labels, shorter than the steps: arrays of unequal length, or padded with
 * blanks or -1. `ctcGreedyDecode` and `ctcBeamDecode` read labels from outputs.
 *
 *     model.compile({ optimizer: adam(), loss: ctc({ blank: 28 }) })
 *     await model.fit(frames, [[3, 1, 20], [4, 15, 7, 19]])
 *
 * A weight, if any, is one for each sequence.
 */
export const ctc = (options: CtcOptions = {}): SequenceLossConfig => ({ name: 'ctc', ...options })

const reductions: readonly CtcReduction[] = ['sumOverBatchSize', 'mean', 'sum']

interface SequenceLoss {
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
}

const losses: Record<SequenceLossName, SequenceLoss> = {
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
  ctc: {
    options: ['blank', 'zeroInfinity', 'reduction'],
    stepwise: false,
    compute(ctx, loss, prediction, labels, weights) {
      const { blank = 0, zeroInfinity = false, reduction = 'sumOverBatchSize' } = loss
      const { shape, logits } = prediction
      if (shape.length !== 3 || prediction.dtype !== 'float') {
        throw new RefrainError(
          'BAD_SHAPE',
          `loss 'ctc': expected an output [batch, time, classes], got shape ${show([...shape])}`,
          'the last recurrent layer has returnSequences: true',
        )
      }
      const source = logits?.activation === 'softmax' ? logits.tensor : prediction
      if (source !== prediction) source.mask ??= prediction.mask
      const each = weights && weightsOfRows(weights, shape[0], shape[1])
      return ctcNegativeLogLikelihood(ctx, source, labels, each, { blank, zeroInfinity, reduction })
    },
  },
}

export const sequenceLossNames = Object.keys(losses) as SequenceLossName[]

/** Whether the loss is one of whole sequences. */
export function isSequenceLoss(loss: { name: string }): loss is SequenceLossConfig {
  return Object.hasOwn(losses, loss.name)
}

/** Whether a target has the lengths of the inputs; labels of a CTC have lengths of their own. */
export function isStepwise(loss: { name: string }): boolean {
  return !isSequenceLoss(loss) || losses[loss.name].stepwise
}

/** The weights of rows, which were given once for each step. */
function weightsOfRows(weights: Float32Array, rows: number, steps: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => {
    const own = weights.subarray(row * steps, (row + 1) * steps)
    if (own.every((weight) => weight === own[0])) return own[0]
    throw new RefrainError(
      'BAD_SHAPE',
      "'sampleWeight': a loss of whole sequences takes one weight for each row",
    )
  })
}

/** Fails on an option that the loss does not have. */
export function checkSequenceLoss(loss: SequenceLossConfig): void {
  checkOptions(`loss '${loss.name}'`, loss, ['name', ...losses[loss.name].options])
  const { blank, reduction } = loss
  if (blank !== undefined) checkInteger(`loss '${loss.name}' 'blank'`, blank, 0)
  if (reduction !== undefined && !reductions.includes(reduction)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `loss '${loss.name}': unknown reduction ${show(reduction)}`,
      suggest(String(reduction), reductions),
    )
  }
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
