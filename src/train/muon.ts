/** Muon: matrices move in orthogonal steps. */
import { RefrainError, show } from '../errors.ts'
import type { Floats, Kernels } from '../kernels/kernels.ts'
import type { Parameter } from '../tensor/parameter.ts'
import { checkInteger, checkNumber } from '../util/check.ts'
import {
  check,
  checkDecay,
  checkPatterns,
  complete,
  decayOf,
  type Optimizer,
  type OptimizerOptions,
  type Update,
} from './optimizer.ts'

const numbers = {
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamWeightDecay: 0.004,
  epsilon: 1e-7,
  muonA: 3.4445,
  muonB: -4.775,
  muonC: 2.0315,
  adamLrRatio: 1,
  momentum: 0.95,
  nsSteps: 5,
}

interface MuonOptions extends OptimizerOptions, Partial<typeof numbers> {
  /** Parameters in whose path, such as 'dense/kernel', one of these occurs move by AdamW. Default none. */
  excludeLayers?: readonly (string | RegExp)[]
  /** Those in whose path there is 'embedding' do so, too. Default true. */
  excludeEmbeddings?: boolean
  /** Look ahead by the momentum. Default true. */
  nesterov?: boolean
  /**
   * A move of a matrix [N,M] is its orthogonal direction times √max(N,M) and this, so that it is as
   * large as Adam's (Liu et al. 2025); null: the direction alone. Default 0.2.
   */
  rmsRate?: number | null
}

/**
 * Muon (Jordan et al. 2024): each matrix moves by its momentum made nearly orthogonal, by `nsSteps` (5)
 * of Newton and Schulz's iteration with the factors `muonA`, `muonB` and `muonC`. Vectors, embeddings
 * and what `excludeLayers` names, such as the last layer, move by AdamW, with `adamBeta1` (0.9),
 * `adamBeta2` (0.999), `epsilon` (1e-7), `adamWeightDecay` (0.004) and the learning rate times
 * `adamLrRatio` (1). learningRate 0.001, weightDecay 0.004, momentum 0.95.
 */
export function muon(given: MuonOptions = {}): Optimizer {
  const own = { ...numbers, excludeEmbeddings: true, nesterov: true }
  const names = [...Object.keys(own), 'excludeLayers', 'rmsRate']
  const options = {
    learningRate: 0.001,
    weightDecay: 0.004,
    ...own,
    rmsRate: 0.2 as number | null,
    ...check('muon', given, names),
  }
  for (const name of Object.keys(numbers) as (keyof typeof numbers)[]) {
    checkNumber(`muon '${name}'`, options[name], name.startsWith('muon') ? undefined : 0)
  }
  checkDecay("muon 'adamBeta1'", options.adamBeta1)
  checkDecay("muon 'adamBeta2'", options.adamBeta2)
  checkNumber("muon 'momentum'", options.momentum, 0, 1)
  checkInteger("muon 'nsSteps'", options.nsSteps, 0)
  for (const name of ['excludeEmbeddings', 'nesterov'] as const) {
    if (typeof options[name] === 'boolean') continue
    throw new RefrainError(
      'BAD_ARGUMENT',
      `muon '${name}': expected true or false, got ${show(options[name])}`,
    )
  }
  const { rmsRate, excludeLayers } = options
  if (rmsRate !== null) checkNumber("muon 'rmsRate'", rmsRate, 0)
  if (excludeLayers) {
    const advice = "['dense'] leaves all dense layers to AdamW"
    options.excludeLayers = checkPatterns("muon 'excludeLayers'", excludeLayers, advice)
  }
  const { adamBeta1, adamBeta2, epsilon, momentum, nesterov } = options

  const movesByAdam = ({ shape, path }: Parameter) =>
    shape.length !== 2 ||
    (options.excludeEmbeddings && /embedding/i.test(path)) ||
    (options.excludeLayers ?? []).some((one) => path.search(one) >= 0)

  function adamStep(kernels: Kernels, update: Update) {
    const { weights, gradients, slots, step, rate, decayRate, scale } = update
    const [m, v] = slots
    const correction = Math.sqrt(1 - adamBeta2 ** (step + 1)) / (1 - adamBeta1 ** (step + 1))
    kernels.adam(
      weights.values,
      gradients.values,
      m.values,
      v.values,
      null,
      gradients.size,
      scale,
      rate * options.adamLrRatio * correction,
      adamBeta1,
      adamBeta2,
      epsilon,
      decayRate * options.adamWeightDecay,
    )
  }

  function muonStep(kernels: Kernels, update: Update) {
    const { parameter, ctx, rate, decayRate, scale } = update
    const [rows, columns] = parameter.shape
    const short = Math.min(rows, columns)
    const arrays = [
      [rows, columns],
      [rows, columns],
      [short, short],
      [short, short],
    ]
    const made = arrays.map((shape) => ctx.empty(shape))
    // Views come after all that may have moved them.
    const [direction, ...others] = made.map(({ values }) => values)
    const [w, g, m] = [update.weights, update.gradients, update.slots[0]].map(
      ({ values }) => values,
    )
    for (let i = 0; i < g.length; i++) {
      m[i] = g[i] * scale + m[i] * momentum
      direction[i] = nesterov ? g[i] * scale + momentum * m[i] : m[i]
    }
    const move = orthogonalized(kernels, options, rows, columns, [direction, ...others])
    const size = rmsRate === null ? 1 : Math.sqrt(Math.max(rows, columns)) * rmsRate
    const keep = 1 - decayOf(options, decayRate)
    for (let i = 0; i < g.length; i++) w[i] = keep * w[i] - rate * size * move[i]
  }

  return complete({
    name: 'muon',
    options,
    // Of what moves by AdamW alone v is not 0.
    slots: ['m', 'v'],
    idle: null,
    perParameter: true,
    apply(kernels, update) {
      if (movesByAdam(update.parameter)) adamStep(kernels, update)
      else muonStep(kernels, update)
    },
  })
}

/**
 * A matrix [N,M] over its norm, whose singular values are made nearly 1: X ← (a + b·G + c·G²)·X with
 * G = X·Xᵀ, or, if it is tall, the same of its transpose. It is the first of `arrays`, one of whose first two
 * the result is; the others are [N,M] and two of [K,K], K the less of N and M.
 */
function orthogonalized(
  kernels: Kernels,
  { muonA, muonB, muonC, nsSteps }: typeof numbers,
  rows: number,
  columns: number,
  [x, other, gram, factor]: readonly Floats[],
): Floats {
  const tall = rows > columns ? 1 : 0
  const [short, long] = tall ? [columns, rows] : [rows, columns]
  const norm = Math.sqrt(kernels.sumSquares(x, x.length)) + 1e-7
  for (let i = 0; i < x.length; i++) x[i] /= norm
  let [from, to] = [x, other]
  for (let step = 0; step < nsSteps; step++) {
    kernels.matmul(from, from, null, gram, short, long, short, tall, 1 - tall, 0)
    kernels.matmul(gram, gram, null, factor, short, short, short, 0, 0, 0)
    for (let i = 0; i < gram.length; i++) {
      const unit = i % (short + 1) === 0 ? muonA : 0
      factor[i] = unit + muonB * gram[i] + muonC * factor[i]
    }
    if (tall) kernels.matmul(from, factor, null, to, rows, short, short, 0, 0, 0)
    else kernels.matmul(factor, from, null, to, short, short, columns, 0, 0, 0)
    ;[from, to] = [to, from]
  }
  return from
}
