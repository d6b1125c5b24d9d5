import type { Backend } from '../kernels/kernels.ts'
import { sizeOf } from '../util/check.ts'
import type { Constraint } from './constraints.ts'
import type { Initializer } from './initializers.ts'
import type { Regularizer } from './regularizers.ts'
import type { UsedRows } from './rows.ts'
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
  /** True for one that no optimizer moves, whatever its layer says: a moving mean. */
  fixed = false
  /** Counts changes of the value, so that derived data (packed weights) knows when it is stale. */
  version = 0
  /** True for a table [V,D] of which a batch reads only some rows, by `gather`. */
  byRows = false
  /** What its weights add to the loss; null: nothing. */
  regularizer: Regularizer | null = null
  /** What its weights are made to be after each of the optimizer's steps; null: as they come. */
  constraint: Constraint | null = null
  /** Set while a trainer moves the table's rows one by one: those that the present step uses. */
  usedRows: UsedRows | null = null
  /** Makes up for what the optimizer has put off; null: the value is what it should be. */
  settle: (() => void) | null = null
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

  /** The weights. An error until the model has been built. */
  get value(): Tensor {
    this.settle?.()
    return this.memory
  }

  set value(tensor: Tensor) {
    this.#value = tensor
    this.version++
  }

  /** As `value`, but rows of a table may lag behind: for those who bring them up to date. */
  get memory(): Tensor {
    if (!this.#value) throw new Error(`parameter ${this.path} has no memory yet`)
    return this.#value
  }

  get hasValue(): boolean {
    return this.#value !== null
  }
}

/** A trainable parameter and where it lies in a set's values. */
export interface Place {
  readonly parameter: Parameter
  readonly start: number
  readonly size: number
}

/**
 * The memory of a model's parameters: one flat array of values, the trainable parameters first, so
 * that an optimizer's step takes few passes.
 */
export class ParameterSet {
  readonly parameters: readonly Parameter[]
  readonly trainable: readonly Place[]

  readonly #backend: Backend
  /** [N] every parameter, trainable ones first. */
  readonly #values: Tensor
  readonly #homes: readonly { parameter: Parameter; value: Tensor }[]

  constructor(backend: Backend, parameters: readonly Parameter[]) {
    const first = parameters.filter((parameter) => parameter.trainable)
    const rest = parameters.filter((parameter) => !parameter.trainable)
    const size = parameters.reduce((sum, parameter) => sum + parameter.size, 0)
    this.parameters = parameters
    this.#values = allocateTensor(backend.heap, [size])
    const trainable: Place[] = []
    const homes: { parameter: Parameter; value: Tensor }[] = []
    let start = 0
    for (const parameter of [...first, ...rest]) {
      const value = this.#values.part(start, parameter.shape)
      value.tracked = parameter.trainable
      homes.push({ parameter, value })
      if (parameter.trainable) trainable.push({ parameter, start, size: parameter.size })
      start += parameter.size
    }
    this.trainable = trainable
    this.#backend = backend
    this.#homes = homes
    for (const { parameter, value } of homes) {
      if (!parameter.hasValue) parameter.value = value
    }
  }

  /** [N] every parameter's weights, trainable ones first. */
  get values(): Tensor {
    for (const { settle } of this.parameters) settle?.()
    return this.#values
  }

  /** As `values`, but rows of tables may lag behind. */
  get memory(): Tensor {
    return this.#values
  }

  /**
   * Memory for the gradients of some of the trainable parameters, side by side; those of others, and
   * of all before this is called, lie in the step's arena.
   */
  allocateGradients(places: readonly Place[]): Tensor {
    const size = places.reduce((sum, place) => sum + place.size, 0)
    const gradients = allocateTensor(this.#backend.heap, [size])
    let start = 0
    for (const { parameter, size } of places) {
      const home = this.#homes.find((home) => home.parameter === parameter)!
      home.value.gradientHome = gradients.part(start, parameter.shape)
      start += size
    }
    return gradients
  }

  /** Forgets the gradients of the last step. */
  clearGradients(): void {
    for (const { value } of this.#homes) value.gradient = null
  }

  /**
   * Makes this set the home of its parameters, with their present values. Models that share a layer
   * take its weights from each other whenever they take a step.
   */
  claim(): void {
    for (const { parameter, value } of this.#homes) {
      if (parameter.hasValue) {
        if (parameter.memory === value) continue
        value.values.set(parameter.value.values)
      }
      parameter.settle = null
      parameter.usedRows = null
      parameter.value = value
    }
  }

  /** Claims the parameters whose values a model on another backend holds, out of reach for this one. */
  bringHome(): void {
    const { heap } = this.#backend
    if (this.#homes.some(({ parameter }) => !parameter.memory.isIn(heap))) this.claim()
  }

  /** Number of trainable elements. */
  get trainableSize(): number {
    const last = this.trainable.at(-1)
    return last ? last.start + last.size : 0
  }

  /** Tells every parameter that its value has changed. */
  touch(): void {
    for (const parameter of this.parameters) parameter.version++
  }
}
