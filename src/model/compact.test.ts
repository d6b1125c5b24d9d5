/** int8 in `.refrain` files; half precision is in `file.test.ts`. */
import { describe, expect, it } from 'vitest'
import { referenceBackend } from '../kernels/reference.ts'
import { conv1d, dense, embedding, globalMaxPooling1d, gru, lstm } from '../layers/index.ts'
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../util/safetensors.ts'
import { encodeModel } from './file.ts'
import { decodeModel } from './load.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'

const backend = referenceBackend()
const network = () =>
  sequential(
    [
      embedding({ inputDim: 100, outputDim: 16, inputShape: [null] }),
      conv1d({ filters: 32, kernelSize: 3 }),
      gru({ units: 200, resetAfter: true, returnSequences: true }),
      lstm({ units: 16, returnSequences: true }),
      globalMaxPooling1d(),
      dense({ units: 3 }),
    ],
    { seed: 2, backend },
  ).build()

const encode = (model: Model) => encodeModel(model, { dtype: 'int8' }, null)
const weightsOf = (model: Model) =>
  new Map(model.parameters.parameters.map(({ path, value }) => [path, value.values]))

/** The model's file with changes to its tensors. */
function forged(change: (tensors: Map<string, SafetensorsTensor>) => void) {
  const { tensors, metadata } = decodeSafetensors(encode(network()))
  change(tensors)
  const bytes = encodeSafetensors(tensors, metadata)
  return () => decodeModel(bytes, 'forged', { backend })
}

describe('int8', () => {
  it('makes matrices codes with scales: of columns, or of the rows of embeddings', () => {
    const model = network()
    const { tensors } = decodeSafetensors(encode(model))
    const described = [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])
    expect(described.filter(([, dtype]) => dtype === 'I8')).toEqual([
      ['conv1d/kernel', 'I8', [3, 16, 32]],
      ['embedding/embeddings', 'I8', [100, 16]],
      ['gru/kernel', 'I8', [32, 600]],
      ['gru/recurrentKernel', 'I8', [200, 600]],
      ['lstm/kernel', 'I8', [200, 64]],
      ['lstm/recurrentKernel', 'I8', [16, 64]],
    ])
    expect(
      Object.fromEntries(described.flatMap(([n, d, s]) => (d === 'I8' ? [] : [[n, s]]))),
    ).toEqual({
      'conv1d/bias': [32],
      'conv1d/kernel#scale': [1, 1, 32],
      // The table's rows; others have columns.
      'embedding/embeddings#scale': [100, 1],
      // Two biases; nothing is gained there, nor in 16 × 3.
      'gru/bias': [2, 600],
      'gru/kernel#scale': [1, 600],
      'gru/recurrentKernel#scale': [1, 600],
      'lstm/bias': [64],
      'lstm/kernel#scale': [1, 64],
      'lstm/recurrentKernel#scale': [1, 64],
      'dense/kernel': [16, 3],
      'dense/bias': [3],
    })
  })

  it('rounds to the nearest multiple of a 127th of the largest', () => {
    const model = sequential([dense({ units: 32 })], { backend }).build([null, 32])
    const [kernel, bias] = model.layers[0].getWeights()
    kernel.data.fill(0)
    // Column 0: 12.7 is the largest, so that codes count tenths; column 1 stays zeros; column 2 is tiny.
    for (const [row, value] of [-12.7, 0.14, 0.16, 5.049].entries()) kernel.data[32 * row] = value
    kernel.data[2] = 1e-45
    bias.data.fill(0.123)
    model.layers[0].setWeights([kernel, bias])
    const { tensors } = decodeSafetensors(encode(model))
    const codes = tensors.get('dense/kernel')!.data
    expect([0, 32, 64, 96].map((i) => codes[i])).toEqual([-127, 1, 2, 50])
    const { model: loaded, dtype } = decodeModel(encode(model), 'file', { backend })
    expect(dtype).toBe('I8')
    const [found, foundBias] = loaded.layers[0].getWeights()
    const expected = [-12.7, 0.1, 0.2, 5]
    for (const [row, value] of expected.entries()) {
      expect(found.data[32 * row]).toBeCloseTo(value, 6)
    }
    expect([found.data[1], found.data[2]]).toEqual([0, 0])
    expect(foundBias.data).toEqual(bias.data)
  })

  it('is off by half a scale at most, everywhere', () => {
    const model = network()
    const found = weightsOf(decodeModel(encode(model), 'file', { backend }).model)
    const { tensors } = decodeSafetensors(encode(model))
    for (const [path, values] of weightsOf(model)) {
      const scale = tensors.get(`${path}#scale`)
      const most = scale ? Math.max(...(scale.data as Float32Array)) : 0
      values.forEach((value, i) => {
        expect(Math.abs(found.get(path)![i] - value)).toBeLessThanOrEqual(most * 0.500001)
      })
    }
  })

  it('keeps its codes when what was read is saved again', () => {
    const codesOf = (bytes: Uint8Array) =>
      [...decodeSafetensors(bytes).tensors].filter(([, { dtype }]) => dtype === 'I8')
    const once = encode(network())
    expect(codesOf(encode(decodeModel(once, 'file', { backend }).model))).toEqual(codesOf(once))
  })

  it('reads scales of either axis, and refuses those that do not fit', () => {
    const name = 'lstm/kernel#scale'
    const scale = (shape: number[]) => ({
      dtype: 'F32' as const,
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5),
    })
    const byRows = forged((tensors) => tensors.set(name, scale([200, 1])))().model
    expect(byRows.getLayer('lstm').getWeights()[0].data[0] % 0.5).toBeCloseTo(0, 9)
    const message = `forged: expected a tensor '${name}' in F32 of shape [200, 1] or [1, 64], got `
    expect(forged((tensors) => tensors.delete(name))).toThrow(`${message}none`)
    expect(forged((tensors) => tensors.set(name, scale([64])))).toThrow(`${message}[64] in F32`)
    const double = { dtype: 'F64' as const, shape: [1, 64], data: new Float64Array(64) }
    expect(forged((tensors) => tensors.set(name, double))).toThrow(`${message}[1, 64] in F64`)
    const infinite = scale([1, 64])
    infinite.data[3] = Infinity
    expect(forged((tensors) => tensors.set(name, infinite))).toThrow(
      /the tensor 'lstm\/kernel' is (-?Infinity|NaN) at/,
    )
  })
})
