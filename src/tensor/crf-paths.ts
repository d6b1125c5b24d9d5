/** A CRF's paths and marginals of single rows, in float64 and outside of any model. */
import { crfKernels } from '../kernels/reference/crf.ts'
import { logSumExp } from '../util/log-sum-exp.ts'
import { type Tensor, tensorOver } from './tensor.ts'

/** The scores of a chain; -Infinity for what is illegal. */
export interface PlainScores {
  readonly labels: number
  /** [K,K], from row to column. */
  readonly transitions: Float64Array
  readonly start: Float64Array
  readonly end: Float64Array
}

/** A path through a CRF. */
export interface CrfPath {
  /** A label for each step. */
  readonly path: number[]
  /** start + emissions + transitions + end */
  readonly score: number
  /** Of this path, among all legal ones. */
  readonly probability: number
}

/** A path to a label: its score, and which of the paths to which label it goes on from. */
interface PartialPath {
  readonly score: number
  readonly label: number
  readonly before: PartialPath | null
}

const byScore = (a: PartialPath, b: PartialPath) => b.score - a.score

/** The `count` best legal paths of a row [T,K], best first; of equal ones the smaller last label. */
export function crfKBest(row: Float64Array, scores: PlainScores, count: number): CrfPath[] {
  const { labels: k, transitions, start, end } = scores
  const steps = row.length / k
  if (steps === 0) return [{ path: [], score: 0, probability: 1 }]
  const legal = ({ score }: PartialPath) => score > -Infinity
  const all = Array.from({ length: k }, (_, label) => label)
  // The best paths to each label, and the probability of each label as in the forward algorithm.
  let best: PartialPath[][] = all.map((label) =>
    [{ score: start[label] + row[label], label, before: null }].filter(legal),
  )
  let alpha = all.map((label) => start[label] + row[label])
  for (let t = 1; t < steps; t++) {
    const before = best
    const alphaBefore = alpha
    best = all.map((label) => {
      const reached = before.flatMap((paths, from) =>
        paths.map((path) => ({
          score: path.score + transitions[from * k + label] + row[t * k + label],
          label,
          before: path,
        })),
      )
      return reached.filter(legal).sort(byScore).slice(0, count)
    })
    alpha = all.map(
      (label) =>
        row[t * k + label] +
        logSumExp(k, (from) => alphaBefore[from] + transitions[from * k + label]),
    )
  }
  const logZ = logSumExp(k, (label) => alpha[label] + end[label])
  return best
    .flatMap((paths) => paths.map((path) => ({ ...path, score: path.score + end[path.label] })))
    .filter(legal)
    .sort(byScore)
    .slice(0, count)
    .map((path) => ({
      path: labelsOf(path),
      score: path.score,
      probability: Math.exp(path.score - logZ),
    }))
}

function labelsOf(path: PartialPath): number[] {
  const labels: number[] = []
  for (let at: PartialPath | null = path; at; at = at.before) labels.push(at.label)
  return labels.reverse()
}

/** P(label at step), [B,T,K], 0 beyond a row's end. */
export function crfMarginals(rows: readonly Float64Array[], scores: PlainScores): Tensor {
  const { labels: k, transitions, start, end } = scores
  const steps = rows.reduce((most, row) => Math.max(most, row.length / k), 0)
  const out = new Float64Array(rows.length * steps * k)
  const finite = (values: Float64Array) => values.map((value) => Math.max(value, -1e30))
  const chain = [transitions, start, end].map(finite)
  rows.forEach((row, r) => {
    const length = row.length / k
    // The loss's gradient is the marginals less one for each given label: here label 0.
    const gradient = new Float64Array(row.length)
    const labels = new Int32Array(length)
    const one = Float64Array.of(1)
    const pairs = new Float64Array(k * k)
    const [arcs, first, last] = chain
    const loss = new Float64Array(1)
    const none = new Float64Array(0)
    crfKernels.crfLoss(
      row,
      labels,
      arcs,
      first,
      last,
      null,
      null,
      one,
      loss,
      gradient,
      pairs,
      none,
      1,
      length,
      k,
    )
    for (let t = 0; t < length; t++) gradient[t * k] += 1
    out.set(gradient, r * steps * k)
  })
  return tensorOver(out, [rows.length, steps, k])
}
