import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import {
  type CrfScores,
  checkPathLabels,
  crfNegativeLogLikelihood,
  crfPath,
} from '../tensor/crf.ts'
import { type CrfPath, crfKBest, crfMarginals, type PlainScores } from '../tensor/crf-paths.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { add } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { type Scores, scoreRows } from '../tensor/score-rows.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { checkInteger, checkOptions } from '../util/check.ts'
import type { CrfConstraints } from './crf-constraints.ts'
import {
  checkRank,
  featuresOf,
  type LayerOptions,
  layerOptions,
  plainOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'

/** Options of {@link crf}. */
export interface CrfOptions extends LayerOptions {
  /** Which labels may follow which, such as `bioConstraints(labels)`: no path breaks them. */
  constraints?: CrfConstraints
  /** Leave illegal paths out of the probabilities in training, too. Default false. */
  constrainTraining?: boolean
  /** Default 'glorotUniform'. */
  transitionsInitializer?: InitializerLike
  /** Of the scores of first and last labels; default 'zeros'. */
  boundaryInitializer?: InitializerLike
}

/** What an illegal step scores: no sum of scores makes up for it, and sums of it stay finite. */
const forbidden = -1e30

/** The layer behind `crf`. */
class Crf extends SimpleLayer {
  readonly kind = 'crf'
  readonly constraints: CrfConstraints | null
  readonly constrainTraining: boolean
  readonly transitionsInitializer: Initializer
  readonly boundaryInitializer: Initializer
  #transitions!: Parameter
  #start!: Parameter
  #end!: Parameter

  constructor(options: CrfOptions) {
    super(options)
    this.constraints = options.constraints ?? null
    if (this.constraints) checkConstraints(this.constraints)
    this.constrainTraining = options.constrainTraining ?? false
    if (this.constrainTraining && !this.constraints) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        "crf 'constrainTraining': there are no constraints",
        'for example constraints: bioConstraints(labels)',
      )
    }
    this.transitionsInitializer = resolveInitializer(
      "crf 'transitionsInitializer'",
      options.transitionsInitializer ?? 'glorotUniform',
    )
    this.boundaryInitializer = resolveInitializer(
      "crf 'boundaryInitializer'",
      options.boundaryInitializer ?? 'zeros',
    )
  }

  override get outputType(): DType {
    return 'int32'
  }

  options() {
    return {
      ...(this.constraints && { constraints: this.constraints }),
      constrainTraining: this.constrainTraining,
      transitionsInitializer: initializerConfig(this.transitionsInitializer),
      boundaryInitializer: initializerConfig(this.boundaryInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    checkRank(this, input, 3, '[batch, time, labels]')
    const labels = featuresOf(this, input)
    const constrained = this.constraints?.start.length ?? labels
    if (constrained !== labels) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: the constraints are for ${constrained} labels, ` +
          `the input has scores of ${labels}`,
      )
    }
    return input.slice(0, 2)
  }

  protected override declare([input]: readonly Shape[]) {
    const labels = featuresOf(this, input)
    this.#transitions = this.addWeight('transitions', [labels, labels], this.transitionsInitializer)
    this.#start = this.addWeight('start', [labels], this.boundaryInitializer)
    this.#end = this.addWeight('end', [labels], this.boundaryInitializer)
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const free: CrfScores = {
      transitions: this.#transitions.value,
      start: this.#start.value,
      end: this.#end.value,
    }
    const legal = this.constraints ? constrain(ctx, free, this.constraints) : free
    const path = crfPath(ctx, x, legal)
    path.labelLoss = (ctx, labels, weights) => {
      checkPathLabels(x, labels)
      if (this.constrainTraining) this.#checkLegal(labels, x)
      const scores = this.constrainTraining ? legal : free
      return crfNegativeLogLikelihood(ctx, x, scores, labels, weights)
    }
    return path
  }

  /**
   * The `k` best paths through emissions [B,T,K], for each row best first, fewer where there are no
   * more (legal) ones: `path`, its `score`, and its `probability` among all (legal) paths.
   *
   * @param emissions what goes into the layer: a Tensor or nested arrays, which may be ragged
   * @param options `lengths`: steps that count in each row; default all
   */
  kBest(emissions: Scores, k: number, options: { lengths?: readonly number[] } = {}): CrfPath[][] {
    const count = checkInteger("crf.kBest 'k'", k)
    return this.#rows('kBest', emissions, options).map((row) => crfKBest(row, this.#plain, count))
  }

  /**
   * The probability of each label at each step, over all (legal) paths: [B,T,K] float64, 0 at steps
   * beyond a row's length. Arguments as for `kBest`.
   */
  marginals(emissions: Scores, options: { lengths?: readonly number[] } = {}): Tensor {
    const rows = this.#rows('marginals', emissions, options)
    return crfMarginals(rows, this.#plain)
  }

  #rows(method: string, emissions: Scores, options: { lengths?: readonly number[] }) {
    checkOptions(`crf.${method}`, options, ['lengths'])
    if (!this.built) {
      throw new RefrainError('NOT_BUILT', `crf.${method}: the layer has no weights yet`)
    }
    return scoreRows(`crf.${method}`, emissions, this.#start.size, options.lengths).rows
  }

  /** The scores in float64, illegal steps included. */
  get #plain(): PlainScores {
    const labels = this.#start.size
    const [transitions, start, end] = [this.#transitions, this.#start, this.#end].map(({ value }) =>
      Float64Array.from(value.values),
    )
    const { constraints } = this
    if (constraints) {
      const forbid = (scores: Float64Array, flags: readonly boolean[]) =>
        flags.forEach((legal, i) => {
          if (!legal) scores[i] = -Infinity
        })
      forbid(transitions, constraints.transitions.flat())
      forbid(start, constraints.start)
      forbid(end, constraints.end)
    }
    return { labels, transitions, start, end }
  }

  /** Illegal labels have no likelihood to be trained by. */
  #checkLegal(labels: Tensor, { shape, mask }: Tensor): void {
    const { transitions, start, end } = this.constraints!
    const [b, t] = shape
    const fail = (what: string): never => {
      throw new RefrainError(
        'BAD_DATA',
        `'y': ${what}, which the constraints of '${this.name || this.kind}' do not allow`,
        'correct the labels, or leave constrainTraining out',
      )
    }
    for (let row = 0; row < b; row++) {
      let before = -1
      for (let time = 0; time < t; time++) {
        if (mask?.lengths && mask.valid.ints[row * t + time] === 0) continue
        const label = labels.ints[row * t + time]
        if (before < 0 && start[label] === false) fail(`class ${label} comes first`)
        if (before >= 0 && transitions[before][label] === false) {
          fail(`class ${label} follows class ${before}`)
        }
        before = label
      }
      if (before >= 0 && end[before] === false) fail(`class ${before} comes last`)
    }
  }
}

/** The scores with what is forbidden. */
function constrain(ctx: Context, scores: CrfScores, constraints: CrfConstraints): CrfScores {
  const penalized = (given: Tensor, flags: readonly boolean[]) => {
    const penalty = ctx.empty(given.shape)
    penalty.values.set(flags.map((legal) => (legal ? 0 : forbidden)))
    return add(ctx, given, penalty)
  }
  return {
    transitions: penalized(scores.transitions, constraints.transitions.flat()),
    start: penalized(scores.start, constraints.start),
    end: penalized(scores.end, constraints.end),
  }
}

function checkConstraints(given: CrfConstraints): void {
  const { transitions, start, end } = given
  const isRow = (row: unknown) =>
    Array.isArray(row) &&
    row.length === start?.length &&
    row.every((flag) => typeof flag === 'boolean')
  const isMatrix = Array.isArray(transitions) && transitions.length === start?.length
  if (isMatrix && transitions.every(isRow) && isRow(start) && isRow(end)) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `crf 'constraints': expected booleans { transitions [K,K], start [K], end [K] }, got ${show(given)}`,
    'for example bioConstraints(labels)',
  )
}

/**
 * A linear-chain conditional random field over scores of K labels: [B,T,K] → the best path [B,T],
 * int32, found by Viterbi's algorithm; 0 at masked steps. To be a model's last layer, compiled with
 * `loss: 'crf'`, the negative log-likelihood of the labels [B,T] (Lafferty et al. 2001):
 *
 *     const tagger = sequential([
 *       embedding({ inputDim: 10_000, outputDim: 64, maskZero: true }),
 *       bidirectional(lstm({ units: 64, returnSequences: true })),
 *       dense({ units: labels.length }),
 *       crf({ constraints: bioConstraints(labels) }),
 *     ])
 *     tagger.compile({ optimizer: adam(), loss: 'crf', metrics: ['accuracy'] })
 *
 * Masked steps are as if they were not there: a path goes from the step before to the step after.
 * The loss is the mean over sequences; weights, if any, are one for each sequence. Constraints
 * decide which paths can be found; with `constrainTraining` also which ones count in the loss.
 * Weights: transitions [K,K], from row to column, start [K], end [K].
 */
export function crf(options: CrfOptions = {}): Crf {
  return new Crf(
    layerOptions(
      'crf',
      options,
      ['constraints', 'constrainTraining', 'transitionsInitializer', 'boundaryInitializer'],
      plainOptions,
    ),
  )
}

export type { Crf }
