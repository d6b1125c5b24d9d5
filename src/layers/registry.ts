/** Layers by kind, to make them again from a file. */
import { RefrainError, show } from '../errors.ts'
import { suggest } from '../util/check.ts'
import { activation } from './activation.ts'
import { additiveAttention } from './additive-attention.ts'
import { attention } from './attention.ts'
import { bidirectional } from './bidirectional.ts'
import { conv1d, conv2d } from './conv.ts'
import { crf } from './crf.ts'
import { dense } from './dense.ts'
import { dropout } from './dropout.ts'
import { embedding } from './embedding.ts'
import { flatten } from './flatten.ts'
import { gru } from './gru.ts'
import type { Layer, LayerConfig } from './layer.ts'
import { lstm } from './lstm.ts'
import { luongAttention } from './luong-attention.ts'
import {
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  globalMaxPooling2d,
} from './pooling.ts'
import type { RecurrentLayer } from './recurrent.ts'
import { simpleRnn } from './simple-rnn.ts'
import { timeDistributed } from './time-distributed.ts'
import { averagePooling1d, averagePooling2d, maxPooling1d, maxPooling2d } from './window-pooling.ts'

type Options = Record<string, unknown>

function wrapped(options: Options): [Layer, Options] {
  const { layer, ...rest } = options
  return [layerFromConfig(layer as LayerConfig), rest]
}

const makers: Record<string, (options: never) => Layer> = {
  activation,
  additiveAttention,
  attention,
  averagePooling1d,
  averagePooling2d,
  conv1d,
  conv2d,
  crf,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalMaxPooling1d,
  gru,
  simpleRnn,
  globalMaxPooling2d,
  lstm,
  luongAttention,
  maxPooling1d,
  maxPooling2d,
  bidirectional: (options: Options) => {
    const [layer, rest] = wrapped(options)
    return bidirectional(layer as RecurrentLayer, rest)
  },
  timeDistributed: (options: Options) => timeDistributed(...wrapped(options)),
}

/** The layer that a file describes. Throws `BAD_FILE` for a kind that does not exist. */
export function layerFromConfig(config: LayerConfig): Layer {
  if (!Object.hasOwn(makers, config?.kind) || typeof config.options !== 'object') {
    throw new RefrainError(
      'BAD_FILE',
      `unknown layer ${show(config?.kind)}`,
      suggest(String(config?.kind), Object.keys(makers)),
    )
  }
  const maker = makers[config.kind]
  return maker({ ...config.options, name: config.name } as never)
}
