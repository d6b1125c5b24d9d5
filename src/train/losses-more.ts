/**
 * Losses that few models need, by Keras's names and definitions. A bundle for the browser holds them only
 * if it uses one of these functions or reads models from files; then their names serve as well, as they do
 * in Node.
 */
import { RefrainError, show } from '../errors.ts'
import { permute } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { checkNumber, sizeOf } from '../util/check.ts'
import { rowByRow } from './define-loss.ts'
import {
  addLosses,
  gradientRoom,
  type LossBatch,
  type LossConfig,
  type LossKind,
  type LossOptions,
  type MoreLossName,
  stepFlags,
} from './losses.ts'

/** Keras's epsilon, which keeps an overlap of nothing with nothing from being 0 / 0. */
const tiny = 1e-7

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}
const sum = (a: Float64Array) => a.reduce((total, value) => total + value, 0)

/** 1 - a / b, where a and b are linear in p: `terms` gives both, and what they grow by with each p. */
function overlap(
  terms: (
    y: Float64Array,
    p: Float64Array,
  ) => { a: number; b: number; da: (y: number) => number; db: (y: number) => number },
) {
  return rowByRow({
    value(y, p) {
      const { a, b } = terms(y, p)
      return 1 - a / b
    },
    gradient(y, p, out) {
      const { a, b, da, db } = terms(y, p)
      for (let i = 0; i < out.length; i++) out[i] = (a * db(y[i]) - da(y[i]) * b) / b ** 2
    },
  })
}

/** The numbers along `axis` as rows, one for each place along the other dimensions. */
function alongAxes(
  ctx: Context,
  { axis = null, name, reduction }: LossConfig,
  { prediction, target, weights }: LossBatch,
): LossBatch {
  const { shape, mask } = prediction
  const rank = shape.length
  const all = shape.map((_, i) => i)
  const axes =
    axis === null
      ? all
      : [axis as number | readonly number[]].flat().map((i) => (i < 0 ? i + rank : i))
  if (axes.length === 0 || new Set(axes).size < axes.length || axes.some((i) => !all.includes(i))) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `loss '${name}' 'axis': expected null or dimensions of the output ${show([...shape])}, got ${show(axis)}`,
    )
  }
  if (target.size !== prediction.size) throw shapeError("'y'", shape, target.shape)
  const kept = all.filter((i) => !axes.includes(i))
  const rows = sizeOf(kept.map((i) => shape[i]))
  const turn = (x: Tensor) =>
    permute(ctx, x.view(shape), [...kept, ...axes]).view([rows, x.size / rows])
  const given = { prediction: turn(prediction), target: turn(target) }
  const flags = mask?.lengths ? mask.valid.ints : null
  if (rows === 1 && kept.length === 0) {
    return { ...given, weights: weightOfAll(prediction, weights, reduction) }
  }
  if (flags?.length === rows && kept[1] === 1) given.prediction.mask = mask
  else if (flags) {
    throw new RefrainError(
      'BAD_SHAPE',
      `loss '${name}' 'axis' ${show(axis)}: the output ${show([...shape])} has masked steps`,
      'axis: -1 leaves them out, and null takes them with the others',
    )
  }
  if (!weights) return { ...given, weights }
  const each = weights.length / rows
  const own = kept.every((i, k) => i === k) && Number.isInteger(each)
  return {
    ...given,
    weights: Float32Array.from({ length: rows }, (_, row) => {
      const part = weights.subarray(row * each, (row + 1) * each)
      if (own && part.every((weight) => weight === part[0])) return part[0]
      throw new RefrainError(
        'BAD_SHAPE',
        `'sampleWeight': loss '${name}' with 'axis' ${show(axis)} takes one weight for each of the ` +
          `values of ${show(kept.map((i) => shape[i]))}`,
      )
    }),
  }
}

/** The weight of a batch's one value: as in Keras, which repeats the value for each weight or step. */
function weightOfAll(
  prediction: Tensor,
  weights: Float32Array | null,
  reduction: LossConfig['reduction'],
): Float32Array | null {
  const positions = prediction.size / (prediction.shape.at(-1) || 1)
  const flags = stepFlags(prediction, positions)
  if (!weights && !flags) return null
  const counted = Float64Array.from({ length: positions }, (_, i) => flags?.[i] ?? 1)
  const total = weights ? dot(counted, weights) : sum(counted)
  return Float32Array.of(reduction === 'sum' ? total : total / (sum(counted) || 1))
}

/** log Σ exp of these numbers, and the share that each has in it; -Infinity of none. */
function logSumExp(numbers: readonly number[]): { value: number; shares: number[] } {
  const top = Math.max(...numbers)
  const powers = numbers.map((number) => Math.exp(number - top))
  const all = powers.reduce((a, b) => a + b, 0)
  return {
    value: numbers.length === 0 ? -Infinity : top + Math.log(all),
    shares: powers.map((p) => p / all),
  }
}

/**
 * The circle loss of each row of a batch of vectors p [B,D], in double precision as 1 - cosine cancels;
 * the gradient of Σ scale · loss is added to `dp`.
 */
