/**
 * 2,000 training steps, after 1,000 in which the engine compiles, leave no trace: neither on the
 * JavaScript heap, nor in the step's arena, nor in the backend's heap. The rows are ragged, the last batch of an epoch is short.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { availableBackends, createBackend } from '../kernels/backend.ts'
import { wasmBackend } from '../kernels/wasm/wasm.ts'
import { bidirectional, dense, dropout, embedding, lstm } from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import type { Callback } from '../train/callbacks.ts'
import { adam } from '../train/optimizers.ts'
import { explain } from './explain/explain.ts'
import { sequential } from './sequential.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const random = new Random(6, 'rows')
const x = Array.from({ length: 43 }, () =>
  Array.from({ length: 1 + random.below(12) }, () => 1 + random.below(19)),
)
const y = x.map((row) => [row.length % 2])
const stepsPerEpoch = 11

/** Collects, and lets the finalizers run that give blocks back. */
async function settle() {
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** One instruction set of each. */
const backends = availableBackends()
  .filter(({ available, variant }) => available && variant !== 'float64')
  .filter(({ name }, i, all) => all.findIndex((other) => other.name === name) === i)
  .map(({ name, variant }) => createBackend(`${name}:${variant}`))

describe.each(backends)('$name $variant', (backend) => {
  it('3,000 steps', async () => {
    const model = sequential(
      [
        embedding({ inputDim: 20, outputDim: 6, maskZero: true }),
        bidirectional(lstm({ units: 5, dropout: 0.1 })),
        dropout({ rate: 0.1 }),
        dense({ units: 1, activation: 'sigmoid' }),
      ],
      { backend },
    )
    model.compile({ optimizer: adam(), loss: 'binaryCrossentropy', metrics: ['accuracy'] })
    const seen: { step: number; js: number; arena: number; heap: number }[] = []
    const watch: Callback = {
      name: 'watch',
      async onStepEnd({ iteration }) {
        if (![1000, 2000, 3000].includes(iteration)) return
        await settle()
        seen.push({
          step: iteration,
          js: process.memoryUsage().heapUsed,
          arena: model.arenaBytes,
          heap: backend.heap.bytesInUse,
        })
        if (iteration === 3000) expect(seen).toHaveLength(3)
      },
    }
    const epochs = Math.ceil(3000 / stepsPerEpoch)
    const history = await model.fit(x, y, {
      epochs,
      batchSize: 4,
      validationData: [x, y],
      callbacks: [watch],
    })
    expect(history.steps).toBeGreaterThanOrEqual(3000)
    const [first, , last] = seen
    expect(last.arena).toBe(first.arena)
    expect(last.heap).toBe(first.heap)
    // The engine still compiles, and the history grows by 182 epochs; the steps' tensors would be 20 MB.
    expect(last.js - first.js).toBeLessThan(800_000)
  })

  it('predictions', async () => {
    const model = sequential(
      [embedding({ inputDim: 20, outputDim: 4 }), lstm({ units: 3 }), dense({ units: 1 })],
      { backend },
    )
    await model.predict(x, { batchSize: 8 })
    await settle()
    const before = { arena: model.arenaBytes, heap: backend.heap.bytesInUse }
    for (let i = 0; i < 50; i++) await model.predict(x.slice(i % 40), { batchSize: 8 })
    await settle()
    expect(model.arenaBytes).toBe(before.arena)
    // Less where an earlier test's model was collected only now.
    expect(backend.heap.bytesInUse).toBeLessThanOrEqual(before.heap)
  })
})

it('gradients and moments have memory only once a model trains', async () => {
  const backend = createBackend('reference:float32')
  const before = backend.heap.bytesInUse
  const model = sequential([dense({ units: 300 })], { backend }).build([null, 200])
  model.compile({ loss: 'mse', optimizer: adam() })
  const data = { shape: [4, 200], data: new Float32Array(800) }
  const target = { shape: [4, 300], data: new Float32Array(1200) }
  await model.predict(data)
  await model.evaluate(data, target)
  const used = () => backend.heap.bytesInUse - before - model.arenaBytes
  const weights = 4 * (200 * 300 + 300)
  expect(used()).toBeLessThan(weights + 200)
  await model.fit(data, target)
  expect(used()).toBeGreaterThanOrEqual(4 * weights)
  expect(used()).toBeLessThan(4 * weights + 2000)
})

it('explaining a model leaves no memory behind', async () => {
  const backend = createBackend('reference:float32')
  const model = sequential(
    [embedding({ inputDim: 5000, outputDim: 16 }), lstm({ units: 3 }), dense({ units: 300 })],
    { backend },
  ).build([null, 4])
  const before = backend.heap.bytesInUse
  await explain(model, { batchSize: 2, milliseconds: 1 })
  await settle()
  // Gradients and moments would be 650 kB.
  expect(backend.heap.bytesInUse - before).toBeLessThan(20_000)
})

it('a model that nothing refers to gives its memory back', async () => {
  const backend = wasmBackend({ variant: 'simd128' })
  const use = async () => {
    const model = sequential([lstm({ units: 8 }), dense({ units: 1 })], { backend })
    model.compile({ loss: 'meanSquaredError' })
    const data = { shape: [32, 20, 3], data: new Float32Array(32 * 20 * 3) }
    await model.fit(data, new Float32Array(32))
    await model.predict(data)
  }
  await use()
  expect(backend.heap.bytesInUse).toBeGreaterThan(0)
  for (let i = 0; i < 20 && backend.heap.bytesInUse > 0; i++) await settle()
  expect(backend.heap.bytesInUse).toBe(0)
})
