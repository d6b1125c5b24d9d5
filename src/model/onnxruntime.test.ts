/** The recurrent layers against ONNX Runtime's operators: gates, directions, lengths. */
import { describe, expect, it } from 'vitest'
import { type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import { eachBackend } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { bidirectional, gru, lstm, simpleRnn } from '../layers/index.ts'
import { sequential } from './sequential.ts'

const { cases, made_by } = loadFixture('onnxruntime/recurrent.json')
const makers = { lstm, gru, simpleRnn } as unknown as Record<string, (options: object) => never>
const lengths = [6, 4, 1]

/** The layer with the case's weights, and its output [B,T,…]. */
async function outputOf(backend: Backend, { options, arrays }: FixtureCase): Promise<Float32Array> {
  const { layer: kind, ragged, steady: _, bidirectional: both, ...rest } = options
  const make = (more: object) => makers[kind as string]({ ...rest, returnSequences: true, ...more })
  const layer = both ? bidirectional(make({})) : make({})
  const model = sequential([layer], { backend })
  const [, steps, features] = arrays.x.shape
  model.build([null, null, features])
  const names = model.layers[0].getWeights().map(({ name }) => name)
  const sides = both ? ['forward', 'backward'] : ['forward']
  const perSide = names.length / sides.length
  model.layers[0].setWeights(
    names.map((name, i) => arrays[`${sides[Math.floor(i / perSide)]}.${name}`]),
  )
  const row = (b: number) =>
    Array.from({ length: ragged ? lengths[b] : steps }, (_, t) => {
      const from = (b * steps + t) * features
      return arrays.x.data.slice(from, from + features)
    })
  const y = await model.predict(lengths.map((_, b) => row(b)) as never)
  return (await y.data()) as Float32Array
}

function suite(backend: Backend): void {
  it.each(cases)('$name', async (fixture) => {
    const { options, arrays } = fixture
    const y = await outputOf(backend, fixture)
    const [rows, steps, width] = arrays.y.shape
    expect(y).toHaveLength(arrays.y.data.length)
    for (let b = 0; b < rows; b++) {
      for (let t = 0; t < (options.ragged ? lengths[b] : steps); t++) {
        // Backwards ONNX keeps the order of time, Keras that of processing.
        const ours = options.goBackwards ? steps - 1 - t : t
        const at = (time: number) => (b * steps + time) * width
        expectClose(
          y.slice(at(ours), at(ours) + width),
          arrays.y.data.slice(at(t), at(t) + width),
          { relative: 1e-5, absolute: 2e-6 },
        )
      }
    }
  })
}

describe(`${made_by.program} ${made_by.version}`, () => {
  it('has its cases', () => expect(cases.length).toBe(15))
  eachBackend(suite)
})
