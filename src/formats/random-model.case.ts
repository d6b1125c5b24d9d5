/** Random models for the tests of formats: sequences in, sequences or vectors out, layers of every kind. */
import fc from 'fast-check'
import { expect } from 'vitest'
import {
  activation,
  add,
  averagePooling1d,
  batchNormalization,
  bidirectional,
  concatenate,
  conv1d,
  dense,
  dropout,
  embedding,
  flatten,
  gaussianNoise,
  globalAveragePooling1d,
  globalMaxPooling1d,
  gru,
  gruCell,
  input,
  type Layer,
  layerNormalization,
  lstm,
  lstmCell,
  masking,
  maxPooling1d,
  permute,
  repeatVector,
  reshape,
  rnn,
  simpleRnn,
  spatialDropout1d,
  stackedRnnCells,
  timeDistributed,
} from '../layers/index.ts'
import { model } from '../model/functional.ts'
import type { Model } from '../model/model.ts'
import { sequential } from '../model/sequential.ts'
// Makes `save` able to write every format.
import './load.ts'

const steps = 6
const units = fc.integer({ min: 1, max: 5 })
const squash = fc.constantFrom('tanh', 'relu', 'sigmoid', 'linear', 'softsign', 'elu')

type Make = () => Layer

const recurrentOptions = {
  units,
  activation: squash,
  useBias: fc.boolean(),
  goBackwards: fc.boolean(),
}

/** Layers from sequences to sequences, by kind. */
const sequenceLayers: Record<string, fc.Arbitrary<Make>> = {
  lstm: fc
    .record({ ...recurrentOptions, dropout: fc.constantFrom(0, 0.2), unitForgetBias: fc.boolean() })
    .map((options) => () => lstm({ ...options, returnSequences: true })),
  gru: fc
    .record({ ...recurrentOptions, resetAfter: fc.boolean() })
    .map((options) => () => gru({ ...options, returnSequences: true })),
  simpleRnn: fc
    .record(recurrentOptions)
    .map((options) => () => simpleRnn({ ...options, returnSequences: true })),
  bidirectional: fc
    .record({ units, mergeMode: fc.constantFrom('concat', 'sum', 'mul', 'ave') })
    .map(
      ({ units, mergeMode }) =>
        () =>
          bidirectional(lstm({ units, returnSequences: true }), { mergeMode: mergeMode as 'sum' }),
    ),
  rnn: fc.record({ a: units, b: units }).map(
    ({ a, b }) =>
      () =>
        rnn(stackedRnnCells([lstmCell({ units: a }), gruCell({ units: b, resetAfter: false })]), {
          returnSequences: true,
        }),
  ),
  dense: fc.record({ units, activation: squash }).map((options) => () => dense(options)),
  timeDistributed: units.map((units) => () => timeDistributed(dense({ units }))),
  conv1d: fc.record({ filters: units, padding: fc.constantFrom('same', 'causal') }).map(
    ({ filters, padding }) =>
      () =>
        conv1d({ filters, kernelSize: 3, padding: padding as 'same' }),
  ),
  activation: squash.map((name) => () => activation({ activation: name as 'relu' })),
  batchNormalization: fc.constant(() => batchNormalization()),
  layerNormalization: fc.constant(() => layerNormalization()),
  dropout: fc.constant(() => dropout({ rate: 0.3 })),
  spatialDropout1d: fc.constant(() => spatialDropout1d({ rate: 0.3 })),
  gaussianNoise: fc.constant(() => gaussianNoise({ stddev: 0.1 })),
  masking: fc.constant(() => masking({ maskValue: 0.5 })),
}

/** Layers from sequences to vectors. */
const endLayers: Record<string, fc.Arbitrary<readonly Make[]>> = {
  lstm: units.map((units) => [() => lstm({ units })]),
  gru: fc.record({ units, resetAfter: fc.boolean() }).map((options) => [() => gru(options)]),
  simpleRnn: units.map((units) => [() => simpleRnn({ units })]),
  bidirectional: units.map((units) => [() => bidirectional(simpleRnn({ units }))]),
  flatten: fc.constant([() => flatten()]),
  globalMaxPooling1d: fc.constant([() => globalMaxPooling1d()]),
  globalAveragePooling1d: fc.constant([() => globalAveragePooling1d()]),
  permute: fc.constant([() => permute({ dims: [2, 1] }), () => flatten()]),
  maxPooling1d: fc.constant([() => maxPooling1d({ poolSize: 2 }), () => flatten()]),
  averagePooling1d: fc.constant([() => averagePooling1d({ poolSize: 3 }), () => flatten()]),
  repeatVector: units.map((units) => [
    () => lstm({ units }),
    () => repeatVector(3),
    () => simpleRnn({ units: 2 }),
  ]),
  reshape: fc.constant([() => dense({ units: 2 }), () => reshape({ targetShape: [steps * 2] })]),
}

