/** The table of docs/interchange.md: which format has which layer and option, found by writing each and reading it back. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { loadModel } from '../src/formats/load.ts'
import * as layers from '../src/layers/index.ts'
import { model } from '../src/model/functional.ts'
import type { Model } from '../src/model/model.ts'
import { sequential } from '../src/model/sequential.ts'

const { input } = layers
const folder = mkdtempSync(join(tmpdir(), 'refrain-formats-'))

const sequence = (layer: object) => () => sequential([layer as never]).build([null, 6, 2])
const ids =
  (...list: object[]) =>
  () =>
    sequential(list as never).build([null, 6])
const several = (layer: object) => () => {
  const inputs = [input({ shape: [6, 2] }), input({ shape: [6, 2] })]
  const { apply } = layer as { apply(x: unknown): never }
  return model({ inputs, outputs: apply.call(layer, inputs) }) as unknown as Model
}

const steps = { units: 3, returnSequences: true }
const frames = (layer: object) => () => sequential([layer as never]).build([null, 4, 4, 2])

/** Models of one layer each, by what is shown. */
const rows: Record<string, () => Model> = {
  lstm: sequence(layers.lstm({ units: 3 })),
  '… returnSequences, returnState': () => {
    const x = input({ shape: [6, 2] })
    const { output, h, c } = layers.lstm({ ...steps, returnState: true }).apply(x)
    return model({ inputs: x, outputs: [output, h, c] }) as unknown as Model
  },
  '… initial states from other layers': () => {
    const [x, h, c] = [input({ shape: [6, 2] }), input({ shape: [3] }), input({ shape: [3] })]
    const y = layers.lstm({ units: 3 }).apply(x, { initialState: { h, c } })
    return model({ inputs: [x, h, c], outputs: y as never }) as unknown as Model
  },
  '… goBackwards': sequence(layers.lstm({ ...steps, goBackwards: true })),
  '… activation relu': sequence(layers.lstm({ ...steps, activation: 'relu' })),
  '… recurrentActivation hardSigmoid (Keras 3)': sequence(
    layers.lstm({ units: 3, recurrentActivation: 'hardSigmoid' }),
  ),
  '… recurrentActivation hardSigmoidLegacy (Keras 1, 2)': sequence(
    layers.lstm({ units: 3, recurrentActivation: 'hardSigmoidLegacy' }),
  ),
  '… dropout, recurrentDropout': sequence(
    layers.lstm({ units: 3, dropout: 0.1, recurrentDropout: 0.1 }),
  ),
  '… zeroOutputForMask': ids(
    layers.embedding({ inputDim: 5, outputDim: 2, maskZero: true }),
    layers.lstm({ ...steps, zeroOutputForMask: true }),
  ),
  '… stateful': sequence(layers.lstm({ units: 3, stateful: true })),
  '… stateful, saved with batchSize': sequence(layers.lstm({ units: 3, stateful: true })),
  '… peephole': sequence(layers.lstm({ units: 3, peephole: true })),
  '… projection': sequence(layers.lstm({ units: 3, projection: 2 })),
  '… coupledGates': sequence(layers.lstm({ units: 3, coupledGates: true })),
  '… gateClip': sequence(layers.lstm({ units: 3, gateClip: 1 })),
  '… layerNormalization': sequence(layers.lstm({ units: 3, layerNormalization: true })),
  '… learnInitialState': sequence(layers.lstm({ units: 3, learnInitialState: true })),
  'gru, resetAfter true': sequence(layers.gru({ units: 3 })),
  'gru, resetAfter false': sequence(layers.gru({ units: 3, resetAfter: false })),
  simpleRnn: sequence(layers.simpleRnn({ units: 3 })),
  'bidirectional, concat': sequence(layers.bidirectional(layers.lstm(steps))),
  'bidirectional, sum': sequence(layers.bidirectional(layers.lstm(steps), { mergeMode: 'sum' })),
  'rnn of stackedRnnCells': sequence(
    layers.rnn(
      layers.stackedRnnCells([layers.lstmCell({ units: 2 }), layers.gruCell({ units: 2 })]),
    ),
  ),
  convLstm2d: () =>
    sequential([layers.convLstm2d({ filters: 2, kernelSize: 3 })]).build([null, 3, 4, 4, 1]),
  embedding: ids(layers.embedding({ inputDim: 5, outputDim: 2 })),
  'embedding, maskZero, then lstm': ids(
    layers.embedding({ inputDim: 5, outputDim: 2, maskZero: true }),
    layers.lstm({ units: 3 }),
  ),
  'embedding, maskZero, then bidirectional': ids(
    layers.embedding({ inputDim: 5, outputDim: 2, maskZero: true }),
    layers.bidirectional(layers.lstm({ units: 3 })),
  ),
  masking: () => sequential([layers.masking(), layers.lstm({ units: 3 })]).build([null, 6, 2]),
  dense: sequence(layers.dense({ units: 3, activation: 'softmax' })),
  timeDistributed: sequence(layers.timeDistributed(layers.dense({ units: 3 }))),
  activation: sequence(layers.activation({ activation: 'elu' })),
  dropout: sequence(layers.dropout({ rate: 0.5 })),
  spatialDropout1d: sequence(layers.spatialDropout1d({ rate: 0.5 })),
  gaussianNoise: sequence(layers.gaussianNoise({ stddev: 0.1 })),
  tokenDropout: ids(
    layers.tokenDropout({ rate: 0.1 }),
    layers.embedding({ inputDim: 5, outputDim: 2 }),
  ),
  batchNormalization: sequence(layers.batchNormalization()),
  layerNormalization: sequence(layers.layerNormalization()),
  'conv1d, same': sequence(layers.conv1d({ filters: 2, kernelSize: 3, padding: 'same' })),
  'conv1d, causal': sequence(layers.conv1d({ filters: 2, kernelSize: 3, padding: 'causal' })),
  conv2d: frames(layers.conv2d({ filters: 2, kernelSize: 3 })),
  maxPooling1d: sequence(layers.maxPooling1d({ poolSize: 2 })),
  averagePooling1d: sequence(layers.averagePooling1d({ poolSize: 2 })),
  maxPooling2d: frames(layers.maxPooling2d({ poolSize: 2 })),
  averagePooling2d: frames(layers.averagePooling2d({ poolSize: 2 })),
  globalMaxPooling1d: sequence(layers.globalMaxPooling1d()),
  globalAveragePooling1d: sequence(layers.globalAveragePooling1d()),
  globalMaxPooling2d: frames(layers.globalMaxPooling2d()),
  globalAveragePooling2d: frames(layers.globalAveragePooling2d()),
  flatten: sequence(layers.flatten()),
  reshape: sequence(layers.reshape({ targetShape: [3, 4] })),
  permute: sequence(layers.permute({ dims: [2, 1] })),
  repeatVector: () => sequential([layers.repeatVector(3)]).build([null, 2]),
  concatenate: several(layers.concatenate()),
  add: several(layers.add()),
  subtract: several(layers.subtract()),
  multiply: several(layers.multiply()),
  average: several(layers.average()),
  maximum: several(layers.maximum()),
  minimum: several(layers.minimum()),
  dot: several(layers.dot({ axes: 2 })),
  attention: several(layers.attention()),
  additiveAttention: several(layers.additiveAttention()),
  luongAttention: several(layers.luongAttention()),
  crf: sequence(layers.crf()),
  lambda: sequence(layers.lambda({ name: 'twice', call: ({ x, ops }) => ops.multiply(x, 2) })),
  'a model inside': () =>
    sequential([sequential([layers.dense({ units: 2 })]) as never]).build([null, 6, 2]),
}

