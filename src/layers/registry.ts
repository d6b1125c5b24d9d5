/** Layers by kind, to make them again from a file. */
import { RefrainError, show } from '../errors.ts'
import { suggest } from '../util/check.ts'
import { activation } from './activation.ts'
import { additiveAttention } from './additive-attention.ts'
import { attention } from './attention.ts'
import { attentionDecoder } from './attention-decoder.ts'
import { batchNormalization } from './batch-normalization.ts'
import { bidirectional } from './bidirectional.ts'
import { type Cell, rnn } from './cell.ts'
import { gruCell, lstmCell, simpleRnnCell, stackedRnnCells } from './cells.ts'
import { conv1d, conv2d } from './conv.ts'
import { convLstm2d } from './conv-lstm.ts'
import { crf } from './crf.ts'
import { dense } from './dense.ts'
import { dot } from './dot.ts'
import { dropout } from './dropout.ts'
import { embedding } from './embedding.ts'
import { flatten } from './flatten.ts'
import { gru } from './gru.ts'
import { lambda } from './lambda.ts'
import type { Layer, LayerConfig } from './layer.ts'
import { lstm } from './lstm.ts'
import { luongAttention } from './luong-attention.ts'
import { masking } from './masking.ts'
import { add, average, concatenate, maximum, minimum, multiply, subtract } from './merge.ts'
import { gaussianNoise, spatialDropout1d } from './noise.ts'
import { layerNormalization } from './normalization.ts'
import {
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
} from './pooling.ts'
import type { RecurrentLayer } from './recurrent.ts'
import { permute, repeatVector, reshape } from './reshape.ts'
import { scheduledSampling } from './scheduled-sampling.ts'
import { simpleRnn } from './simple-rnn.ts'
import { tiedDenseByName } from './tied-dense.ts'
import { timeDistributed } from './time-distributed.ts'
import { tokenDropout } from './token-dropout.ts'
import { averagePooling1d, averagePooling2d, maxPooling1d, maxPooling2d } from './window-pooling.ts'

type Options = Record<string, unknown>

/** Makes the layer of a configuration inside another one. */
type Make = (config: LayerConfig) => Layer

/** What files only name: a cell of `defineCell` by its name, a lambda layer's `call` by the layer's. */
export type CustomLayers = Readonly<Record<string, (given: never) => unknown>>

function wrapped(options: Options, make: Make): [Layer, Options] {
  const { layer, ...rest } = options
  return [make(layer as LayerConfig), rest]
}

const makers: Record<string, (options: never, make: Make) => Layer> = {
  activation,
  additiveAttention,
  attention,
  attentionDecoder,
  averagePooling1d,
  averagePooling2d,
  conv1d,
  conv2d,
  convLstm2d,
  add,
  average,
  batchNormalization,
  concatenate,
  crf,
  dense,
  dot,
  dropout,
  embedding,
  flatten,
  gaussianNoise,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  gru,
  gruCell,
  layerNormalization,
  lstm,
  lstmCell,
  luongAttention,
  masking,
  maxPooling1d,
  maxPooling2d,
  maximum,
  minimum,
  multiply,
  permute,
  repeatVector,
  reshape,
  scheduledSampling,
  simpleRnn,
  simpleRnnCell,
  spatialDropout1d,
  subtract,
  tokenDropout,
  bidirectional: (options: Options, make) => {
    const [layer, { backwardLayer, ...rest }] = wrapped(options, make)
    const other = backwardLayer && { backwardLayer: make(backwardLayer as LayerConfig) }
    return bidirectional(layer as RecurrentLayer, { ...rest, ...(other as object) })
  },
  rnn: ({ cell, ...rest }: Options, make) => rnn(make(cell as LayerConfig) as Cell, rest),
  stackedRnnCells: ({ cells, ...rest }: Options, make) =>
    stackedRnnCells((cells as LayerConfig[]).map(make) as Cell[], rest),
  tiedDense: ({ tiedTo, ...rest }: Options) => tiedDenseByName(tiedTo as string, rest),
  timeDistributed: (options: Options, make) => timeDistributed(...wrapped(options, make)),
}

/**
 * The layer that a file describes. Throws `BAD_FILE` for a kind that does not exist, and for a cell or
 * function of the user's that `custom` does not have. `make` makes the layers inside it, for callers
 * that know further kinds.
 */
export function layerFromConfig(
  config: LayerConfig,
  custom: CustomLayers = {},
  make: Make = (inner) => layerFromConfig(inner, custom),
): Layer {
  const { kind, name } = config ?? {}
  const wanted = kind === 'lambda' ? name : kind
  const own = Object.hasOwn(custom, wanted) ? custom[wanted] : null
  if ((!own && !Object.hasOwn(makers, kind)) || typeof config.options !== 'object') {
    const custom = `your own come by loadModel(path, { customLayers: { ${wanted} } })`
    if (kind === 'lambda') {
      const what = `the function of the lambda layer ${show(name)} is missing`
      throw new RefrainError('BAD_FILE', what, custom)
    }
    const hint = suggest(String(kind), Object.keys(makers))
    throw new RefrainError('BAD_FILE', `unknown layer ${show(kind)}`, `${hint} (${custom})`)
  }
  const options = { ...config.options, name } as never
  if (own && kind === 'lambda') return lambda({ ...(options as Options), name, call: own as never })
  return own ? (own(options) as Layer) : makers[kind](options, make)
}

/** Lets layers from a file find those that they name, among these and those inside them. */
export function linkLayers(layers: readonly Layer[]): void {
  const inside = (layer: Layer): Layer[] => [
    layer,
    ...layer.children.flatMap((child) => inside(child.layer)),
  ]
  const all = layers.flatMap(inside)
  for (const layer of all) layer.link((name) => all.find((other) => other.name === name))
}
