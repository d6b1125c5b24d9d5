/** A layer that a user writes as a function of tensors. */
import { RefrainError, show } from '../errors.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { sizeOf } from '../util/check.ts'
import {
  connect,
  Layer,
  type LayerOptions,
  layerOptions,
  type Shape,
  type SymbolicTensor,
} from './layer.ts'
import { type Operations, operations } from './operations.ts'

/** What a lambda layer computes: `inputs` are all tensors that it was applied to, `x` is the first. */
export type LambdaFunction = (given: {
  readonly x: Tensor
  readonly inputs: readonly Tensor[]
  readonly ops: Operations
}) => Tensor

/** Options of `lambda`. */
export interface LambdaOptions extends LayerOptions {
  /** The layer's name, by which `loadModel(path, { customLayers: { name: call } })` finds `call`. */
  name: string
  /** The output [B,…] of the inputs [B,…]. */
  call: LambdaFunction
  /** The output's shape; by default `call` is tried on small inputs of zeros. */
  outputShape?: (inputs: readonly Shape[]) => Shape
  /** The first input's mask goes on to the output, which must have its [B,T]. Default false, as Keras. */
  keepMask?: boolean
  /** Each time step is computed from this step alone, as `model.step` needs it. Default false. */
  perStep?: boolean
}

class Lambda extends Layer {
  readonly kind = 'lambda'
  readonly function: LambdaFunction
  readonly keepMask: boolean
  readonly perStep: boolean
  readonly #outputShape: LambdaOptions['outputShape']

  constructor(options: LambdaOptions) {
    super(options)
    if (typeof options.name !== 'string' || typeof options.call !== 'function') {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `lambda: expected a name and a function 'call', got ${show(options)}`,
        "write lambda({ name: 'double', call: ({ x, ops }) => ops.multiply(x, 2) })",
      )
    }
    this.function = options.call
    this.keepMask = options.keepMask ?? false
    this.perStep = options.perStep ?? false
    this.#outputShape = options.outputShape
  }

  options() {
    const { keepMask, perStep } = this
    return { keepMask, perStep }
  }

  override get wholeSequence() {
    return this.perStep ? '' : 'perStep: true would say that each step is computed by itself'
  }

  outputShapes(inputs: readonly Shape[]): Shape[] {
    return [this.#outputShape?.(inputs) ?? this.#inferShape(inputs)]
  }

  /** Lengths that are open, null, are 2 in one trial and 3 in another: what differs is open. */
  #inferShape(inputs: readonly Shape[]): Shape {
    const [two, three] = [2, 3].map((length) => {
      const backend = referenceBackend()
      const ctx = new Context(backend, new Arena(backend.heap))
      try {
        return this.#run(
          ctx,
          inputs.map((shape) => ctx.zeros(shape.map((size) => size ?? length))),
        ).shape
      } catch (error) {
        throw new RefrainError(
          'BAD_ARGUMENT',
          `${this.name}: its shape could not be found by a trial: ${(error as Error).message}`,
          'give lambda the option outputShape: (inputs) => shape',
          { cause: error },
        )
      }
    })
    return two.map((size, axis) => (size === three[axis] ? size : null))
  }

  #run(ctx: Context, inputs: readonly Tensor[]): Tensor {
    const y = this.function({ x: inputs[0], inputs, ops: operations(ctx) })
    if (!y?.shape || sizeOf(y.shape) !== y.size) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.name}: expected a tensor of call, got ${show(y)}`,
      )
    }
    // An input itself, given back, would lose or gain a mask.
    return inputs.includes(y) ? y.view(y.shape) : y
  }

  call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    const y = this.#run(ctx, inputs)
    y.mask = this.keepMask ? inputs[0].mask : null
    return [y]
  }

  /** Joins the layer to one value or several. */
  apply(x: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor {
    return connect(this, [x].flat() as SymbolicTensor[])[0]
  }
}

/**
 * A layer of a function: no weights, gradients by the operations it uses. Keras's `Lambda`.
 *
 *     lambda({ name: 'double', call: ({ x, ops }) => ops.multiply(x, 2) })
 *
 * A saved model names the function: `loadModel(path, { customLayers: { double: call } })`.
 */
export function lambda(options: LambdaOptions): Lambda {
  const known = ['call', 'outputShape', 'keepMask', 'perStep']
  return new Lambda(layerOptions('lambda', options, known))
}
