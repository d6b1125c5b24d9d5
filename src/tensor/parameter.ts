import type { Backend } from '../kernels/kernels.ts'
import { sizeOf } from '../util/check.ts'
import type { Initializer } from './initializers.ts'
import { allocateTensor, type Tensor } from './tensor.ts'

/** A weight of a layer: declared when the layer is built, given memory with all of its model's. */
export class Parameter {
  /** Keras's name in camelCase: `kernel`, `recurrentKernel`, `bias`, `embeddings`. */
  readonly name: string
  readonly shape: readonly number[]
  readonly initializer: Initializer
  /** Path within the model, `bidirectional/forward/kernel`; unique, and the name in files. */
  path: string
  trainable = true
  /** Counts changes of the value, so that derived data (packed weights) knows when it is stale. */
  version = 0
  #value: Tensor | null = null

  constructor(name: string, shape: readonly number[], initializer: Initializer) {
    this.name = name
    this.path = name
    this.shape = shape
    this.initializer = initializer
  }

  get size(): number {
    return sizeOf(this.shape)
  }

  /** The weights; null until the model has been built. */
  get value(): Tensor {
    if (!this.#value) throw new Error(`parameter ${this.path} has no memory yet`)
    return this.#value
  }

  set value(tensor: Tensor) {
    this.#value = tensor
    this.version++
  }

  get hasValue(): boolean {
    return this.#value !== null
  }
}

/**
 * The memory of a model's parameters: one flat array of values and one of gradients, the trainable
 * parameters first, so that the optimizer and the gradient's norm each take one pass.
 */
export class ParameterSet {
  readonly parameters: readonly Parameter[]
  /** [N] every parameter, trainable ones first. */
  readonly values: Tensor
  /** [number of trainable elements] */
  readonly gradients: Tensor
  /** Where each trainable parameter lies in `gradients` and `values`. */
  readonly trainable: readonly { parameter: Parameter; start: number; size: number }[]

  readonly #backend: Backend
  readonly #homes: readonly { parameter: Parameter; value: Tensor }[]

  constructor(backend: Backend, parameters: readonly Parameter[]) {
    const first = parameters.filter((parameter) => parameter.trainable)
    const rest = parameters.filter((parameter) => !parameter.trainable)
    const size = parameters.reduce((sum, parameter) => sum + parameter.size, 0)
    this.parameters = parameters
    this.values = allocateTensor(backend.heap, [size])
    const trainable: { parameter: Parameter; start: number; size: number }[] = []
    const homes: { parameter: Parameter; value: Tensor }[] = []
    let start = 0
    for (const parameter of [...first, ...rest]) {
      const value = this.values.part(start, parameter.shape)
      value.tracked = parameter.trainable
      homes.push({ parameter, value })
      if (parameter.trainable) trainable.push({ parameter, start, size: parameter.size })
      start += parameter.size
    }
    this.trainable = trainable
    const last = trainable.at(-1)
    this.gradients = allocateTensor(backend.heap, [last ? last.start + last.size : 0])
    trainable.forEach(({ parameter, start }, i) => {
      homes[i].value.gradient = this.gradients.part(start, parameter.shape)
    })
    this.#backend = backend
    this.#homes = homes
    for (const { parameter, value } of homes) {
      if (!parameter.hasValue) parameter.value = value
    }
  }

  /**
   * Makes this set the home of its parameters, with their present values. Models that share a layer
   * take its weights from each other whenever they take a step.
   */
  claim(): void {
    for (const { parameter, value } of this.#homes) {
      if (parameter.hasValue) {
        if (parameter.value === value) continue
        value.values.set(parameter.value.values)
      }
      parameter.value = value
    }
  }

  /** Claims the parameters whose values a model on another backend holds, out of reach for this one. */
  bringHome(): void {
    const { heap } = this.#backend
    if (this.#homes.some(({ parameter }) => !parameter.value.isIn(heap))) this.claim()
  }

  /** Number of trainable elements. */
  get trainableSize(): number {
    return this.gradients.size
  }

  /** Tells every parameter that its value has changed. */
  touch(): void {
    for (const parameter of this.parameters) parameter.version++
  }
}
