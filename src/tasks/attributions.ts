/**
 * What each number that a model reads adds to a score of its output: integrated gradients (Sundararajan,
 * Taly & Yan 2017). The path leads straight from a baseline's numbers b to the example's x; with F the
 * score and y = b + α (x - b),
 *
 *     contribution_i = (x_i - b_i) · ∫₀¹ ∂F/∂y_i dα,    Σ_i contribution_i = F(x) - F(b)
 *
 * The numbers are the model's inputs or, of texts, the words' vectors, whose numbers count together.
 *
 * The integral is the mean over midpoints of equal parts of [0, 1], as many as it takes for the sum to
 * come within 1 % of what it must be; what is then missing is shared out by the contributions' sizes, so
 * that the sum holds to rounding.
 */
import type { SymbolicTensor } from '../layers/layer.ts'
import { runGraph } from '../model/graph.ts'
import type { Model } from '../model/model.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A score, and how it comes from that of the baseline. */
export interface Attributions {
  /** Of the example and of the baseline. */
  readonly score: number
  readonly baseline: number
  /** Of the numbers of each path, those together that count together; the sum is `score - baseline`. */
  readonly contributions: Float64Array[]
}

/** A value in the model's graph, from the baseline's to the example's. */
export interface Path {
  readonly at: SymbolicTensor
  /** Of one example. */
  readonly shape: readonly number[]
  readonly to: ArrayLike<number>
  readonly from: ArrayLike<number>
  /** How many numbers, side by side, count together. */
  readonly together: number
}

/** A score with its derivatives. */
export interface Scored {
  readonly value: number
  readonly slopes: ArrayLike<number>
}

/** The score of each row of an output, and its derivatives with respect to the row of `tensor`. */
export type Score = (output: Tensor) => { tensor: Tensor; rows: readonly Scored[] }

/** Points in one batch. */
const batchSize = 16
const mostPoints = 1024

/**
 * Contributions to a score of `output`.
 *
 * @param pathsIn the paths, which together must cut `output` off from the model's inputs
 */
export async function attribute(
  model: Model,
  output: SymbolicTensor,
  pathsIn: (arena: Arena) => readonly Path[],
  scoreOf: Score,
): Promise<Attributions> {
  const { backend, parameters } = model
  const arena = new Arena(backend.heap)
  const trained = parameters.parameters.filter(({ value }) => value.tracked)
  for (const { value } of trained) value.tracked = false
  parameters.bringHome()
  try {
    const paths = pathsIn(arena)
    const graph = between(
      model,
      paths.map(({ at }) => at),
      output,
    )
    const run = (points: readonly number[], gradients: boolean) => {
      arena.reset()
      const ctx = new Context(backend, arena, { gradients })
      const values = paths.map(({ shape, to, from }) => {
        const y = ctx.empty([points.length, ...shape])
        const size = to.length
        points.forEach((a, row) => {
          for (let i = 0; i < size; i++) y.values[row * size + i] = from[i] + a * (to[i] - from[i])
        })
        y.tracked = gradients
        return y
      })
      return { ctx, values, ...scoreOf(runGraph(graph, ctx, values)[0]) }
    }
    const [whole, none] = run([1, 0], false).rows.map(({ value }) => value)
    const due = whole - none
    const nothing = () => paths.map(({ to, together }) => new Float64Array(to.length / together))
    let contributions = nothing()
    for (let points = 64; points <= mostPoints; points *= 2) {
      contributions = nothing()
      for (let first = 0; first < points; first += batchSize) {
        const batch = Array.from({ length: batchSize }, (_, i) => (first + i + 0.5) / points)
        const { ctx, values, tensor, rows } = run(batch, true)
        const gradient = ctx.firstGradientOf(tensor)
        rows.forEach(({ slopes }, row) => {
          gradient.values.set(slopes, row * slopes.length)
        })
        ctx.backward()
        paths.forEach(({ to, from, together }, p) => {
          const slopes = ctx.gradientOf(values[p]).values
          for (let i = 0; i < slopes.length; i++) {
            const place = i % to.length
            const change = to[place] - from[place]
            contributions[p][Math.floor(place / together)] += (slopes[i] * change) / points
          }
        })
      }
      if (Math.abs(due - sum(contributions)) <= 0.01 * sum(contributions, Math.abs)) break
    }
    const missing = due - sum(contributions)
    const all = sum(contributions, Math.abs)
    return {
      score: whole,
      baseline: none,
      contributions: contributions.map((own) =>
        own.map((c) => c + (all > 0 ? (missing * Math.abs(c)) / all : 0)),
      ),
    }
  } finally {
    for (const { value } of trained) value.tracked = true
    arena.release()
  }
}

const sum = (parts: readonly Float64Array[], of: (value: number) => number = (value) => value) =>
  parts.reduce((total, values) => values.reduce((t, value) => t + of(value), total), 0)

/**
 * The path of the value `at` [T,F] from one example's ids to another's; a step's numbers count together.
 *
 * @param inputs for each of the model's inputs the ids of both: [2,T,…]
 */
export function pathOfSteps(
  model: Model,
  at: SymbolicTensor,
  arena: Arena,
  inputs: readonly { readonly shape: readonly number[]; readonly data: Int32Array }[],
): Path {
  const ctx = new Context(model.backend, arena)
  const tensors = inputs.map(({ shape, data }) => {
    const tensor = arena.tensor([...shape], 'int32')
    tensor.ints.set(data)
    return tensor
  })
  const [ends] = runGraph(between(model, model.graph!.inputs, at), ctx, tensors)
  const [, steps, width] = ends.shape
  const size = steps * width
  const [to, from] = [ends.values.slice(0, size), ends.values.slice(size, 2 * size)]
  return { at, shape: [steps, width], to, from, together: width }
}

/** The part of the model's graph that leads from some of its values to another. */
function between(model: Model, inputs: readonly SymbolicTensor[], output: SymbolicTensor) {
  const graph = model.graph!
  const needed = new Set<unknown>()
  const visit = (value: SymbolicTensor) => {
    if (inputs.includes(value) || value.node === null || needed.has(value.node)) return
    needed.add(value.node)
    value.node.inputs.forEach(visit)
  }
  visit(output)
  const calls = graph.calls.filter((call) => needed.has(call))
  return { ...graph, inputs, outputs: [output], calls }
}

/** log p / (1 - p) of the classes in `chosen`, together, under a softmax of z, and its derivatives. */
export function logOdds(z: ArrayLike<number>, chosen: ReadonlySet<number>): Scored {
  const classes = Array.from(z, (_, k) => k)
  const slopes = new Float64Array(z.length)
  const sides = [1, -1].map((sign) => {
    const own = classes.filter((k) => chosen.has(k) === sign > 0)
    const most = Math.max(...own.map((k) => z[k]))
    const total = own.reduce((sum, k) => sum + Math.exp(z[k] - most), 0)
    for (const k of own) slopes[k] = (sign * Math.exp(z[k] - most)) / total
    return most + Math.log(total)
  })
  return { value: sides[0] - sides[1], slopes }
}
