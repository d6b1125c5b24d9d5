/** Layers that make one tensor of several: add, subtract, multiply, …, concatenate. */
import { RefrainError, show } from '../errors.ts'
import { broadcast, concatenateAxis } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import { eitherMask, joinMasks, type Mask } from '../tensor/mask.ts'
import {
  largest,
  add as plus,
  multiply as product,
  scaleRepeated,
  weightedSum,
} from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import {
  connect,
  Layer,
  type LayerOptions,
  layerOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'

/** A layer of several inputs and one output. */
export abstract class SeveralToOne extends Layer {
  override get wholeSequence() {
    return ''
  }

  /** Joins the layer to two symbolic values or more, and returns the value it makes. */
  apply(inputs: readonly SymbolicTensor[]): SymbolicTensor {
    if (!Array.isArray(inputs) || inputs.length === 0) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.kind}.apply: expected an array of symbolic values, got ${show(inputs)}`,
        `write ${this.kind}().apply([a, b])`,
      )
    }
    return connect(this, inputs)[0]
  }

  protected checkCount(inputs: readonly Shape[], least: number, most = Infinity): void {
    const { length } = inputs
    if (length >= least && length <= most) return
    const wanted = most === least ? `${least} inputs` : `at least ${least} inputs`
    throw new RefrainError(
      'BAD_SHAPE',
      `${this.name || this.kind}: expected ${wanted}, got ${length}`,
      `write ${this.kind}().apply([a, b])`,
    )
  }
}

/** Joins tensors of one shape; `masks` are null where every step counts. */
type Join = (ctx: Context, parts: readonly Tensor[], masks: readonly (Mask | null)[]) => Tensor

/** Element by element. */
class Merge extends SeveralToOne {
  readonly kind: string
  readonly #join: Join
  readonly #most: number

  constructor(kind: string, join: Join, options: LayerOptions, most = Infinity) {
    super(options)
    this.kind = kind
    this.#join = join
    this.#most = most
  }

  options() {
    return {}
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    this.checkCount(inputs, 2, this.#most)
    const rank = Math.max(...inputs.map((shape) => shape.length))
    const raised = inputs.map((shape) => withRank(shape, rank))
    const output = raised[0].map((_, axis) => {
      const lengths = raised.map((shape) => shape[axis]).filter((length) => length !== 1)
      const known = lengths.filter((length) => length !== null)
      if (known.some((length) => length !== known[0])) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${this.name || this.kind}: expected inputs of one shape, ` +
            `got ${inputs.map((shape) => show([...shape])).join(' and ')}`,
          'dimensions of length 1 are repeated',
        )
      }
      return lengths.includes(null) ? null : (known[0] ?? 1)
    })
    return [output]
  }

  call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    const rank = Math.max(...inputs.map(({ shape }) => shape.length))
    const raised = inputs.map((x) => withRank(x.shape, rank) as readonly number[])
    const shape = raised[0].map((_, axis) => {
      const repeated = raised.find((one) => one[axis] !== 1)
      return repeated ? repeated[axis] : 1
    })
    const parts = inputs.map((x, i) => {
      const same = x.shape.length === rank
      return broadcast(ctx, same ? x : x.view(raised[i]), shape)
    })
    const masks = inputs.map(({ mask }) => (mask?.steps === shape[1] ? mask : null))
    const y = this.#join(ctx, parts, masks)
    y.mask = anyOf(ctx, masks)
    return [y]
  }
}

/** As Keras: a step counts if it counts in any of the inputs; all do if one has no mask. */
const anyOf = (ctx: Context, masks: readonly (Mask | null)[]) =>
  masks.reduce((a, b) => a && b && eitherMask(ctx, a, b))

/** x [B,T,…] with zeros where `mask` does not count, or with `inverse` where it counts. */
function keep(ctx: Context, x: Tensor, { valid }: Mask, inverse = false): Tensor {
  const factors = ctx.empty([valid.size, 1])
  ctx.perform(() => {
    const { values } = factors
    const flags = valid.ints
    for (let i = 0; i < flags.length; i++) values[i] = inverse ? 1 - flags[i] : flags[i]
  })
  return scaleRepeated(ctx, x, factors, [valid.size, x.size / valid.size, 1])
}

/** x where `mask` counts, else y. */
const choose = (ctx: Context, mask: Mask | null, x: Tensor, y: Tensor) =>
  mask ? plus(ctx, keep(ctx, x, mask), keep(ctx, y, mask, true)) : x

/** The product; an input's masked steps are ones there, and zeros where none counts. */
const productOf: Join = (ctx, parts, masks) => {
  const ones = () => {
    const tensor = ctx.empty(parts[0].shape)
    ctx.kernels.fill(tensor.values, 1, tensor.size)
    return tensor
  }
  const y = parts
    .map((part, i) => (masks[i] ? choose(ctx, masks[i], part, ones()) : part))
    .reduce((a, b) => product(ctx, a, b))
  const mask = anyOf(ctx, masks)
  return mask ? keep(ctx, y, mask) : y
}

