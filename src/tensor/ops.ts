/**
 * Operations on tensors: each runs one kernel forward and records the kernels that go back.
 * Coarse on purpose, so that the tape stays short. The last dimension is the features' unless said
 * otherwise; every dimension before it counts as rows.
 */
import { activationCodes } from '../kernels/kernels.ts'
import { sizeOf } from '../util/check.ts'
import type { Context } from './context.ts'
import { hash32 } from './random.ts'
import type { UsedRows } from './rows.ts'
import { shapeError, type Tensor } from './tensor.ts'

const last = (x: Tensor) => x.shape[x.shape.length - 1]
const rowsOf = (x: Tensor) => (x.size === 0 ? 0 : x.size / last(x))

/** y[…,N] = x[…,K]·kernel[K,N] + bias[N], in the memory of `room` [.., N] if there is one. */
export function linear(
  ctx: Context,
  x: Tensor,
  kernel: Tensor,
  bias: Tensor | null,
  room: Tensor | null = null,
): Tensor {
  const [k, n] = kernel.shape
  if (last(x) !== k) throw shapeError('a product of features and weights', [null, k], x.shape)
  const m = rowsOf(x)
  const y = room ?? ctx.empty([...x.shape.slice(0, -1), n])
  const { kernels } = ctx
  kernels.matmul(x.values, kernel.values, bias?.values ?? null, y.values, m, k, n, 0, 0, 0)
  return ctx.record(y, [x, kernel, bias], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => {
      kernels.matmul(dy.values, kernel.values, null, dx.values, m, n, k, 0, 1, add)
    })
    const { gradients, adds } = ctx.gradientsOf([kernel, bias])
    const [dKernel, dBias] = gradients.map((gradient) => gradient?.values ?? null)
    if (dKernel) kernels.weightGradients(x.values, dy.values, dKernel, dBias, m, k, n, adds)
    else if (dBias) kernels.sumRows(dy.values, dBias, m, n, adds >> 1)
  })
}

/** y[…,N] = x[…,K]·tableᵀ + bias[N] for table [N,K], in the memory of `room` if there is one. */
export function linearTransposed(
  ctx: Context,
  x: Tensor,
  table: Tensor,
  bias: Tensor | null,
  room: Tensor | null = null,
): Tensor {
  const [n, k] = table.shape
  if (last(x) !== k) throw shapeError('a product of features and weights', [null, k], x.shape)
  const m = rowsOf(x)
  const y = room ?? ctx.empty([...x.shape.slice(0, -1), n])
  const { kernels } = ctx
  kernels.matmul(x.values, table.values, bias?.values ?? null, y.values, m, k, n, 0, 1, 0)
  return ctx.record(y, [x, table, bias], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => {
      kernels.matmul(dy.values, table.values, null, dx.values, m, n, k, 0, 0, add)
    })
    ctx.give(table, (dTable, add) => {
      kernels.matmul(dy.values, x.values, null, dTable.values, n, m, k, 1, 0, add)
    })
    ctx.give(bias, (dBias, add) => kernels.sumRows(dy.values, dBias.values, m, n, add))
  })
}

/**
 * An activation by its name in `activationCodes`, or softmax or logSoftmax over the last dimension. With
 * `inPlace` it overwrites x, at once, which is for predictions.
 */
export function activate(ctx: Context, name: string, x: Tensor, inPlace = false): Tensor {
  const { kernels } = ctx
  if (name === 'linear') return x
  const y = inPlace ? x.view(x.shape) : ctx.empty(x.shape)
  if (name === 'softmax' || name === 'logSoftmax') {
    const log = name === 'logSoftmax' ? 1 : 0
    // In training often nobody looks at the probabilities: the loss starts from the logits.
    const fill = () => kernels.softmax(x.values, y.values, rowsOf(x), last(x), log)
    if (inPlace) fill()
    else y.defer(fill)
    ctx.record(y, [x], () => {
      const dy = ctx.gradientOf(y)
      const dx = ctx.gradientOf(x)
      kernels.softmaxBackward(y.values, dy.values, dx.values, rowsOf(x), last(x), log)
    })
  } else {
    const code = activationCodes[name as keyof typeof activationCodes]
    kernels.activate(code, x.values, y.values, x.size)
    ctx.record(y, [x], () => {
      const dy = ctx.gradientOf(y)
      ctx.give(x, (dx, add) => {
        kernels.activateBackward(code, x.values, y.values, dy.values, dx.values, x.size, add)
      })
    })
  }
  if (!inPlace && (name === 'softmax' || name === 'sigmoid'))
    y.logits = { tensor: x, activation: name }
  return y
}

/**
 * The activation of a layer's sums, which nothing else reads: in their place in the memory that a
 * prediction gave, `room`, and in training the loss's gradient may take their place.
 */
export function activateSums(
  ctx: Context,
  name: string,
  sums: Tensor,
  room: Tensor | null,
): Tensor {
  const y = activate(ctx, name, sums, room !== null)
  if (y.logits) y.logits.own = true
  return y
}

