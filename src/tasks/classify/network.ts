/** The network behind every kind of inputs: bidirectional LSTM → pooling → labels. */
import { additiveAttention } from '../../layers/additive-attention.ts'
import { bidirectional } from '../../layers/bidirectional.ts'
import { dense } from '../../layers/dense.ts'
import { dropout as dropoutLayer } from '../../layers/dropout.ts'
import { flatten } from '../../layers/flatten.ts'
import { input } from '../../layers/input.ts'
import type { SymbolicTensor } from '../../layers/layer.ts'
import { lstm } from '../../layers/lstm.ts'
import { concatenate } from '../../layers/merge.ts'
import { globalAveragePooling1d, globalMaxPooling1d } from '../../layers/pooling.ts'
import { model as functionalModel } from '../../model/functional.ts'
import type { Model } from '../../model/model.ts'
import { adam } from '../../train/optimizers.ts'
import { cosineDecay } from '../../train/schedules.ts'
import { checkInteger, checkOneOf } from '../../util/check.ts'
import type { Encoder } from './encoder.ts'
import type { CommonSettings, Pooling } from './options.ts'

const pools: Record<Pooling, (x: SymbolicTensor, units: number) => SymbolicTensor> = {
  max: (x) => globalMaxPooling1d().apply(x),
  mean: (x) => globalAveragePooling1d().apply(x),
  'mean+max': (x) =>
    concatenate().apply([globalAveragePooling1d().apply(x), globalMaxPooling1d().apply(x)]),
  last: (x) => x,
  attention(x, units) {
    const query = globalAveragePooling1d({ keepdims: true }).apply(x)
    return flatten().apply(additiveAttention({ units }).apply([query, x]))
  },
}

/**
 * A compiled model.
 *
 * @param front makes of the input the sequence [B,T,F] that the LSTM reads; `whole`: without dropout
 * @param steps of the optimizer, until the learning rate has fallen
 */
export function buildModel(
  { input: { shape, dtype } }: Encoder<never>,
  { front, whole = false }: { front: (x: SymbolicTensor) => SymbolicTensor; whole?: boolean },
  labels: { readonly size: number; readonly several: boolean },
  settings: CommonSettings,
  steps: number,
): Model {
  const { units, layers, dropout, clipNorm, seed } = settings
  const pooling = checkOneOf("classify.train 'pooling'", settings.pooling, Object.keys(pools))
  checkInteger("classify.train 'layers'", layers)
  const decay = checkOneOf("classify.train 'decay'", settings.decay, ['none', 'cosine'])
  const initialLearningRate = settings.learningRate
  const learningRate =
    decay === 'none'
      ? initialLearningRate
      : cosineDecay({ initialLearningRate, decaySteps: Math.max(1, steps) })
  const x = input({ shape, dtype })
  let y = front(x)
  for (let layer = 1; layer <= layers; layer++) {
    const returnSequences = pooling !== 'last' || layer < layers
    if (layer > 1 || !whole) y = dropoutLayer({ rate: dropout }).apply(y)
    y = bidirectional(lstm({ units, returnSequences })).apply(y)
  }
  y = dropoutLayer({ rate: dropout }).apply(pools[pooling](y, units))
  const activation = labels.several ? 'sigmoid' : 'softmax'
  const outputs = dense({ units: labels.size, activation }).apply(y)
  const model = functionalModel({ inputs: x, outputs, name: 'classify', seed })
  model.build().compile({
    optimizer: adam({ learningRate, globalClipNorm: clipNorm }),
    loss: labels.several ? 'binaryCrossentropy' : 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  return model
}
