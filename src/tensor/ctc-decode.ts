/** Labels from the outputs of a model trained by CTC. Rows of ordinary numbers, in float64. */
import { RefrainError } from '../errors.ts'
import { checkInteger, checkOptions } from '../util/check.ts'
import { logSumExp } from '../util/log-sum-exp.ts'
import { type Scores, scoreRows } from './score-rows.ts'

/** Options of {@link ctcGreedyDecode}. */
export interface CtcDecodeOptions {
  /** The class number that stands for no label. Default 0. */
  blank?: number
  /**
   * Whether scores are logits, of which the softmax is taken; logarithms of probabilities are, too.
   * Default true, as for the loss; false for the output of a softmax.
   */
  fromLogits?: boolean
  /** Steps that count in each row; default all. */
  lengths?: readonly number[]
}

/** Options of {@link ctcBeamDecode}. */
export interface CtcBeamDecodeOptions extends CtcDecodeOptions {
  /** Prefixes kept after each step. Default 25. */
  beamWidth?: number
  /** Results for each row. Default 1. */
  topPaths?: number
  /**
   * A language model: what to add to the logarithm of the probability when `label` goes on from
   * `prefix`, such as α·log P(label | prefix) + β.
   */
  extend?: (prefix: readonly number[], label: number) => number
}

/** Decoded labels and the logarithm of their probability. */
export interface CtcPath {
  readonly labels: number[]
  readonly score: number
}

const decodeOptions = ['blank', 'fromLogits', 'lengths']

/**
 * The labels of the likeliest class at each step, repeats merged and blanks left out; `score` is the
 * probability of that one alignment. One result for each row of scores [B,T,K].
 */
export function ctcGreedyDecode(scores: Scores, options: CtcDecodeOptions = {}): CtcPath[] {
  checkOptions('ctcGreedyDecode', options, decodeOptions)
  const { rows, blank } = readRows('ctcGreedyDecode', scores, options)
  return rows.map((steps) => {
    const labels: number[] = []
    let score = 0
    let before = blank
    for (const step of steps) {
      let best = 0
      step.forEach((value, label) => {
        if (value > step[best]) best = label
      })
      score += step[best]
      if (best !== blank && best !== before) labels.push(best)
      before = best
    }
    return { labels, score }
  })
}

/** A prefix of labels: log-probabilities of alignments that end with a blank, and with its label. */
interface Prefix {
  readonly label: number
  readonly before: Prefix | null
  readonly next: Map<number, Prefix>
  blank: number
  ended: number
  newBlank: number
  newEnded: number
}

const newPrefix = (label: number, before: Prefix | null): Prefix => ({
  label,
  before,
  next: new Map(),
  blank: -Infinity,
  ended: -Infinity,
  newBlank: -Infinity,
  newEnded: -Infinity,
})

const logAdd = (a: number, b: number) => logSumExp(2, (i) => (i === 0 ? a : b))
const total = ({ blank, ended }: Prefix) => logAdd(blank, ended)

/**
 * Prefix beam search (Hannun et al. 2014): the likeliest labels, summed over all their alignments as
 * far as the beam holds them, `topPaths` for each row of scores [B,T,K], best first.
 */
export function ctcBeamDecode(scores: Scores, options: CtcBeamDecodeOptions = {}): CtcPath[][] {
  checkOptions('ctcBeamDecode', options, [...decodeOptions, 'beamWidth', 'topPaths', 'extend'])
  const { rows, blank } = readRows('ctcBeamDecode', scores, options)
  const { extend = () => 0 } = options
  const beamWidth = checkInteger("ctcBeamDecode 'beamWidth'", options.beamWidth ?? 25)
  const topPaths = checkInteger("ctcBeamDecode 'topPaths'", options.topPaths ?? 1)
  return rows.map((steps) => {
    const root = newPrefix(-1, null)
    root.blank = 0
    let beam = [root]
    for (const step of steps) {
      const touched = new Set<Prefix>()
      for (const prefix of beam) {
        touched.add(prefix)
        prefix.newBlank = logAdd(prefix.newBlank, total(prefix) + step[blank])
        if (prefix.before) {
          prefix.newEnded = logAdd(prefix.newEnded, prefix.ended + step[prefix.label])
        }
        const labels = labelsOf(prefix)
        step.forEach((value, label) => {
          if (label === blank) return
          const longer = prefix.next.get(label) ?? newPrefix(label, prefix)
          prefix.next.set(label, longer)
          touched.add(longer)
          // A repeat is a label of its own only behind a blank.
          const reach = label === prefix.label ? prefix.blank : total(prefix)
          longer.newEnded = logAdd(longer.newEnded, reach + value + extend(labels, label))
        })
      }
      for (const prefix of touched) {
        prefix.blank = prefix.newBlank
        prefix.ended = prefix.newEnded
        prefix.newBlank = -Infinity
        prefix.newEnded = -Infinity
      }
      const ranked = [...touched].sort((a, b) => total(b) - total(a))
      beam = ranked.slice(0, beamWidth)
      // What falls out of the beam starts anew if it comes back.
      for (const { before, label, next } of ranked.slice(beamWidth)) {
        if (next.size === 0) before?.next.delete(label)
      }
    }
    return beam
      .slice(0, topPaths)
      .map((prefix) => ({ labels: labelsOf(prefix), score: total(prefix) }))
  })
}

function labelsOf(prefix: Prefix): number[] {
  const labels: number[] = []
  for (let at = prefix; at.before; at = at.before) labels.push(at.label)
  return labels.reverse()
}

/** Log-probabilities of each step of each row, and the blank. */
function readRows(where: string, scores: Scores, options: CtcDecodeOptions) {
  const { fromLogits = true, lengths } = options
  const { rows, classes } = scoreRows(where, scores, null, lengths)
  const blank = checkInteger(`${where} 'blank'`, options.blank ?? 0, 0)
  if (classes > 0 && blank >= classes) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where} 'blank': ${blank} is none of the ${classes} classes`,
    )
  }
  const steps = rows.map((row) =>
    Array.from({ length: row.length / (classes || 1) }, (_, t) => {
      const step = row.subarray(t * classes, (t + 1) * classes)
      if (!fromLogits) return step.map((probability) => Math.log(probability))
      const norm = logSumExp(classes, (c) => step[c])
      return step.map((logit) => logit - norm)
    }),
  )
  return { rows: steps, blank }
}