/** a ⊙ b, of equal shape. */
export function multiply(ctx: Context, a: Tensor, b: Tensor): Tensor {
  checkSame('multiply', a, b)
  const { kernels } = ctx
  const y = ctx.empty(a.shape)
  kernels.multiply(a.values, b.values, y.values, y.size, 0)
  return ctx.record(y, [a, b], () => {
    const dy = ctx.gradientOf(y)
    for (const [x, other] of [
      [a, b],
      [b, a],
    ]) {
      ctx.give(x, (dx, add) => {
        kernels.multiply(dy.values, other.values, dx.values, y.size, add)
      })
    }
  })
}

/** Σ_i scales[i] · terms[i], of equal shapes. */
export function weightedSum(
  ctx: Context,
  terms: readonly Tensor[],
  scales: readonly number[],
): Tensor {
  const { kernels } = ctx
  const y = ctx.zeros(terms[0].shape)
  terms.forEach((term, i) => {
    checkSame('add', y, term)
    kernels.addScaled(term.values, y.values, scales[i], y.size)
  })
  return ctx.record(y, terms, () => {
    const dy = ctx.gradientOf(y)
    terms.forEach((term, i) => {
      if (!term.tracked) return
      const dTerm = ctx.gradientOf(term)
      kernels.addScaled(dy.values, dTerm.values, scales[i], y.size)
    })
  })
}

/** a + b, of equal shape. */
export const add = (ctx: Context, a: Tensor, b: Tensor) => weightedSum(ctx, [a, b], [1, 1])

/** y[o,r,i] = x[o,r,i] · scale[o,i] for x [outer, repeat, inner]; no gradient flows to scale. */
export function scaleRepeated(
  ctx: Context,
  x: Tensor,
  scale: Tensor,
  [outer, repeat, inner]: readonly [number, number, number],
): Tensor {
  const { kernels } = ctx
  const y = ctx.empty(x.shape)
  kernels.multiplyRepeated(x.values, scale.values, y.values, outer, repeat, inner, 0)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => {
      kernels.multiplyRepeated(dy.values, scale.values, dx.values, outer, repeat, inner, add)
    })
  })
}

const dropoutKey = hash32('dropout') | 0

/** Inverted dropout, each element by itself. */
export function dropout(ctx: Context, x: Tensor, rate: number): Tensor {
  const { kernels } = ctx
  const y = ctx.empty(x.shape)
  const { seed, step } = ctx.random
  const stream = ctx.nextStream()
  const apply = (from: Tensor, to: Tensor, accumulate: number) =>
    kernels.dropout(
      from.values,
      to.values,
      x.size,
      rate,
      seed | 0,
      dropoutKey,
      step | 0,
      stream,
      accumulate,
    )
  apply(x, y, 0)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    // The mask is drawn again: cheaper than keeping it.
    ctx.give(x, (dx, add) => apply(dy, dx, add))
  })
}

/** A dropout mask, 0 or 1 / (1 - rate), to be applied by `multiply` or `scaleRepeated`. */
export function dropoutMask(
  ctx: Context,
  shape: readonly number[],
  rate: number,
  stream = ctx.nextStream(),
): Tensor {
  const mask = ctx.empty(shape)
  const { seed, step } = ctx.random
  ctx.kernels.dropout(null, mask.values, mask.size, rate, seed | 0, dropoutKey, step | 0, stream, 0)
  return mask
}

/** Tensors that agree in all but the last dimension, side by side. */
export function concatenate(ctx: Context, parts: readonly Tensor[]): Tensor {
  const { kernels } = ctx
  const width = parts.reduce((sum, part) => sum + last(part), 0)
  const rows = rowsOf(parts[0])
  const y = ctx.empty([...parts[0].shape.slice(0, -1), width])
  const each = (visit: (part: Tensor, offset: number, cols: number) => void) => {
    let offset = 0
    for (const part of parts) {
      visit(part, offset, last(part))
      offset += last(part)
    }
  }
  each((part, offset, cols) => {
    kernels.copyBlock(part.values, 0, cols, y.values, offset, width, rows, cols, 0)
  })
  return ctx.record(y, parts, () => {
    const dy = ctx.gradientOf(y)
    each((part, offset, cols) => {
      ctx.give(part, (dPart, add) => {
        kernels.copyBlock(dy.values, offset, width, dPart.values, 0, cols, rows, cols, add)
      })
    })
  })
}

/** Columns `start` to `start + width - 1` of the last dimension. */
export function columns(ctx: Context, x: Tensor, start: number, width: number): Tensor {
  const { kernels } = ctx
  const stride = last(x)
  const rows = rowsOf(x)
  const y = ctx.empty([...x.shape.slice(0, -1), width])
  kernels.copyBlock(x.values, start, stride, y.values, 0, width, rows, width, 0)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    const dx = ctx.gradientOf(x)
    kernels.copyBlock(dy.values, 0, width, dx.values, start, stride, rows, width, 1)
  })
}

