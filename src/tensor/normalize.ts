/** Layer and batch normalization as operations. */
import { sizeOf } from '../util/check.ts'
import type { Context } from './context.ts'
import type { Tensor } from './tensor.ts'

const last = (x: Tensor) => x.shape[x.shape.length - 1]
const rowsOf = (x: Tensor) => sizeOf(x.shape.slice(0, -1))

/** Each row of x […,C] by its own mean and variance, times gamma [C], plus beta [C]. */
export function normalizeRows(
  ctx: Context,
  x: Tensor,
  gamma: Tensor | null,
  beta: Tensor | null,
  epsilon: number,
): Tensor {
  const { kernels } = ctx
  const [rows, cols] = [rowsOf(x), last(x)]
  const y = ctx.empty(x.shape)
  const mean = ctx.empty([rows])
  const scale = ctx.empty([rows])
  kernels.normalizeRows(
    ...([x.values, gamma?.values ?? null, beta?.values ?? null, y.values] as const),
    ...([mean.values, scale.values, rows, cols, epsilon] as const),
  )
  return ctx.record(y, [x, gamma, beta], () => {
    const dy = ctx.gradientOf(y)
    const products = gamma?.tracked ? ctx.empty(x.shape) : null
    const back = (dx: Tensor | null, add: number) =>
      kernels.normalizeRowsBackward(
        ...([x.values, gamma?.values ?? null, mean.values, scale.values, dy.values] as const),
        ...([dx?.values ?? null, products?.values ?? null, rows, cols, add] as const),
      )
    if (x.tracked) ctx.give(x, back)
    else if (products) back(null, 0)
    ctx.give(gamma, (dGamma, add) => {
      kernels.sumRows(products!.values, dGamma.values, rows, cols, add)
    })
    ctx.give(beta, (dBeta, add) => kernels.sumRows(dy.values, dBeta.values, rows, cols, add))
  })
}

/** Mean and variance of each column. */
export interface Moments {
  readonly mean: Float64Array
  readonly variance: Float64Array
}

/** The numbers as a tensor of the step. */
function vector(ctx: Context, numbers: ArrayLike<number>): Tensor {
  const tensor = ctx.empty([numbers.length])
  tensor.values.set(numbers)
  return tensor
}

/** out[r,:] += row, for each row. */
function addToRows(ctx: Context, row: Tensor, out: Tensor): void {
  const cols = last(out)
  ctx.kernels.copyBlock(row.values, 0, 0, out.values, 0, cols, rowsOf(out), cols, 1)
}

/** x[r,:] ⊙ row, for each row, or added to out. */
function timesRow(ctx: Context, x: Tensor, row: Tensor, out: Tensor, add: number): Tensor {
  ctx.kernels.multiplyRepeated(x.values, row.values, out.values, 1, rowsOf(x), last(x), add)
  return out
}

/** x[r,:] · weights[r], or x itself without weights; added to out if that is given. */
function weighRows(ctx: Context, x: Tensor, weights: Tensor | null, out?: Tensor): Tensor {
  if (!weights && !out) return x
  const to = out ?? ctx.empty(x.shape)
  const add = out ? 1 : 0
  if (!weights) ctx.kernels.addScaled(x.values, to.values, 1, x.size)
  else {
    ctx.kernels.multiplyRepeated(
      ...([x.values, weights.values, to.values, rowsOf(x), last(x), 1, add] as const),
    )
  }
  return to
}

function columnSums(ctx: Context, x: Tensor): Float64Array {
  const sums = ctx.empty([last(x)])
  ctx.kernels.sumRows(x.values, sums.values, rowsOf(x), last(x), 0)
  return Float64Array.from(sums.values)
}

/** x less the mean of each column. */
function centre(ctx: Context, x: Tensor, mean: Float64Array): Tensor {
  const centred = ctx.empty(x.shape)
  const negative = vector(
    ctx,
    mean.map((value) => -value),
  )
  const cols = last(x)
  const { kernels } = ctx
  kernels.copyBlock(x.values, 0, cols, centred.values, 0, cols, rowsOf(x), cols, 0)
  addToRows(ctx, negative, centred)
  return centred
}