/** The largest of the inputs that count at a step; the first where none does. */
const largestOf: Join = (ctx, parts, masks) => {
  if (masks.every((mask) => mask === null)) return largest(ctx, parts)
  let [y] = parts
  let [counted] = masks
  parts.slice(1).forEach((part, i) => {
    const mask = masks[i + 1]
    const x = choose(ctx, mask, part, y)
    y = largest(ctx, [choose(ctx, counted, y, x), x])
    counted = mask && counted && eitherMask(ctx, mask, counted)
  })
  return y
}

/** As Keras: missing dimensions are of length 1 and stand behind the batch. */
function withRank<Length>(shape: readonly Length[], rank: number): (Length | 1)[] {
  const [batch, ...rest] = shape
  return [batch, ...new Array<1>(rank - shape.length).fill(1), ...rest]
}

const maker =
  (kind: string, join: Join, most?: number) =>
  (options: LayerOptions = {}): Merge =>
    new Merge(kind, join, layerOptions(kind, options, []), most)

const sum = (ctx: Context, parts: readonly Tensor[], scale: number) =>
  weightedSum(
    ctx,
    parts,
    parts.map(() => scale),
  )

/**
 * The sum of its inputs, element by element: `add().apply([a, b])`. Dimensions of length 1 are
 * repeated; an input of lower rank gets them behind the batch. Where all inputs are masked, a step
 * counts if it counts in any; else all do. Keras's `Add`.
 */
export const add = /* @__PURE__ */ maker('add', (ctx, parts) => sum(ctx, parts, 1))

/** The first input less the second: `subtract().apply([a, b])`. Shapes and masks as `add`. Keras's `Subtract`. */
export const subtract = /* @__PURE__ */ maker(
  'subtract',
  (ctx, parts) => weightedSum(ctx, parts, [1, -1]),
  2,
)

/**
 * The product of its inputs, element by element; masked steps of an input are left out of it, and are
 * zeros where all are masked. Shapes and masks as `add`. Keras's `Multiply`.
 */
export const multiply = /* @__PURE__ */ maker('multiply', productOf)

/** The mean of its inputs, element by element. Shapes and masks as `add`. Keras's `Average`. */
export const average = /* @__PURE__ */ maker('average', (ctx, parts) =>
  sum(ctx, parts, 1 / parts.length),
)

/**
 * The largest of its inputs, element by element; of equals the first has the gradient, and masked
 * steps of an input are left out. Shapes and masks as `add`. Keras's `Maximum`.
 */
export const maximum = /* @__PURE__ */ maker('maximum', largestOf)

/** The smallest of its inputs, element by element; otherwise as `maximum`. Keras's `Minimum`. */
export const minimum = /* @__PURE__ */ maker('minimum', (ctx, parts, masks) => {
  const negative = (x: Tensor) => weightedSum(ctx, [x], [-1])
  return negative(largestOf(ctx, parts.map(negative), masks))
})

/** Options of `concatenate`. */
export interface ConcatenateOptions extends LayerOptions {
  /** The dimension along which inputs are joined, the batch being 0; negative from the end. Default -1. */
  axis?: number
}

class Concatenate extends SeveralToOne {
  readonly kind = 'concatenate'
  readonly axis: number

  constructor(options: ConcatenateOptions) {
    super(options)
    this.axis = checkInteger("concatenate 'axis'", options.axis ?? -1, -8)
  }

  options() {
    return { axis: this.axis }
  }

  override get wholeSequence() {
    return this.axis === 1 ? 'it joins sequences' : ''
  }

  #axisOf(rank: number): number {
    const axis = this.axis < 0 ? this.axis + rank : this.axis
    if (axis >= 1 && axis < rank) return axis
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${this.name || this.kind} 'axis': expected a dimension after the batch of ${rank}, got ${this.axis}`,
    )
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    this.checkCount(inputs, 1)
    const rank = inputs[0].length
    const axis = this.#axisOf(rank)
    const output = inputs[0].map((_, i) => {
      const lengths = inputs.map((shape) => shape[i])
      const known = lengths.filter((length) => length !== null)
      if (i === axis) {
        return known.length < lengths.length ? null : known.reduce((sum, length) => sum + length, 0)
      }
      if (inputs.some((shape) => shape.length !== rank) || known.some((n) => n !== known[0])) {
        throw new RefrainError(
          'BAD_SHAPE',
          `${this.name || this.kind}: expected inputs that differ in dimension ${axis} alone, ` +
            `got ${inputs.map((shape) => show([...shape])).join(' and ')}`,
        )
      }
      return known[0] ?? null
    })
    return [output]
  }

  call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    const axis = this.#axisOf(inputs[0].shape.length)
    const y = concatenateAxis(ctx, inputs, axis)
    const masks = inputs.map(({ mask }) => mask)
    if (masks.some((mask) => mask !== null)) {
      if (axis === 1) {
        const lengths = inputs.map(({ shape }) => shape[1])
        y.mask = joinMasks(ctx.arena, masks, inputs[0].shape[0], lengths)
      } else {
        y.mask = anyOf(ctx, masks)
      }
    }
    return [y]
  }
}

/**
 * Its inputs side by side, or along another dimension: `concatenate().apply([a, b])`. Masks: along
 * time they are joined, too, steps of an input without one counting; otherwise a step counts if it
 * counts in any input. Keras's `Concatenate`.
 */
export function concatenate(options: ConcatenateOptions = {}): Concatenate {
  return new Concatenate(layerOptions('concatenate', options, ['axis']))
}
