/**
 * The network of a translator: source → embedding → bidirectional LSTM; target so far → embedding →
 * LSTM that begins where the encoder ended and attends to its outputs → softmax over the target's
 * pieces, which reads the embedding's table. Training runs it as one model, on all target pieces at
 * once; decoding calls the same layers a step at a time.
 */
import { RefrainError } from '../../errors.ts'
import { AttentionDecoder, attentionDecoder, type Memory } from '../../layers/attention-decoder.ts'
import { Bidirectional, bidirectional } from '../../layers/bidirectional.ts'
import { dropout as dropoutLayer } from '../../layers/dropout.ts'
import { Embedding, embedding } from '../../layers/embedding.ts'
import { input } from '../../layers/input.ts'
import type { Layer, SymbolicTensor } from '../../layers/layer.ts'
import { lstm } from '../../layers/lstm.ts'
import { concatenate as sideBySide } from '../../layers/merge.ts'
import { scheduledSampling } from '../../layers/scheduled-sampling.ts'
import { tiedDense } from '../../layers/tied-dense.ts'
import { model } from '../../model/functional.ts'
import type { Model } from '../../model/model.ts'
import type { Context } from '../../tensor/context.ts'
import { randomUniform } from '../../tensor/initializers.ts'
import { concatenate } from '../../tensor/ops.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** Sizes and rates of a network. */
export interface NetworkOptions {
  readonly embedding: number
  readonly units: number
  readonly dropout: number
  readonly inputFeeding: boolean
  readonly scheduledSampling: number
  readonly seed: number
}

/** The model of target pieces so far [B,T] and source pieces [B,S] to the next target pieces [B,T,V]. */
export function buildNetwork(
  sourceSize: number,
  targetSize: number,
  options: NetworkOptions,
): Model {
  const { units, dropout: rate, inputFeeding, seed } = options
  const drop = (x: SymbolicTensor) => (rate > 0 ? dropoutLayer({ rate }).apply(x) : x)
  // Keras's ±0.05 is too little for a table that is the softmax, too: all that the network knows at
  // first is how frequent pieces are, and for long.
  const limit = Math.sqrt(3 / options.embedding)
  const embeddingsInitializer = randomUniform({ minval: -limit, maxval: limit })
  const table = (inputDim: number, name: string) =>
    embedding({
      inputDim,
      outputDim: options.embedding,
      maskZero: true,
      embeddingsInitializer,
      name,
    })
  // Batches are cut by the length of the first input: the target's decides what a step costs.
  const target = input({ shape: [null], dtype: 'int32', name: 'target' })
  const source = input({ shape: [null], dtype: 'int32', name: 'source' })
  const encoder = bidirectional(lstm({ units, returnSequences: true, returnState: true }), {
    name: 'encoder',
  })
  const read = encoder.apply(drop(table(sourceSize, 'sourceEmbedding').apply(source)))
  const [forwardH, forwardC, backwardH, backwardC] = read.states
  const words = table(targetSize, 'targetEmbedding')
  const decoder = attentionDecoder({
    units: 2 * units,
    width: options.embedding,
    inputFeeding,
    dropout: rate,
    name: 'decoder',
  })
  const memory = drop(read.output)
  const initialState = {
    h: sideBySide({ name: 'firstH' }).apply([forwardH, backwardH]),
    c: sideBySide({ name: 'firstC' }).apply([forwardC, backwardC]),
  }
  const softmax = tiedDense(words, { activation: 'softmax', name: 'next' })
  const predict = (ids: SymbolicTensor) =>
    softmax.apply(decoder.apply(drop(words.apply(ids)), memory, { initialState }).output)
  const first = predict(target)
  const { scheduledSampling: share } = options
  const next = share > 0 ? predict(scheduledSampling({ rate: share }).apply(target, first)) : first
  return model({ inputs: [target, source], outputs: next, name: 'translate', seed }).build()
}

/** What a decoder carries from step to step, as its layer has it, and what it looks at. */
export interface Encoded {
  readonly memory: Memory
  readonly h: Tensor
  readonly c: Tensor
}

/** The layers of a model that `buildNetwork` made, for decoding. */
export class Network {
  readonly model: Model
  readonly sources: Embedding
  readonly targets: Embedding
  readonly decoder: AttentionDecoder
  readonly #encoder: Bidirectional
  readonly #next: Layer

  /** Throws `BAD_FILE` if the model lacks one of the layers. */
  constructor(model: Model) {
    const find = <L extends Layer>(name: string, kind: abstract new (...args: never[]) => L): L => {
      const layer = model.layers.find((one) => one.name === name)
      if (layer instanceof kind) return layer
      throw new RefrainError('BAD_FILE', `expected a layer '${name}' of a translator in the model`)
    }
    this.model = model
    this.sources = find('sourceEmbedding', Embedding)
    this.targets = find('targetEmbedding', Embedding)
    this.decoder = find('decoder', AttentionDecoder)
    this.#encoder = find('encoder', Bidirectional)
    const next = model.layers.find(({ name, kind }) => name === 'next' && kind === 'tiedDense')
    if (!next) throw new RefrainError('BAD_FILE', "expected a layer 'next' in the model")
    this.#next = next
  }

  /** Reads sources [B,S], 0 where a row has ended. */
  encode(ctx: Context, ids: Tensor): Encoded {
    const [vectors] = this.sources.call(ctx, [ids])
    const [output, ...states] = this.#encoder.call(ctx, [vectors])
    const [h, c] = [0, 1].map((i) => concatenate(ctx, [states[i], states[i + 2]]))
    return { memory: this.decoder.memory(ctx, output), h, c }
  }

  /** The logarithms of the next pieces' probabilities [R,V] after the pieces `ids` [R,1]. */
  step(ctx: Context, ids: Tensor, memory: Memory, state: Parameters<AttentionDecoder['steps']>[3]) {
    const [vectors] = this.targets.call(ctx, [ids])
    // None of them is padding.
    vectors.mask = null
    const { output, ...rest } = this.decoder.steps(ctx, vectors, memory, state)
    const [probabilities] = this.#next.call(ctx, [output])
    const logits = probabilities.logits!.tensor
    const [rows] = ids.shape
    const size = logits.size / rows
    const logs = ctx.empty([rows, size])
    ctx.kernels.softmax(logits.values, logs.values, rows, size, 1)
    return { ...rest, logs }
  }
}