function circleRows(
  { gamma = 80, margin = 0.4, removeDiagonal = true }: LossConfig,
  prediction: Tensor,
  labels: Int32Array,
  scale?: ArrayLike<number>,
  dp?: { [i: number]: number },
): number[] {
  const [rows, cols] = prediction.shape
  const vectors = Array.from({ length: rows }, (_, r) =>
    Float64Array.from(prediction.values.subarray(r * cols, (r + 1) * cols)),
  )
  return vectors.map((vector, i) => {
    const same: { j: number; score: number; slope: number }[] = []
    const others: typeof same = []
    vectors.forEach((other, j) => {
      if (i === j && removeDiagonal) return
      const near = 1 - dot(vector, other)
      const d = Math.max(near, 0)
      // Below 0 nothing depends on the vectors.
      const lives = near < 0 ? 0 : gamma
      if (labels[i] === labels[j]) {
        same.push({ j, score: -gamma * (margin + d) * (margin - d), slope: 2 * lives * d })
      } else {
        const weight = Math.max(1 + margin - d, 0)
        const slope = weight > 0 ? -2 * lives * (1 - d) : 0
        others.push({ j, score: gamma * weight * (1 - margin - d), slope })
      }
    })
    const sums = [same, others].map((pairs) => logSumExp(pairs.map(({ score }) => score)))
    const x = sums[0].value + sums[1].value
    if (x === -Infinity) return 0
    const factor = (scale?.[i] ?? 0) / (1 + Math.exp(-x))
    if (dp && factor !== 0) {
      ;[same, others].forEach((pairs, k) => {
        pairs.forEach(({ j, slope }, at) => {
          const step = factor * sums[k].shares[at] * slope
          for (let c = 0; c < cols; c++) {
            dp[i * cols + c] -= step * vectors[j][c]
            dp[j * cols + c] -= step * vector[c]
          }
        })
      })
    }
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
  })
}

function checkPair(prediction: Tensor): void {
  if (prediction.shape.length !== 2)
    throw shapeError("the output of 'circle'", [null, null], prediction.shape)
}

const between = (where: string, options: LossConfig, names: readonly (keyof LossOptions)[]) => {
  for (const name of names)
    if (options[name] !== undefined) checkNumber(`${where} '${name}'`, options[name], 0)
}

/** The losses of this file, by name. */
export const moreLosses: Record<MoreLossName, LossKind> = {
  dice: {
    options: ['axis'],
    rows: alongAxes,
    run: () =>
      overlap((y, p) => ({
        a: 2 * dot(y, p),
        b: sum(y) + sum(p) + tiny,
        da: (y) => 2 * y,
        db: () => 1,
      })),
    check: () => {},
  },
  tversky: {
    options: ['alpha', 'beta', 'axis'],
    rows: alongAxes,
    run: ({ alpha = 0.5, beta = 0.5 }) =>
      overlap((y, p) => {
        const both = dot(y, p)
        return {
          a: both,
          b: both + alpha * (sum(y) - both) + beta * (sum(p) - both) + tiny,
          da: (y) => y,
          db: (y) => y - alpha * y + beta * (1 - y),
        }
      }),
    check: (where, config) => between(where, config, ['alpha', 'beta']),
  },
  circle: {
    labels: true,
    anyLabel: true,
    options: ['gamma', 'margin', 'removeDiagonal'],
    run:
      (config) =>
      ({ ctx, prediction, target, scale, perRow, gradients }) => {
        checkPair(prediction)
        const room = gradientRoom(ctx, prediction, gradients)
        room.gradient?.values.fill(0)
        const { values } = scale
        perRow.values.set(
          circleRows(config, prediction, target.ints, values, room.gradient?.values),
        )
        room.add()
      },
    counts(config, prediction, target) {
      checkPair(prediction)
      return circleRows(config, prediction, target.ints).map((loss) => loss > 0)
    },
    check: (where, config) => between(where, config, ['gamma', 'margin']),
  },
  categoricalGeneralizedCrossEntropy: {
    labels: true,
    options: ['q'],
    run: ({ q = 0.5 }) =>
      rowByRow({
        value: ([label], p) => (1 - p[label] ** q) / q,
        gradient: ([label], p, out) => {
          out[label] = -(p[label] ** (q - 1))
        },
      }),
    check(where, { q = 0.5 }) {
      if (q > 0 && q < 1) return
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${where} 'q': expected a number between 0 and 1, got ${show(q)}`,
      )
    },
  },
}
addLosses(moreLosses)

type Options<Name extends keyof LossOptions> = Pick<LossOptions, Name | 'reduction'>

/**
 * 1 - 2 Σ y p / (Σ y + Σ p): how little targets and predictions of 0 to 1 overlap (Dice 1945), of the whole
 * batch together or along `axis`. As in Keras masked steps are part of the whole, and sample weights weigh
 * the one value by their mean; along the last dimension both are as in other losses.
 */
export const dice = (options: Options<'axis'> = {}): LossConfig => ({ ...options, name: 'dice' })

/**
 * 1 - Σ y p / (Σ y p + α Σ y (1 - p) + β Σ (1 - y) p) (Salehi et al. 2017): with α and β ½ each it is `dice`;
 * a larger α costs what was missed more. Masks and weights are as there.
 */
export const tversky = (options: Options<'alpha' | 'beta' | 'axis'> = {}): LossConfig => ({
  ...options,
  name: 'tversky',
})

/**
 * Of outputs [B,D] of length 1 and class numbers, any whole numbers: brings vectors of a class together and
 * others apart, those most that are furthest from where they should be (Sun et al. 2020). A row without
 * another of its class in the batch, or without one of another class, does not count.
 */
export const circle = (
  options: Options<'gamma' | 'margin' | 'removeDiagonal'> = {},
): LossConfig => ({ ...options, name: 'circle' })

/**
 * (1 - p^q) / q of the probability p of the class number (Zhang & Sabuncu 2018): between cross-entropy, as q
 * goes to 0, and the absolute error, which wrong labels disturb less.
 */
export const categoricalGeneralizedCrossEntropy = (options: Options<'q'> = {}): LossConfig => ({
  ...options,
  name: 'categoricalGeneralizedCrossEntropy',
})
