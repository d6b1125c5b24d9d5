/**
 * What each number of a sequence adds to a label's score: integrated gradients (Sundararajan, Taly & Yan
 * 2017). The path leads straight from a baseline's numbers b to the sequence's x; with F the score and
 * y = b + α (x - b),
 *
 *     contribution_i = (x_i - b_i) · ∫₀¹ ∂F/∂y_i dα,    Σ_i contribution_i = F(x) - F(b)
 *
 * The numbers are the model's input or, of texts, the words' vectors, whose numbers count together.
 *
 * The integral is the mean over midpoints of equal parts of [0, 1], as many as it takes for the sum to
 * come within 1 % of what it must be; what is then missing is shared out by the contributions' sizes, so
 * that the sum holds to rounding.
 */
import type { SymbolicTensor } from '../../layers/layer.ts'
import { runGraph } from '../../model/graph.ts'
import type { Model } from '../../model/model.ts'
import { Arena } from '../../tensor/arena.ts'
import { Context } from '../../tensor/context.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** A score, and how it comes from that of the baseline. */
export interface Attributions {
  /** Of the sequence and of the baseline, in nats: log p / (1 - p) of the label. */
  readonly score: number
  readonly baseline: number
  /** Of each number, or of each step; their sum is `score - baseline`. */
  readonly contributions: Float64Array
}

/** Points in one batch. */
const batchSize = 16
const mostPoints = 1024

/** The label's number, the temperature, and whether an example may have several labels. */
interface Score {
  readonly label: number
  readonly temperature: number
  readonly several: boolean
}

/** Contributions of the numbers of one sequence [T,…], from a sequence of zeros. */
export function attributeNumbers(
  model: Model,
  { shape, data }: { readonly shape: readonly number[]; readonly data: Float32Array },
  score: Score,
): Promise<Attributions> {
  const [at] = model.graph!.inputs
  const baseline = new Float32Array(data.length)
  return attribute(model, at, () => ({ shape, to: data, from: baseline, together: 1 }), score)
}

/**
 * Contributions of the steps of one sequence of ids.
 *
 * @param vectors the value in the model's graph that ids become, [B,T,F]
 * @param x, baseline ids, equally many
 */
export function attributeSteps(
  model: Model,
  vectors: SymbolicTensor,
  x: Int32Array,
  baseline: Int32Array,
  score: Score,
): Promise<Attributions> {
  const endsIn = (arena: Arena) => {
    const ends = vectorsOf(model, vectors, arena, [x, baseline])
    const [, steps, width] = ends.shape
    const size = steps * width
    const [to, from] = [ends.values.slice(0, size), ends.values.slice(size, 2 * size)]
    return { shape: [steps, width], to, from, together: width }
  }
  return attribute(model, vectors, endsIn, score)
}

/** Both ends of a path, and how many numbers, side by side, count together. */
interface Ends {
  readonly shape: readonly number[]
  readonly to: ArrayLike<number>
  readonly from: ArrayLike<number>
  readonly together: number
}

/** @param at the value in the model's graph that the path runs through */
async function attribute(
  model: Model,
  at: SymbolicTensor,
  endsIn: (arena: Arena) => Ends,
  score: Score,
): Promise<Attributions> {
  const { backend, parameters } = model
  const arena = new Arena(backend.heap)
  const trained = parameters.parameters.filter(({ value }) => value.tracked)
  for (const { value } of trained) value.tracked = false
  parameters.bringHome()
  try {
    const { shape, to, from, together } = endsIn(arena)
    const size = to.length
    const path = (points: readonly number[], gradients: boolean) => {
      arena.reset()
      const ctx = new Context(backend, arena, { gradients })
      const y = ctx.empty([points.length, ...shape])
      points.forEach((a, row) => {
        for (let i = 0; i < size; i++) y.values[row * size + i] = from[i] + a * (to[i] - from[i])
      })
      y.tracked = gradients
      const input = at.node ? arena.tensor([points.length, shape[0]], 'int32') : y
      const [output] = runGraph(model.graph!, ctx, [input], null, new Map([[at, y]]))
      return { ctx, y, output }
    }
    const [whole, none] = scoresOf(path([1, 0], false).output, score).map(({ value }) => value)
    const due = whole - none
    let contributions = new Float64Array(size / together)
    for (let points = 64; points <= mostPoints; points *= 2) {
      contributions = new Float64Array(size / together)
      for (let first = 0; first < points; first += batchSize) {
        const batch = Array.from({ length: batchSize }, (_, i) => (first + i + 0.5) / points)
        const { ctx, y, output } = path(batch, true)
        const { tensor } = output.logits!
        const gradient = ctx.firstGradientOf(tensor)
        scoresOf(output, score).forEach(({ slopes }, row) => {
          gradient.values.set(slopes, row * slopes.length)
        })
        ctx.backward()
        const { values } = ctx.gradientOf(y)
        for (let i = 0; i < values.length; i++) {
          const place = i % size
          const change = to[place] - from[place]
          contributions[Math.floor(place / together)] += (values[i] * change) / points
        }
      }
      if (Math.abs(due - sum(contributions)) <= 0.01 * sum(contributions.map(Math.abs))) break
    }
    const missing = due - sum(contributions)
    const all = sum(contributions.map(Math.abs))
    return {
      score: whole,
      baseline: none,
      contributions: contributions.map((c) => c + (all > 0 ? (missing * Math.abs(c)) / all : 0)),
    }
  } finally {
    for (const { value } of trained) value.tracked = true
    arena.release()
  }
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0)

/** The value `at` of the graph for these rows. */
function vectorsOf(model: Model, at: SymbolicTensor, arena: Arena, rows: readonly Int32Array[]) {
  const ctx = new Context(model.backend, arena)
  const input = arena.tensor([rows.length, rows[0].length], 'int32')
  rows.forEach((row, r) => {
    input.ints.set(row, r * row.length)
  })
  const graph = model.graph!
  const calls = graph.calls.slice(0, graph.calls.indexOf(at.node!) + 1)
  return runGraph({ ...graph, outputs: [at], calls }, ctx, [input])[0]
}

/** The score of each row, and its derivatives with respect to the row's logits. */
function scoresOf(output: Tensor, { label, temperature, several }: Score) {
  const [rows, size] = output.shape
  const { values } = output.logits!.tensor
  return Array.from({ length: rows }, (_, row) => {
    const z = Array.from(values.subarray(row * size, (row + 1) * size), (v) => v / temperature)
    const slopes = new Float64Array(size)
    slopes[label] = 1 / temperature
    if (several) return { value: z[label], slopes }
    // log p/(1 - p) is the label's logit less the logarithm of the others' summed exponentials.
    const others = z.map((value, i) => (i === label ? -Infinity : value))
    const most = Math.max(...others)
    const exps = others.map((value) => Math.exp(value - most))
    const total = exps.reduce((a, b) => a + b, 0)
    exps.forEach((e, i) => {
      slopes[i] -= e / total / temperature
    })
    return { value: z[label] - most - Math.log(total), slopes }
  })
}
