/** The same seed gives the same bits: again, with other threads, after other work. */
import { describe, expect, it } from 'vitest'
import { eachBackend } from '../kernels/backends.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { nativeBackend, nativeVariants } from '../kernels/native/native.ts'
import { bidirectional, dense, dropout, embedding, lstm } from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import { adam } from '../train/optimizers.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'

const random = new Random(8, 'rows')
const x = Array.from({ length: 150 }, () =>
  Array.from({ length: 1 + random.below(30) }, () => 1 + random.below(49)),
)
const y = x.map((row) => row.length % 3)

/** Wide enough, with batches large enough, that threads share the work. */
async function train(backend: Backend, options: { seed?: number; fitSeed?: number } = {}) {
  const { seed = 3, fitSeed } = options
  const model: Model = sequential(
    [
      embedding({ inputDim: 50, outputDim: 33, maskZero: true }),
      bidirectional(lstm({ units: 40, dropout: 0.2, returnSequences: true })),
      lstm({ units: 25 }),
      dropout({ rate: 0.2 }),
      dense({ units: 3, activation: 'softmax' }),
    ],
    { seed, backend },
  )
  model.compile({
    optimizer: adam({ learningRate: 0.01, globalClipNorm: 1 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  })
  // The plain loops are slow, and have no threads.
  const rows = backend.name === 'reference' ? 20 : x.length
  const history = await model.fit(x.slice(0, rows), y.slice(0, rows), {
    epochs: 2,
    batchSize: 64,
    validationSplit: 0.1,
    seed: fitSeed,
  })
  const prediction = await (await model.predict(x.slice(0, rows))).data()
  return { history, prediction, weights: model.parameters.values.values.slice() }
}

eachBackend((backend) => {
  it('the same seed gives the same bits, another seed others', async () => {
    const first = await train(backend)
    expect(await train(backend)).toEqual(first)
    expect(first.weights.every(Number.isFinite)).toBe(true)
    const others = [await train(backend, { seed: 4 }), await train(backend, { fitSeed: 4 })]
    for (const other of others) {
      const equal = other.weights.filter((weight, i) => weight === first.weights[i]).length
      // Only weights that no gradient reached may be equal; with fit's seed, they start equal.
      expect(equal).toBeLessThan(first.weights.length / 10)
      expect(other.history.history.loss).not.toEqual(first.history.history.loss)
    }
  })
})

describe('the number of threads changes no bit', () => {
  const native = nativeVariants()
  for (const variant of 'variants' in native ? native.variants : []) {
    it(variant, async () => {
      const backend = nativeBackend({ variant, threads: 1 })
      const one = await train(backend)
      for (const threads of [2, 3, 7]) {
        backend.threads = threads
        expect(backend.threads).toBe(threads)
        expect(await train(backend)).toEqual(one)
      }
    })

    it(`${variant}: steps of a stream, which threads share once they are awake`, () => {
      const stream = (threads: number) => {
        const backend = nativeBackend({ variant, threads })
        const model = sequential([lstm({ units: 130 })], { seed: 1, backend })
        model.build([null, 1, 128])
        const state = model.initialState(1)
        const inputs = new Random(2, 'stream')
        return Array.from({ length: 2000 }, () => {
          const x = Float32Array.from({ length: 128 }, () => inputs.normal())
          return model.step(x, state).y.slice()
        })
      }
      const one = stream(1)
      for (const threads of [2, 5]) expect(stream(threads)).toEqual(one)
    })
  }
  if ('reason' in native) it.skip(`native: ${native.reason}`, () => {})
})
