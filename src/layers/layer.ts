/**
 * What every layer is: a configuration, parameters declared when its input's shape is known, and a
 * function from tensors to tensors. Layers are joined by `apply`, which calls nothing yet: it makes
 * the graph that a model runs.
 */
import { errorIn, RefrainError, show } from '../errors.ts'
import type { Constraint } from '../tensor/constraints.ts'
import type { Context } from '../tensor/context.ts'
import type { Initializer } from '../tensor/initializers.ts'
import { Parameter } from '../tensor/parameter.ts'
import { type Regularizer, type RegularizerLike, regularize } from '../tensor/regularizers.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { type GivenWeight, type NamedWeight, readWeights, writeWeights } from '../tensor/weights.ts'
import { checkInteger, checkOptions } from '../util/check.ts'
import { type Rules, resolveRules } from './rules.ts'

/** A shape whose first dimension is the batch; null stands for any length. */
export type Shape = readonly (number | null)[]

/** What can stand where a layer does: a layer, or a model. */
export interface LayerLike {
  asLayer(): Layer
}

/** Options that every layer takes. */
export interface LayerOptions {
  /** Unique within the model; by default the layer's kind with a number. */
  name?: string
  /** False keeps the layer's weights as they are. Default true. */
  trainable?: boolean
  /** For a model's first layer: the shape of one example, without the batch; null for any length. */
  inputShape?: Shape
  /**
   * What each output adds to the loss in training and `evaluate`, divided by the rows of the batch; not of
   * layers whose outputs are whole numbers.
   */
  activityRegularizer?: RegularizerLike
}

/** The option of layers that draw random numbers. */
export interface SeedOptions {
  /**
   * A whole number from which the layer's draws follow, with the number of the training step: two layers of
   * one seed draw the same. Default: the draws follow from the model's or `fit`'s seed.
   */
  seed?: number
}

/** A value that a model will have when it runs: what `input` and `layer.apply` return. */
export class SymbolicTensor {
  /** With the batch's dimension, null, in front. */
  readonly shape: Shape
  readonly dtype: DType
  /** The call that makes this value; null for a model's input. */
  readonly node: LayerCall | null
  readonly name: string

  constructor(shape: Shape, dtype: DType, node: LayerCall | null, name: string) {
    this.shape = shape
    this.dtype = dtype
    this.node = node
    this.name = name
  }
}

/** One use of a layer in a graph. */
export interface LayerCall {
  readonly layer: Layer
  readonly inputs: readonly SymbolicTensor[]
  readonly outputs: readonly SymbolicTensor[]
}

/** A layer and its options, as they stand in files. */
export interface LayerConfig {
  readonly kind: string
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
}

/** A state of all rows of a batch: [B,U]. */
export interface CarriedState {
  readonly shape: readonly number[]
  readonly values: Float32Array | Float64Array
}

/** The base of all layers. */
export abstract class Layer {
  /** The name of the function that makes it: 'lstm', 'dense', …. */
  abstract readonly kind: string
  name: string
  /** True if a model gave the name; a model in which it is taken gives another. */
  named = false
  /** False keeps the weights as they are, from the next `model.compile` on. */
  trainable: boolean
  readonly inputShape: Shape | null
  /** What its draws follow from; null: the model's. */
  readonly seed: number | null
  /** Regularizers and constraints by the names of their options. */
  readonly rules: Rules
  /** Keras's `stateful`: rows go on where those of the batch before ended. Recurrent layers only. */
  readonly stateful: boolean = false
  /** The states in which the last batch ended, where they are kept; null: zeros. */
  carried: readonly CarriedState[] | null = null
  #own: Parameter[] = []
  #built: readonly Shape[] | null = null
  #frozen = false

  constructor(options: LayerOptions) {
    this.name = options.name ?? ''
    this.trainable = options.trainable ?? true
    this.inputShape = options.inputShape ?? null
    this.seed = (options as SeedOptions).seed ?? null
    this.rules = resolveRules(options.name ?? 'layer', options)
  }

  /** Options other than name and inputShape, enough to make the layer again. */
  abstract options(): Record<string, unknown>
  /** Shapes of the outputs for these input shapes; throws `BAD_SHAPE` when they do not fit. */
  abstract outputShapes(inputs: readonly Shape[]): Shape[]
  /** Runs the layer. */
  abstract call(ctx: Context, inputs: readonly Tensor[]): Tensor[]
  /** Declares the parameters with `addWeight`. */
  protected declare(_inputs: readonly Shape[]): void {}

  /** Element type of the layer's first input. */
  get inputType(): DType {
    return 'float'
  }

  /** Element type of the layer's outputs. */
  get outputType(): DType {
    return 'float'
  }

