import { RefrainError, show } from '../errors.ts'
import { activationCodes } from '../kernels/kernels.ts'
import type { Context } from '../tensor/context.ts'
import { activate } from '../tensor/ops.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { suggest } from '../util/check.ts'
import { type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'

/** Names of the activations, with Keras 3's definitions. */
export type ActivationName = keyof typeof activationCodes | 'softmax' | 'logSoftmax'

const names = [...Object.keys(activationCodes), 'softmax', 'logSoftmax']

/** Fails on an activation that does not exist, naming the nearest. */
export function checkActivation(where: string, name: unknown): ActivationName {
  if (typeof name !== 'string' || !names.includes(name)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `${where}: unknown activation ${show(name)}`,
      suggest(String(name), names),
    )
  }
  return name as ActivationName
}

export interface ActivationOptions extends LayerOptions {
  activation: ActivationName
}

class Activation extends SimpleLayer {
  readonly kind = 'activation'
  readonly activation: ActivationName

  constructor(options: ActivationOptions) {
    super(options)
    this.activation = checkActivation("activation 'activation'", options.activation)
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return { activation: this.activation }
  }

  outputShape(input: Shape): Shape {
    return input
  }

  forward(ctx: Context, x: Tensor): Tensor {
    const y = activate(ctx, this.activation, x)
    y.mask = x.mask
    return y
  }
}

/** An activation as a layer of its own. Shapes pass unchanged. */
export function activation(options: ActivationOptions | ActivationName): Activation {
  const given = typeof options === 'string' ? { activation: options } : options
  return new Activation(layerOptions('activation', given, ['activation']))
}
