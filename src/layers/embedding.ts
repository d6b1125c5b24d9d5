import { RefrainError } from '../errors.ts'
import type { Context } from '../tensor/context.ts'
import {
  type Initializer,
  type InitializerLike,
  initializerConfig,
  randomUniform,
  resolveInitializer,
} from '../tensor/initializers.ts'
import { bothMasks, maskBy } from '../tensor/mask.ts'
import { gather } from '../tensor/ops.ts'
import type { Parameter } from '../tensor/parameter.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { checkInteger } from '../util/check.ts'
import { type LayerOptions, layerOptions, type Shape, SimpleLayer } from './layer.ts'
import { ruleNames, type WeightRules } from './rules.ts'

export interface EmbeddingOptions extends LayerOptions, WeightRules<'embeddings'> {
  /** Number of ids, V: they run from 0 to V - 1. */
  inputDim: number
  /** Width of the vectors. */
  outputDim: number
  /** Uniform within ±0.05 by default. */
  embeddingsInitializer?: InitializerLike
  /** True: id 0 is padding and later layers skip its steps. Default false. */
  maskZero?: boolean
}

/** The layer behind `embedding`. */
export class Embedding extends SimpleLayer {
  readonly kind = 'embedding'
  readonly inputDim: number
  readonly outputDim: number
  readonly maskZero: boolean
  readonly embeddingsInitializer: Initializer
  #embeddings!: Parameter
  #tied = false

  constructor(options: EmbeddingOptions) {
    super(options)
    this.inputDim = checkInteger("embedding 'inputDim'", options.inputDim)
    this.outputDim = checkInteger("embedding 'outputDim'", options.outputDim)
    this.maskZero = options.maskZero ?? false
    this.embeddingsInitializer = resolveInitializer(
      "embedding 'embeddingsInitializer'",
      options.embeddingsInitializer ?? randomUniform(),
    )
  }

  override get inputType(): DType {
    return 'int32'
  }

  override get wholeSequence() {
    return ''
  }

  options() {
    return {
      inputDim: this.inputDim,
      outputDim: this.outputDim,
      maskZero: this.maskZero,
      embeddingsInitializer: initializerConfig(this.embeddingsInitializer),
    }
  }

  outputShape(input: Shape): Shape {
    return [...input, this.outputDim]
  }

  protected override declare() {
    const shape = [this.inputDim, this.outputDim]
    this.#embeddings = this.addWeight('embeddings', shape, this.embeddingsInitializer)
    this.#embeddings.byRows = !this.#tied
  }

  /** Lets another layer read all of the table: its gradient then is whole. */
  tie(): void {
    this.#tied = true
    if (this.built) this.#embeddings.byRows = false
  }

  /** The table [inputDim, outputDim]. */
  get table(): Tensor {
    return this.#embeddings.value
  }

  forward(ctx: Context, ids: Tensor): Tensor {
    ctx.perform(() => this.#check(ids))
    const used = ctx.recording ? this.#embeddings.usedRows : null
    const table = used ? this.#embeddings.memory : this.#embeddings.value
    const y = gather(ctx, table, ids, used)
    y.mask = ids.mask
    if (this.maskZero && ids.shape.length === 2) {
      const mask = maskBy(ctx, ids.shape, (flags) => {
        const given = ids.ints
        for (let i = 0; i < flags.length; i++) flags[i] = given[i] === 0 ? 0 : 1
      })
      y.mask = bothMasks(ctx.arena, ids.mask, mask)
    }
    return y
  }

  #check(ids: Tensor) {
    const given = ids.ints
    for (let i = 0; i < given.length; i++) {
      if (given[i] < 0 || given[i] >= this.inputDim) {
        throw new RefrainError(
          'BAD_DATA',
          `${this.name || this.kind}: expected ids from 0 to ${this.inputDim - 1}, ` +
            `got ${given[i]} at position ${i % (ids.shape.at(-1) ?? 1)} of a row`,
          'raise inputDim, or map unknown tokens to a reserved id',
        )
      }
    }
  }
}

/**
 * A trainable vector for each id: [B,T] int32 → [B,T,outputDim]. Weight: embeddings
 * [inputDim, outputDim]. Ids outside 0 … inputDim - 1 fail with `BAD_DATA`. Keras's `Embedding`.
 */
export function embedding(options: EmbeddingOptions): Embedding {
  return new Embedding(
    layerOptions('embedding', options, [
      'inputDim',
      'outputDim',
      'embeddingsInitializer',
      'maskZero',
      ...ruleNames('embeddings'),
    ]),
  )
}