const only = <Value>(all: Record<string, fc.Arbitrary<Value>>, without: readonly string[]) =>
  fc.oneof(...Object.entries(all).flatMap(([kind, one]) => (without.includes(kind) ? [] : [one])))

/** A model, an input for it, and what it is made of. */
export interface RandomModel {
  readonly model: Model
  readonly x: number[][]
  readonly text: string
}

/** So many sequential models, and functional ones of two branches, with random weights. */
export const randomModels = (
  count: number,
  seed: number,
  without: readonly string[] = [],
): RandomModel[] => fc.sample(anyModel(without), { numRuns: count, seed })

function anyModel(without: readonly string[]): fc.Arbitrary<RandomModel> {
  return fc
    .record({
      ids: fc.boolean(),
      middle: fc.array(only(sequenceLayers, without), { minLength: 0, maxLength: 3 }),
      branch: fc.option(fc.array(only(sequenceLayers, without), { minLength: 1, maxLength: 2 })),
      end: fc.option(only(endLayers, without)),
      units,
      seed: fc.integer({ min: 0, max: 1e6 }),
    })
    .map(({ ids, middle, branch, end, units, seed }) => {
      const first = ids && !without.includes('embedding')
      const start = first ? [embedding({ inputDim: 9, outputDim: 3 })] : []
      const layers = [...start, ...middle.map((make) => make())]
      const tail = [...(end ?? []).map((make) => make()), dense({ units, activation: 'sigmoid' })]
      const made = branch
        ? branched(layers, branch, tail, first)
        : sequential([...layers, ...tail], { seed }).build(first ? [null, steps] : [null, steps, 2])
      spread(made as Model, seed)
      const number = (b: number, t: number, f: number) =>
        Math.round(97 * Math.sin(b + 3 * t + 7 * f + seed)) / 97
      const row = (b: number) =>
        Array.from({ length: steps }, (_, t) =>
          first ? Math.abs((b * 5 + t * 7 + seed) % 9) : [number(b, t, 0), number(b, t, 1)],
        )
      const text = made.layers.map((layer) => `${layer.kind} ${JSON.stringify(layer.options())}`)
      return {
        model: made as Model,
        x: [row(0), row(1), row(2)] as number[][],
        text: text.join('; '),
      }
    })
}

/** Two ways from the input, joined by their sum, their width made equal, and beside each other. */
function branched(layers: Layer[], branch: Make[], tail: Layer[], ids: boolean): Model {
  const x = input({ shape: ids ? [steps] : [steps, 2], ...(ids && { dtype: 'int32' as const }) })
  const run = (list: Layer[], from: typeof x) =>
    list.reduce((y, layer) => (layer as ReturnType<typeof dense>).apply(y), from)
  const one = run(layers, x)
  const other = ids
    ? run([embedding({ inputDim: 9, outputDim: 2 }), ...branch.map((make) => make())], x)
    : run(
        branch.map((make) => make()),
        x,
      )
  const sum = add().apply([
    run([dense({ units: 2 })], one),
    run([dense({ units: 2 })], other),
  ]) as never
  const y = run(tail, concatenate().apply([sum, other]) as never)
  return model({ inputs: x, outputs: y }) as never
}

/** Weights that show: initializers leave biases, means and gains as if there were none. */
function spread(made: Model, seed: number): void {
  made.setWeights(
    made.getWeights().map(({ name, shape, data }, i) => ({
      shape,
      data: Float32Array.from(data, (_, j) => {
        const value = Math.sin(1 + j * 1.7 + i * 0.3 + seed) * 0.6
        return /variance/i.test(name) ? 0.5 + Math.abs(value) : value
      }),
    })),
  )
}

/** Whether weights are the same, bit for bit. */
export function sameWeights(a: Model, b: Model): boolean {
  const [first, second] = [a.getWeights(), b.getWeights()]
  return (
    first.length === second.length &&
    first.every(({ data, shape }, i) => {
      const other = second[i]
      return (
        shape.join() === other.shape.join() &&
        data.every((value, j) => Object.is(value, other.data[j]))
      )
    })
  )
}

/** That another program computes what the model does: |a − b| ≤ 1e-5 + 1e-4·|b|. */
export async function expectClose(
  { model, x, text }: RandomModel,
  found: ArrayLike<number>,
): Promise<void> {
  const expected = await (await model.predict(x)).data()
  expect(found, text).toHaveLength(expected.length)
  expected.forEach((value, i) => {
    expect(Math.abs(found[i] - value), text).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(value))
  })
}
