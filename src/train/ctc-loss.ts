/**
 * CTC as a loss. A bundle for the browser holds it only if it uses `ctc` or reads models from files;
 * then its name serves as well, as it does in Node.
 */
import { RefrainError, show } from '../errors.ts'
import { type CtcReduction, ctcNegativeLogLikelihood } from '../tensor/ctc.ts'
import { checkInteger, suggest } from '../util/check.ts'
import {
  addSequenceLoss,
  type CtcOptions,
  type SequenceLoss,
  type SequenceLossConfig,
} from './sequence-losses.ts'

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

const reductions: readonly CtcReduction[] = [
  'sumOverBatchSize',
  'meanWithSampleWeight',
  'mean',
  'sum',
]

/** How a CTC loss is computed. */
export const ctcLoss: SequenceLoss = {
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
  check(loss) {
    const { blank, reduction } = loss
    if (blank !== undefined) checkInteger(`loss '${loss.name}' 'blank'`, blank, 0)
    if (reduction !== undefined && !reductions.includes(reduction)) {
      throw new RefrainError(
        'UNKNOWN_OPTION',
        `loss '${loss.name}': unknown reduction ${show(reduction)}`,
        suggest(String(reduction), reductions),
      )
    }
  },
}
addSequenceLoss('ctc', ctcLoss)

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