/** Step t of x [B,T,F]: [B,F]. */
export function stepOf(ctx: Context, x: Tensor, t: number): Tensor {
  const { kernels } = ctx
  const [b, steps, f] = x.shape
  const y = ctx.empty([b, f])
  kernels.copyBlock(x.values, t * f, steps * f, y.values, 0, f, b, f, 0)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    const dx = ctx.gradientOf(x)
    kernels.copyBlock(dy.values, 0, f, dx.values, t * f, steps * f, b, f, 1)
  })
}

/** Steps [B,F], in order, as one [B,T,F]. */
export function stackSteps(ctx: Context, steps: readonly Tensor[]): Tensor {
  const { kernels } = ctx
  const [b, f] = steps[0].shape
  const stride = steps.length * f
  const y = ctx.empty([b, steps.length, f])
  steps.forEach((step, t) => {
    kernels.copyBlock(step.values, 0, f, y.values, t * f, stride, b, f, 0)
  })
  return ctx.record(y, steps, () => {
    const dy = ctx.gradientOf(y)
    steps.forEach((step, t) => {
      ctx.give(step, (dStep, add) => {
        kernels.copyBlock(dy.values, t * f, stride, dStep.values, 0, f, b, f, add)
      })
    })
  })
}

/** x [B,T,…] with its steps in reverse order. */
export function reverseTime(ctx: Context, x: Tensor): Tensor {
  const { kernels } = ctx
  const [b, t, ...rest] = x.shape
  const f = sizeOf(rest)
  const y = ctx.empty(x.shape)
  kernels.reverseTime(x.values, y.values, b, t, f, 0)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    ctx.give(x, (dx, add) => kernels.reverseTime(dy.values, dx.values, b, t, f, add))
  })
}

/**
 * Rows of table [V,D] by ids […] : […,D]. The ids have been checked. With `used`, the gradient has a
 * row for each row used instead of one for each row of the table.
 */
export function gather(
  ctx: Context,
  table: Tensor,
  ids: Tensor,
  used: UsedRows | null = null,
): Tensor {
  const { kernels } = ctx
  const dim = table.shape[1]
  used?.read(ctx, ids.ints)
  const y = ctx.empty([...ids.shape, dim])
  kernels.gather(table.values, ids.ints, y.values, ids.size, dim)
  return ctx.record(y, [table], () => {
    const dy = ctx.gradientOf(y)
    if (used) {
      used.addGradient(ctx, ids, dy)
    } else {
      const dTable = ctx.gradientOf(table)
      kernels.gatherBackward(dy.values, ids.ints, dTable.values, ids.size, dim)
    }
  })
}

/** Mean over the valid steps of x [B,T,F]: [B,F]; 0 for a row without any. */
export function poolMean(ctx: Context, x: Tensor): Tensor {
  const { kernels } = ctx
  const [b, t, f] = x.shape
  const valid = x.mask?.valid ?? null
  const y = ctx.empty([b, f])
  kernels.poolMean(x.values, valid?.ints ?? null, y.values, b, t, f)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    const dx = ctx.gradientOf(x)
    kernels.poolMeanBackward(dy.values, valid?.ints ?? null, dx.values, b, t, f)
  })
}

/** Maximum over the valid steps of x [B,T,F]: [B,F]; 0 for a row without any. */
export function poolMax(ctx: Context, x: Tensor): Tensor {
  const { kernels } = ctx
  const [b, t, f] = x.shape
  const valid = x.mask?.valid ?? null
  const argmax = ctx.empty([b, f], 'int32')
  const y = ctx.empty([b, f])
  kernels.poolMax(x.values, valid?.ints ?? null, y.values, argmax.ints, b, t, f)
  return ctx.record(y, [x], () => {
    const dy = ctx.gradientOf(y)
    const dx = ctx.gradientOf(x)
    kernels.poolMaxBackward(dy.values, argmax.ints, dx.values, b, t, f)
  })
}

/** The largest of tensors of equal shape, element by element; of equals the first. */
export function largest(ctx: Context, parts: readonly Tensor[]): Tensor {
  const { kernels } = ctx
  const { shape, size } = parts[0]
  const side = ctx.empty([parts.length, size])
  parts.forEach((part, i) => {
    checkSame('maximum', parts[0], part)
    kernels.copyBlock(part.values, 0, size, side.values, i * size, size, 1, size, 0)
  })
  const argmax = ctx.empty([size], 'int32')
  const y = ctx.empty(shape)
  kernels.poolMax(side.values, null, y.values, argmax.ints, 1, parts.length, size)
  return ctx.record(y, parts, () => {
    const dy = ctx.gradientOf(y)
    const dSide = ctx.zeros(side.shape)
    kernels.poolMaxBackward(dy.values, argmax.ints, dSide.values, 1, parts.length, size)
    parts.forEach((part, i) => {
      ctx.give(part, (dPart, add) => {
        kernels.copyBlock(dSide.values, i * size, size, dPart.values, 0, size, 1, size, add)
      })
    })
  })
}

function checkSame(where: string, a: Tensor, b: Tensor): void {
  if (a.shape.length !== b.shape.length || a.shape.some((length, i) => length !== b.shape[i])) {
    throw shapeError(where, a.shape, b.shape)
  }
}
