/** Cells that a user writes. */
import { RefrainError, show } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import { type InitializerLike, resolveInitializer } from '../tensor/initializers.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { shapeError } from '../tensor/tensor.ts'
import { Cell, type CellStep } from './cell.ts'
import { featuresOf, type Shape } from './layer.ts'
import { type Operations, operations } from './operations.ts'
import type { StepOutput } from './steps.ts'

/** A weight's shape; or shape and initializer, by default 'glorotUniform', for one dimension 'zeros'. */
export type WeightDefinition =
  | readonly number[]
  | { readonly shape: readonly number[]; readonly initializer?: InitializerLike }

/** What `defineCell` takes. `Options` are numbers, texts and the like, which go into files as JSON. */
export interface CellDefinition<Options extends object, Weight extends string> {
  /** The name in files: `loadModel(path, { customLayers: { name: … } })` finds the cell by it. */
  name: string
  /** Width of each state. */
  stateSizes(options: Options): readonly number[]
  /** A name for each state, as in `model.step`'s; default state1, state2, …. */
  stateNames?: readonly string[]
  /** Width of the output; default: of the first state. */
  outputSize?(options: Options): number
  /** The weights by name, in order, for x [B,inputSize]; default none. */
  weights?(options: Options & { readonly inputSize: number }): Record<Weight, WeightDefinition>
  /** One step of B rows: x [B,inputSize] and states [B,size] to output [B,outputSize] and states. */
  step(given: {
    readonly x: Tensor
    readonly states: readonly Tensor[]
    readonly weights: Readonly<Record<Weight, Tensor>>
    readonly ops: Operations
    readonly options: Options
  }): StepOutput
}

/** Options of a defined cell: its own, and a layer's. */
export type DefinedCellOptions<Options> = Options & { name?: string; trainable?: boolean }

class DefinedCell<Options extends object, Weight extends string> extends Cell {
  readonly kind: string
  readonly outputSize: number
  readonly stateSizes: readonly number[]
  readonly stateNames: readonly string[]
  readonly #definition: CellDefinition<Options, Weight>
  readonly #options: Options
  readonly #weights = {} as Record<Weight, Parameter>

  constructor(definition: CellDefinition<Options, Weight>, given: DefinedCellOptions<Options>) {
    super(given)
    const { name: _name, trainable: _trainable, ...options } = given
    this.#definition = definition
    this.#options = options as unknown as Options
    this.kind = definition.name
    this.stateSizes = definition.stateSizes(this.#options)
    const names = definition.stateNames ?? this.stateSizes.map((_, i) => `state${i + 1}`)
    this.stateNames = names
    const sizes = [...this.stateSizes, definition.outputSize?.(this.#options) ?? this.stateSizes[0]]
    this.outputSize = sizes.at(-1)!
    const isSize = (size: unknown) => Number.isInteger(size) && (size as number) > 0
    if (!sizes.every(isSize) || names.length !== this.stateSizes.length) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.kind}: expected widths and as many names of states, and the output's width, got ` +
          `stateSizes ${show([...this.stateSizes])}, stateNames ${show([...names])}, ` +
          `outputSize ${show(this.outputSize)}`,
      )
    }
  }

  options() {
    return { ...this.#options } as Record<string, unknown>
  }

  copy(): Cell {
    const { name, trainable } = this
    return new DefinedCell(this.#definition, { ...this.#options, name, trainable })
  }

  protected override declare([x]: readonly Shape[]) {
    const weights = this.#definition.weights?.({
      ...this.#options,
      inputSize: featuresOf(this, x),
    })
    for (const [name, given] of Object.entries(weights ?? {})) {
      const { shape, initializer } = (Array.isArray(given) ? { shape: given } : given) as {
        shape: readonly number[]
        initializer?: InitializerLike
      }
      const fallback = shape.length > 1 ? 'glorotUniform' : 'zeros'
      this.#weights[name as Weight] = this.addWeight(
        name,
        shape,
        resolveInitializer(`${this.kind} '${name}'`, initializer ?? fallback),
      )
    }
  }

  begin(ctx: Context, rows: number): CellStep {
    const weights = {} as Record<Weight, Tensor>
    for (const name in this.#weights) weights[name] = this.#weights[name].value
    const [ops, options] = [operations(ctx), this.#options]
    return (x, states) => {
      const result = this.#definition.step({ x, states, weights, ops, options })
      this.#check(rows, result)
      return result
    }
  }

  /** Kernels trust sizes. */
  #check(rows: number, result: StepOutput): void {
    const { output, states } = result ?? {}
    if (!output?.shape || states?.length !== this.stateSizes.length) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${this.kind}.step: expected { output, states } with ${this.stateSizes.length} states, ` +
          `got ${show(result)}`,
      )
    }
    const check = (what: string, { shape }: Tensor, size: number) => {
      if (shape.length === 2 && shape[0] === rows && shape[1] === size) return
      throw shapeError(`${this.kind}.step: ${what}`, [rows, size], shape)
    }
    check('output', output, this.outputSize)
    for (const [i, state] of states.entries()) {
      check(`state '${this.stateNames[i]}'`, state, this.stateSizes[i])
    }
  }
}

/**
 * A cell of one's own: declares its weights and states and computes a step with operations, which have
 * gradients. `rnn(cell)` adds masks, directions, states and streams.
 *
 *     const minimal = defineCell({
 *       name: 'minimal',
 *       stateSizes: ({ units }: { units: number }) => [units],
 *       weights: ({ inputSize, units }) => ({
 *         kernel: [inputSize, units],
 *         recurrentKernel: { shape: [units, units], initializer: 'orthogonal' },
 *         bias: [units],
 *       }),
 *       step({ x, states: [h], weights, ops }) {
 *         const fromState = ops.linear(h, weights.recurrentKernel)
 *         const output = ops.tanh(ops.add(ops.linear(x, weights.kernel, weights.bias), fromState))
 *         return { output, states: [output] }
 *       },
 *     })
 *     sequential([rnn(minimal({ units: 32 })), dense({ units: 1 })])
 *
 * A saved model names the cell: `loadModel(path, { customLayers: { minimal } })`.
 */
export function defineCell<Options extends object, Weight extends string = never>(
  definition: CellDefinition<Options, Weight>,
): (options: DefinedCellOptions<Options>) => Cell {
  if (typeof definition?.name !== 'string' || typeof definition.step !== 'function') {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `defineCell: expected { name, stateSizes, weights, step }, got ${show(definition)}`,
    )
  }
  return (options) => new DefinedCell(definition, options)
}
