/** Random models: what ONNX Runtime (web build 1.30) makes of their files, and Refrain of the files, is the same. */
import fc from 'fast-check'
import { it } from 'vitest'
import {
  activation,
  batchNormalization,
  bidirectional,
  conv1d,
  dense,
  embedding,
  gru,
  layerNormalization,
  lstm,
  maxPooling1d,
  simpleRnn,
  timeDistributed,
} from '../../layers/index.ts'
import { sequential } from '../../model/sequential.ts'
import { expectSame, type Given, numbers, shuffleWeights } from './runtime.case.ts'

const units = fc.integer({ min: 1, max: 6 })
const gate = fc.constantFrom('sigmoid', 'hardSigmoid', 'hardSigmoidLegacy', 'tanh')
const candidate = fc.constantFrom('tanh', 'relu', 'softsign', 'elu')

/** Any recurrent layer with all steps, one way or both. */
const recurrent = fc
  .record({
    kind: fc.constantFrom('lstm', 'gru', 'simpleRnn'),
    both: fc.constantFrom(null, 'concat', 'sum', 'mul', 'ave'),
    options: fc.record({ units, useBias: fc.boolean(), activation: candidate }),
    gates: gate,
    resetAfter: fc.boolean(),
    learnInitialState: fc.boolean(),
    peephole: fc.boolean(),
  })
  .map(({ kind, both, options, gates, resetAfter, learnInitialState, peephole }) => {
    const all = { ...options, learnInitialState, returnSequences: true }
    const layer =
      kind === 'lstm'
        ? lstm({ ...all, peephole, recurrentActivation: gates })
        : kind === 'gru'
          ? gru({ ...all, resetAfter, recurrentActivation: gates })
          : simpleRnn(all)
    return both === null ? layer : bidirectional(layer as never, { mergeMode: both as 'concat' })
  })

/** Any layer from sequences to sequences. */
const layer = fc.oneof(
  { weight: 3, arbitrary: recurrent },
  units.map((n) => dense({ units: n, activation: 'tanh' })),
  units.map((n) => timeDistributed(dense({ units: n, activation: 'silu' }))),
  fc.constantFrom('softmax' as const, 'gelu' as const).map((name) => activation(name)),
  fc.constant(null).map(() => layerNormalization()),
  fc.constant(null).map(() => batchNormalization()),
  units.map((n) => conv1d({ filters: n, kernelSize: 2, padding: 'causal' })),
  fc.constant(null).map(() => maxPooling1d({ padding: 'same', strides: 1 })),
)

/** Rows of ids padded behind their ends. */
const rows = fc
  .array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 })
  .map((lengths): Given => {
    const steps = Math.max(1, ...lengths)
    const data = Int32Array.from({ length: lengths.length * steps }, (_, i) =>
      i % steps < lengths[Math.floor(i / steps)] ? 1 + ((i * 7) % 8) : 0,
    )
    return { shape: [lengths.length, steps], data }
  })

it('takes sequences of any length and batches of any size', async () => {
  const size = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 7 }))
  await fc.assert(
    fc.asyncProperty(
      fc.array(layer, { minLength: 1, maxLength: 4 }),
      size,
      size,
      async (made, a, b) => {
        const model = sequential(made as never)
        model.build([null, null, 3])
        shuffleWeights(model)
        await expectSame(model, [[numbers([...a, 3])], [numbers([...b, 3], 2)]])
      },
    ),
    { numRuns: 40 },
  )
})

it('takes padded rows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 3 }), rows, async (made, given) => {
      const first = embedding({ inputDim: 9, outputDim: 3, maskZero: true })
      const model = sequential([first, ...made] as never)
      model.build([null, null])
      shuffleWeights(model)
      await expectSame(model, [[given]])
    }),
    { numRuns: 40 },
  )
})
