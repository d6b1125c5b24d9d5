import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Mask } from '../tensor/mask.ts'
import { gather } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'
import {
  inside,
  Layer,
  type LayerLike,
  type LayerOptions,
  layerOptions,
  type Shape,
  SimpleLayer,
} from './layer.ts'
import { RecurrentLayer } from './recurrent.ts'

/** Options of {@link timeDistributed}. */
export interface TimeDistributedOptions extends LayerOptions {
  /**
   * Run the inner layer once for all equal steps of a batch: for a layer of ids, such as the characters
   * of words, most of which occur again and again. Its dropout then is that of all of them. Default
   * false.
   */
  distinct?: boolean
}

class TimeDistributed extends SimpleLayer {
  readonly kind = 'timeDistributed'
  readonly layer: Layer
  readonly distinct: boolean

  constructor(layer: Layer, options: TimeDistributedOptions) {
    super(options)
    this.distinct = options.distinct ?? false
    if (this.distinct && layer.inputType !== 'int32') {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `timeDistributed 'distinct': expected a layer of ids, ${layer.kind} takes numbers`,
        'put an embedding first, or leave it out',
      )
    }
    this.layer = layer
    this.layer.name ||= layer.kind
  }

  override get children() {
    return [{ role: 'layer', layer: this.layer }]
  }

  override get inputType() {
    return this.layer.inputType
  }

  override get wholeSequence() {
    const recurrent = (layer: Layer): boolean =>
      layer instanceof RecurrentLayer || layer.children.some((child) => recurrent(child.layer))
    if (this.distinct) return 'it looks for equal steps in the whole batch'
    return recurrent(this.layer) ? 'each of its steps is a sequence of its own' : ''
  }

  options() {
    return { layer: this.layer.config, ...(this.distinct && { distinct: true }) }
  }

  outputShape([batch, time, ...rest]: Shape): Shape {
    if (time === undefined || rest.length === 0) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: expected an input of at least 3 dimensions [batch, time, …], ` +
          `got shape ${show([batch, time, ...rest])}`,
      )
    }
    const outputs = inside(this, () => this.layer.outputShapes([[null, ...rest]]))
    if (outputs.length > 1) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.name || this.kind}: expected a layer of one output, ` +
          `${this.layer.name} has ${outputs.length}`,
      )
    }
    const [, ...inner] = outputs[0]
    return [batch, time, ...inner]
  }

  protected override declare([[, , ...rest]]: readonly Shape[]) {
    inside(this, () => this.layer.build([[null, ...rest]]))
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const [batch, time, ...rest] = x.shape
    const rows = x.view([batch * time, ...rest])
    if (this.distinct) return this.#distinct(ctx, rows, x)
    const inner = this.#run(ctx, x, rows)
    const y = inner.view([batch, time, ...inner.shape.slice(1)])
    if (inner.logits) {
      y.logits = { ...inner.logits, tensor: inner.logits.tensor.view(y.shape) }
    }
    y.mask = x.mask
    return y
  }

  /** The inner layer's output of `rows`, steps of x. */
  #run(ctx: Context, x: { shape: readonly number[]; mask: Mask | null }, rows: Tensor): Tensor {
    return ctx.asRows(x, () => ctx.within(this.layer, () => this.layer.process(ctx, [rows])[0]))
  }

  #distinct(ctx: Context, rows: Tensor, { shape, mask }: Tensor): Tensor {
    const index = ctx.empty([rows.shape[0]], 'int32')
    const different = distinctRows(ctx, rows, index.ints)
    const inner = this.#run(ctx, { shape, mask: null }, different)
    const [count, ...each] = inner.shape
    const y = gather(ctx, inner.view([count, sizeOf(each)]), index)
    const spread = y.view([shape[0], shape[1], ...each])
    spread.mask = mask
    return spread
  }
}

/** The rows of int32 x [N,…] that differ, in their order; `index` [N] gets each row's number there. */
function distinctRows(ctx: Context, x: Tensor, index: Int32Array): Tensor {
  const [rows, ...each] = x.shape
  const size = sizeOf(each)
  const ids = x.ints
  // A hash table of rows' numbers + 1, twice as large as it need be.
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * rows + 1)))
  const first: number[] = []
  for (let row = 0; row < rows; row++) {
    const start = row * size
    let hash = 0
    for (let i = start; i < start + size; i++) hash = Math.imul(hash ^ ids[i], 0x01000193)
    let slot = (hash ^ (hash >>> 15)) & (slots.length - 1)
    while (slots[slot] !== 0 && !sameRow(ids, start, first[slots[slot] - 1] * size, size)) {
      slot = (slot + 1) & (slots.length - 1)
    }
    if (slots[slot] === 0) slots[slot] = first.push(row)
    index[row] = slots[slot] - 1
  }
  const different = ctx.empty([first.length, ...each], 'int32')
  const out = different.ints
  first.forEach((row, i) => {
    out.set(x.ints.subarray(row * size, (row + 1) * size), i * size)
  })
  return different
}

function sameRow(ids: Int32Array, a: number, b: number, size: number): boolean {
  for (let i = 0; i < size; i++) if (ids[a + i] !== ids[b + i]) return false
  return true
}

/**
 * The same layer, or model, at every step: [B,T,…] → [B,T,…]; frames of any number of dimensions. Masks
 * of steps pass; the inner layer runs on masked steps, too, and sees no mask, but `batchNormalization`
 * inside leaves them out of its statistics. Those are of all steps together, where Keras 3 normalizes each
 * step by itself. An `activityRegularizer` inside counts for each row of the batch, as one of the wrapper
 * does; Keras leaves it out unless it is inside a model. Keras's `TimeDistributed`.
 */
export function timeDistributed(
  layer: LayerLike,
  options: TimeDistributedOptions = {},
): TimeDistributed {
  const inner = layer?.asLayer?.()
  if (!(inner instanceof Layer)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `timeDistributed: expected a layer such as dense({ units: 8 }), got ${show(layer)}`,
    )
  }
  return new TimeDistributed(inner, layerOptions('timeDistributed', options, ['distinct']))
}