  /** The layer whose weights this one reads, too; it must be in the same model. */
  get tiedTo(): Layer | null {
    return null
  }

  /** For a layer from a file that names another layer: finds it. */
  link(_find: (name: string) => Layer | undefined): void {}

  /** Element type of input i, of a layer with several. */
  inputTypeOf(_i: number): DType {
    return this.inputType
  }

  /** Layers inside this one. */
  get children(): readonly { role: string; layer: Layer }[] {
    return []
  }

  /** The layer's parameters, in Keras's order, those of layers inside it included. */
  get parameters(): readonly Parameter[] {
    return [...this.#own, ...this.children.flatMap(({ layer }) => layer.parameters)]
  }

  /** Whether this layer, or one around it, is not trainable. */
  protected get frozen(): boolean {
    return this.#frozen
  }

  get built(): boolean {
    return this.#built !== null
  }

  /** Declares the parameters, once the inputs' shapes are known. */
  build(inputs: readonly Shape[]): void {
    if (this.#built) {
      this.checkFeatures(this.#built[0], inputs[0])
      return
    }
    this.outputShapes(inputs)
    this.declare(inputs)
    this.#built = inputs
  }

  /** A layer with weights has a width, and keeps it. */
  protected checkFeatures(before: Shape, now: Shape): void {
    if (this.inputType !== 'float' || this.parameters.length === 0) return
    if (before.at(-1) !== now.at(-1)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `${this.name || this.kind}: the layer's weights are for ${before.at(-1)} features, ` +
          `got an input of shape ${show([...now])}`,
        'a shared layer takes inputs of one width',
      )
    }
  }

  /** Lets a stateful layer, and those inside this one, start from zeros again. */
  resetStates(): void {
    this.carried = null
    for (const { layer } of this.children) layer.resetStates()
  }

  /**
   * Declares a parameter; to be called by `declare`.
   *
   * @param trainable false for a weight that no optimizer moves, such as a moving mean
   */
  protected addWeight(
    name: string,
    shape: readonly number[],
    initializer: Initializer,
    { trainable = true } = {},
  ): Parameter {
    const parameter = new Parameter(name, shape, initializer)
    parameter.fixed = !trainable
    // Keras's `recurrentRegularizer` is for what it calls recurrent_kernel.
    const option = name === 'recurrentKernel' ? 'recurrent' : name
    parameter.regularizer = (this.rules[`${option}Regularizer`] as Regularizer) ?? null
    parameter.constraint = (this.rules[`${option}Constraint`] as Constraint) ?? null
    this.#own.push(parameter)
    return parameter
  }

  /** Runs the layer as a part of a model: `call`, and what its outputs add to the loss. */
  process(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    return this.regularize(
      ctx,
      ctx.seeded(this, () => this.call(ctx, inputs)),
    )
  }

  /** Lets outputs add to the loss what `activityRegularizer` says. */
  regularize(ctx: Context, outputs: Tensor[]): Tensor[] {
    const regularizer = this.rules.activityRegularizer as Regularizer | undefined
    if (!regularizer) return outputs
    for (const y of outputs) {
      // Keras: for each row of the batch.
      const share = 1 / Math.max(1, ctx.unfolded?.rows ?? y.shape[0])
      ctx.penalize(y, (dy) => regularize(ctx, regularizer, y, dy, share))
    }
    return outputs
  }

  /**
   * Whether a recurrent layer runs in the fused kernel, and why not; null for other layers. Dropout may
   * keep a layer from it in training only.
   */
  path(_training: boolean): { fused: boolean; reason: string } | null {
    return null
  }

  /** Why the layer cannot take a sequence a step at a time, for `model.step`; '' if it can. */
  get wholeSequence(): string {
    return 'it needs the whole sequence'
  }

  /** Gives each parameter its path, and takes `trainable` down to the layers inside. */
  nameParameters(prefix: string, trainable = true): void {
    const mine = trainable && this.trainable
    this.#frozen = !mine
    for (const parameter of this.#own) {
      parameter.path = `${prefix}/${parameter.name}`
      parameter.trainable = mine && !parameter.fixed
    }
    for (const { role, layer } of this.children) layer.nameParameters(`${prefix}/${role}`, mine)
  }

  /** The layer itself; a model gives the layer that it becomes inside another. */
  asLayer(): Layer {
    return this
  }

  /** The layer as it stands in files. */
  get config(): LayerConfig {
    const options: Record<string, unknown> = { ...this.options(), ...this.rules }
    if (!this.trainable) options.trainable = false
    if (this.seed !== null) options.seed = this.seed
    return { kind: this.kind, name: this.name, options }
  }

  /**
   * The weights in Keras's shapes and order (LSTM: kernel [I,4U], recurrentKernel [U,4U], bias [4U],
   * gates i, f, g, o). Throws `NOT_BUILT` before the model is built.
   */
  getWeights(): NamedWeight[] {
    return readWeights(this.#weights('getWeights'), 'name')
  }

  /**
   * Replaces the weights: as many arrays as `getWeights` returns, flat or `{ data }`, in the same
   * order. Throws `BAD_SHAPE` if number or lengths differ, and then changes nothing.
   */
  setWeights(weights: readonly GivenWeight[]): void {
    writeWeights(`${this.name}.setWeights`, this.#weights('setWeights'), 'name', weights)
  }

  #weights(where: string): readonly Parameter[] {
    const { parameters } = this
    if (!this.#built || parameters.some((parameter) => !parameter.hasValue)) {
      throw new RefrainError(
        'NOT_BUILT',
        `${where}: layer '${this.name || this.kind}' has no weights yet`,
        'call model.build([null, …]) first, or fit or predict once',
      )
    }
    return parameters
  }
}

/** A layer with one input and one output. */
export abstract class SimpleLayer extends Layer {
  /** The output's shape for this input shape; throws `BAD_SHAPE` when it does not fit. */
  abstract outputShape(input: Shape): Shape
  /** Runs the layer on its one input. */
  abstract forward(ctx: Context, x: Tensor): Tensor

  override outputShapes(inputs: readonly Shape[]): Shape[] {
    return [this.outputShape(inputs[0])]
  }

  override call(ctx: Context, inputs: readonly Tensor[]): Tensor[] {
    return [this.forward(ctx, inputs[0])]
  }

  /** Joins the layer to a symbolic value and returns the value it makes. */
  apply(x: SymbolicTensor): SymbolicTensor {
    return connect(this, [x])[0]
  }
}

const typeNames: Record<DType, string> = {
  float: 'numbers (dtype float)',
  int32: 'token ids (dtype int32)',
}

/** Joins a layer to its inputs in the graph. */
export function connect(layer: Layer, inputs: readonly SymbolicTensor[]): SymbolicTensor[] {
  for (const input of inputs) {
    if (!(input instanceof SymbolicTensor)) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${layer.kind}.apply: expected the result of input() or of another layer's apply, got ${show(input)}`,
      )
    }
  }
  inputs.forEach(({ dtype }, i) => {
    const wanted = layer.inputTypeOf(i)
    if (dtype === wanted) return
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${layer.name || layer.kind}: expected ${typeNames[wanted]}, got ${typeNames[dtype]}`,
      `write input({ shape, dtype: '${wanted}' })`,
    )
  })
  const shapes = inputs.map((input) => input.shape)
  layer.build(shapes)
  const outputs: SymbolicTensor[] = []
  const call: LayerCall = { layer, inputs, outputs }
  for (const shape of layer.outputShapes(shapes)) {
    outputs.push(new SymbolicTensor(shape, layer.outputType, call, layer.name))
  }
  return outputs
}

/** The options that cells and layers of whole numbers have, too. */
export const plainOptions = ['name', 'trainable', 'inputShape']

/** Checks a layer's options and returns them; all layers but some have those of `base`. */
export function layerOptions<O extends LayerOptions>(
  kind: string,
  options: O,
  known: readonly string[],
  base: readonly string[] = [...plainOptions, 'activityRegularizer'],
): O {
  if (typeof options !== 'object' || options === null) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${kind}: expected an object of options, got ${show(options)}`,
      `write ${kind}({ … })`,
    )
  }
  checkOptions(kind, options, [...known, ...base])
  const { seed } = options as SeedOptions
  if (seed !== undefined) checkInteger(`${kind} 'seed'`, seed, 0)
  return { ...options, ...resolveRules(kind, options) }
}

/** What `run` gives, with the layer's name before errors of the layers inside it. */
export function inside<Result>(layer: Layer, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw error instanceof RefrainError ? errorIn(layer.name || layer.kind, error) : error
  }
}

/** Fails unless a shape has `rank` dimensions, the batch included. */
export function checkRank(layer: Layer, shape: Shape, rank: number, meaning: string): void {
  if (shape.length !== rank) {
    const lastStep = rank === 3 && shape.length === 2 && meaning.startsWith('[batch, time')
    throw new RefrainError(
      'BAD_SHAPE',
      `${layer.name || layer.kind}: expected an input of ${rank} dimensions ${meaning}, ` +
        `got shape ${show([...shape])}`,
      lastStep ? 'a recurrent layer before this one would need returnSequences: true' : '',
    )
  }
}

/** The last dimension, which must be known. */
export function featuresOf(layer: Layer, shape: Shape): number {
  const features = shape.at(-1)
  if (features === null || features === undefined) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${layer.name || layer.kind}: the input's last dimension must be known, got shape ${show([...shape])}`,
    )
  }
  return features
}
