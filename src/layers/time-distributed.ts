import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
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

class TimeDistributed extends SimpleLayer {
  readonly kind = 'timeDistributed'
  readonly layer: Layer

  constructor(layer: Layer, options: LayerOptions) {
    super(options)
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
    return recurrent(this.layer) ? 'each of its steps is a sequence of its own' : ''
  }

  options() {
    return { layer: this.layer.config }
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
    const [inner] = ctx.within(this.layer, () => this.layer.call(ctx, [rows]))
    const y = inner.view([batch, time, ...inner.shape.slice(1)])
    if (inner.logits) {
      const { tensor, activation } = inner.logits
      y.logits = { tensor: tensor.view(y.shape), activation }
    }
    y.mask = x.mask
    return y
  }
}

/**
 * The same layer, or model, at every step: [B,T,…] → [B,T,…]; frames of any number of dimensions. Masks
 * of steps pass; the inner layer runs on masked steps, too, and sees no mask. Keras's `TimeDistributed`.
 */
export function timeDistributed(layer: LayerLike, options: LayerOptions = {}): TimeDistributed {
  const inner = layer?.asLayer?.()
  if (!(inner instanceof Layer)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `timeDistributed: expected a layer such as dense({ units: 8 }), got ${show(layer)}`,
    )
  }
  return new TimeDistributed(inner, layerOptions('timeDistributed', options, []))
}