const formats = ['keras', 'h5', 'json', 'safetensors', 'onnx']

/** 'yes', 'out' where it is not read back, or why it is refused. */
async function entry(make: () => Model, ending: string, batchSize?: number): Promise<string> {
  const path = join(folder, `model.${ending}`)
  try {
    const knowsBatches = ['keras', 'h5', 'json'].includes(ending)
    await make().save(path, knowsBatches ? { batchSize } : {})
  } catch (error) {
    expect((error as { code: string }).code, `${(error as Error).message}`).toBe('UNSUPPORTED')
    return '–'
  }
  try {
    await loadModel(path)
    return 'yes'
  } catch (error) {
    expect((error as { code: string }).code).toBe('UNSUPPORTED')
    return 'out'
  }
}

it('docs/interchange.md says what each format has', async () => {
  const lines = [
    '| | .keras | .h5 | model.json | .safetensors (PyTorch) | .onnx |',
    '| --- | --- | --- | --- | --- | --- |',
  ]
  for (const [name, make] of Object.entries(rows)) {
    const batchSize = name.endsWith('batchSize') ? 2 : undefined
    const entries: string[] = []
    for (const ending of formats) entries.push(await entry(make, ending, batchSize))
    lines.push(`| ${name} | ${entries.join(' | ')} |`)
  }
  const page = fileURLToPath(new URL('../docs/interchange.md', import.meta.url))
  const [before, , after] = readFileSync(page, 'utf8').split(
    /(?<=<!-- made by a test -->\n)|(?=<!-- end -->)/,
  )
  await expect(`${before}${lines.join('\n')}\n${after}`).toMatchFileSnapshot(page)
})
