/** The tagger's network. */
import { bidirectional } from '../../layers/bidirectional.ts'
import { crf } from '../../layers/crf.ts'
import { bioConstraints } from '../../layers/crf-constraints.ts'
import { dense } from '../../layers/dense.ts'
import { dropout as dropoutLayer } from '../../layers/dropout.ts'
import { embedding as embeddingLayer } from '../../layers/embedding.ts'
import { input } from '../../layers/input.ts'
import { lstm } from '../../layers/lstm.ts'
import { concatenate } from '../../layers/merge.ts'
import { timeDistributed } from '../../layers/time-distributed.ts'
import { tokenDropout } from '../../layers/token-dropout.ts'
import { model as functional } from '../../model/functional.ts'
import type { Model } from '../../model/model.ts'
import { sequential } from '../../model/sequential.ts'
import { entityF1 } from '../../train/metrics-sequences.ts'
import { adam } from '../../train/optimizers.ts'
import { inverseTimeDecay } from '../../train/schedules.ts'

/** What the network depends on. */
export interface NetworkSettings {
  readonly embedding: number
  readonly characterEmbedding: number
  readonly characterUnits: number
  readonly units: number
  readonly layers: number
  readonly dropout: number
  readonly wordDropout: number
  readonly learningRate: number
  readonly learningRateDecay: number
  readonly clipNorm: number
  readonly seed: number
}

/** Sizes of the vocabularies, the tags, and the steps of an epoch. */
export interface NetworkSizes {
  readonly words: number
  /** The number of the first word that occurs once. */
  readonly rareFrom: number
  readonly characters: number
  readonly tags: readonly string[]
  /** Whether the tags mark spans. */
  readonly spans: boolean
  readonly stepsPerEpoch: number
}

/**
 * Words [B,T] and their characters [B,T,C] → tags: int32 [B,T], the CRF's best path, where tags mark
 * spans, else probabilities [B,T,K].
 *
 * A word's vector is that of its form and what a bidirectional LSTM makes of its characters (Lample et
 * al. 2016). Rare words are replaced by the unknown one now and then, and so are rare characters.
 */
export function buildTagger(settings: NetworkSettings, sizes: NetworkSizes): Model {
  const { dropout, units, characterUnits, learningRate, learningRateDecay } = settings
  const words = input({ shape: [null], dtype: 'int32', name: 'word' })
  const characters = input({ shape: [null, null], dtype: 'int32', name: 'character' })
  const spelling = sequential([
    tokenDropout({ rate: 0.01, inputShape: [null] }),
    embeddingLayer({
      inputDim: sizes.characters,
      outputDim: settings.characterEmbedding,
      maskZero: true,
    }),
    bidirectional(lstm({ units: characterUnits })),
  ])
  const known = tokenDropout({ rate: settings.wordDropout, from: sizes.rareFrom }).apply(words)
  let x = concatenate().apply([
    embeddingLayer({
      inputDim: sizes.words,
      outputDim: settings.embedding,
      maskZero: true,
      name: 'words',
    }).apply(known),
    timeDistributed(spelling, { distinct: true, name: 'characters' }).apply(characters),
  ])
  x = dropoutLayer({ rate: dropout }).apply(x)
  for (let layer = 0; layer < settings.layers; layer++) {
    x = bidirectional(lstm({ units, returnSequences: true })).apply(x)
    x = dropoutLayer({ rate: dropout }).apply(x)
  }
  const count = sizes.tags.length
  const activation = sizes.spans ? 'linear' : 'softmax'
  x = dense({ units: count, activation, name: 'tags' }).apply(x)
  if (sizes.spans) x = crf({ constraints: bioConstraints(sizes.tags), name: 'path' }).apply(x)
  const net = functional({
    inputs: [words, characters],
    outputs: x,
    name: 'tag',
    seed: settings.seed,
  })
  net.compile({
    optimizer: adam({
      learningRate:
        learningRateDecay === 0
          ? learningRate
          : inverseTimeDecay({
              initialLearningRate: learningRate,
              decaySteps: sizes.stepsPerEpoch,
              decayRate: learningRateDecay,
              staircase: true,
            }),
      globalClipNorm: settings.clipNorm,
    }),
    loss: sizes.spans ? 'crf' : 'sparseCategoricalCrossentropy',
    metrics: [sizes.spans ? entityF1({ labels: sizes.tags }) : 'accuracy'],
  })
  return net as Model
}
