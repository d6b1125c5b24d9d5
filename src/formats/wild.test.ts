/** Models of public projects, which other programs wrote, beside outputs that were computed independently. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  activation,
  dense,
  input,
  lstm,
  type SymbolicTensor,
  timeDistributed,
} from '../layers/index.ts'
import type { LambdaFunction } from '../layers/lambda.ts'
import { model } from '../model/functional.ts'
import type { Model } from '../model/model.ts'
import { sequential } from '../model/sequential.ts'
import type { ForeignOptions } from './foreign.ts'
import { loadModel, loadWeights } from './load.ts'

const root = fileURLToPath(new URL('../../../shared/models/', import.meta.url))

/** What is not in a file: Python functions, and what PyTorch's arrays are for. */
const given: Record<string, ForeignOptions> = {
  'h5-k240-attention': { customLayers: { last_hidden_state: lastSteps(1, true) } },
  'kz-3132-gru-attention': { customLayers: { lambda_3: lastSteps(30) } },
  'pt-bilstm2': { architecture: [{ module: 'rnn', returnSequences: true }, 'fc'] },
  'pt-lstm': { architecture: ['lstm', 'fc'] },
  'pt-pickled-module': { architecture: [{ module: 'lstm', returnSequences: true }, 'fc'] },
}

/** Python's `x[:, -count:, :]`; with `drop` [B,F] of one step. */
function lastSteps(count: number, drop = false): LambdaFunction {
  return ({ x, ops }) => {
    const [rows, steps, features] = x.shape
    const flat = ops.reshape(x, [rows, steps * features])
    const last = ops.columns(flat, (steps - count) * features, count * features)
    return drop ? last : ops.reshape(last, [rows, count, features])
  }
}

const files: Record<string, string> = {
  'h5-k210-autoencoder': 'lstm_autoencoder.h5',
  'h5-k215-stateful': 'stateful_model.h5',
  'h5-k216-siamese': 'bilstm_model.h5',
  'h5-k224-decoder': 'decoder_model.h5',
  'h5-k224-encoder': 'encoder_model.h5',
  'h5-k240-attention': 'LSTM_model.h5',
  'h5-k240-gruenc': 'encoder_model.h5',
  'h5-k35-bilstm': 'bilstm_model.h5',
  'kz-215-lstm': 'jena_lstm.keras',
  'kz-3122-gru': 'gru_model.keras',
  'kz-3132-gru-attention': 'gru_model.keras',
  'kz-333-relu': 'lstm_model.keras',
  'kz-350-functional': 'lstm_attention_model.keras',
  'kz-360-autoencoder': 'lstm_autoencoder.keras',
  'kz-392-unroll': 'model.keras',
  'pt-bilstm2': 'bilstm.pt',
  'pt-lstm': 'lstm_model.pth',
  'pt-pickled-module': 'lstm.pt',
  'tj-215-charrnn': 'model.json',
  'tj-260-simplernn': 'model.json',
}

interface Expected {
  inputs: { shape: number[]; data: number[] }[]
  outputs: { shape: number[]; data: number[] }[]
}

/** Models for files of weights alone. */
const architectures: Record<string, { name: string; make: () => Model }> = {
  'h5-k230tf-lstm-weights': {
    name: 'lstm_model.h5',
    make: () =>
      sequential([
        lstm({ units: 20, returnSequences: true, name: 'lstm' }),
        timeDistributed(dense({ units: 1 }), { name: 'time_distributed' }),
      ]).build([null, 20, 7]),
  },
  // The steps of the last layer, and what its program computes with the state of the last step.
  'pt-lstm4': {
    name: 'lstm.pth',
    make: () => {
      const x = input({ shape: [null, 20] })
      const stack = [0, 1, 2, 3].map((k) =>
        lstm({ units: 60, returnSequences: true, returnState: true, name: `lstm_l${k}` }),
      )
      let [top, h]: SymbolicTensor[] = [x, x]
      for (const layer of stack) ({ output: top, h } = layer.apply(top))
      const head = [
        activation({ activation: 'relu' }),
        dense({ units: 128, activation: 'relu', name: 'fc_1' }),
        dense({ units: 20, name: 'fc' }),
      ]
      return model({
        inputs: x,
        outputs: [top, head.reduce((y, layer) => layer.apply(y), h)],
      }) as never
    },
  },
}

describe.skipIf(!existsSync(root))('a file from the wild', () => {
  const all = [
    ...Object.entries(files),
    ...Object.entries(architectures).map(([id, { name }]) => [id, name] as const),
  ]
  it.each(all)('%s gives the outputs expected of it', async (id, name) => {
    const own = architectures[id]?.make()
    if (own) await loadWeights(own, `${root}${id}/${name}`)
    const model = own ?? (await loadModel(`${root}${id}/${name}`, given[id]))
    for (const expected of ['expected.json', 'expected2.json']) {
      const { inputs, outputs } = JSON.parse(
        readFileSync(`${root}${id}/${expected}`, 'utf8'),
      ) as Expected
      model.resetStates()
      const found = [await model.predict(inputs.length === 1 ? inputs[0] : inputs)].flat()
      for (const [i, { shape, data }] of outputs.entries()) {
        expect(found[i].shape).toEqual(shape)
        const values = await found[i].data()
        const worst = Math.max(
          ...data.map((value, j) => Math.abs(values[j] - value) - 1e-5 - 1e-4 * Math.abs(value)),
        )
        expect(worst).toBeLessThanOrEqual(0)
      }
    }
  })
})