/** Which rows make up the statistics: all, or those with weight 1, and how many these are. */
export interface Counted {
  /** [rows] 0 or 1; null: all. */
  readonly weights: Tensor | null
  readonly count: number
}

/** Of batch renormalization, for each column: y = (x̂ r + d) gamma + beta. */
export interface Correction {
  readonly r: Float64Array
  readonly d: Float64Array
}

/**
 * Batch normalization (Ioffe & Szegedy 2015): y = (x - mean) / √(variance + epsilon) ⊙ gamma + beta,
 * for each column of x […,C].
 *
 * @param statistics those to use; null: those of the rows in `counted`, through which the gradient
 *   then flows, too. `moments` are those used.
 * @param correct batch renormalization (Ioffe 2017): gives, for the moments used, the correction, which the
 *   gradient takes for a constant
 */
export function normalizeColumns(
  ctx: Context,
  x: Tensor,
  { gamma, beta, epsilon }: { gamma: Tensor | null; beta: Tensor | null; epsilon: number },
  statistics: Moments | null,
  { weights, count }: Counted,
  correct: ((moments: Moments) => Correction) | null = null,
): { y: Tensor; moments: Moments } {
  const { kernels } = ctx
  const mean =
    statistics?.mean ?? columnSums(ctx, weighRows(ctx, x, weights)).map((sum) => sum / count)
  const centred = centre(ctx, x, mean)
  const squares = () => {
    const used = weighRows(ctx, centred, weights)
    const out = ctx.empty(x.shape)
    kernels.multiply(used.values, used.values, out.values, x.size, 0)
    return out
  }
  const variance = statistics?.variance ?? columnSums(ctx, squares()).map((sum) => sum / count)
  const scale = variance.map((value) => 1 / Math.sqrt(value + epsilon))
  const correction = correct?.({ mean, variance })
  /** ∂y/∂gamma is `slope` times the centred x, plus d. */
  const slope = correction ? scale.map((value, c) => value * correction.r[c]) : scale
  const factor = gamma ? slope.map((value, c) => value * gamma.values[c]) : slope
  const y = timesRow(ctx, centred, vector(ctx, factor), ctx.empty(x.shape), 0)
  if (beta) addToRows(ctx, beta, y)
  if (correction) {
    const d = gamma ? correction.d.map((value, c) => value * gamma.values[c]) : correction.d
    addToRows(ctx, vector(ctx, d), y)
  }
  ctx.record(y, [x, gamma, beta], () => {
    const dy = ctx.gradientOf(y)
    const products = ctx.empty(x.shape)
    kernels.multiply(dy.values, centred.values, products.values, x.size, 0)
    const sums = columnSums(ctx, dy)
    const sumProducts = columnSums(ctx, products)
    const addTo = (parameter: Tensor | null, gradient: Float64Array) =>
      ctx.give(parameter, ({ values }, add) => {
        for (let c = 0; c < gradient.length; c++) {
          values[c] = (add ? values[c] : 0) + gradient[c]
        }
      })
    addTo(
      gamma,
      sumProducts.map((sum, c) => sum * slope[c] + sums[c] * (correction?.d[c] ?? 0)),
    )
    addTo(beta, sums)
    const factors = vector(ctx, factor)
    ctx.give(x, (dx, add) => timesRow(ctx, dy, factors, dx, add))
    if (statistics || !x.tracked) return
    // What comes through mean and variance, to the rows that make them.
    const along = factor.map((f, c) => (-f * scale[c] ** 2 * sumProducts[c]) / count)
    const even = factor.map((f, c) => (-f * sums[c]) / count)
    const through = timesRow(ctx, centred, vector(ctx, along), ctx.empty(x.shape), 0)
    addToRows(ctx, vector(ctx, even), through)
    weighRows(ctx, through, weights, ctx.gradientOf(x))
  })
  return { y, moments: { mean, variance } }
}
