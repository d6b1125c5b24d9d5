/** What runs both here and in the page. Every export takes and returns plain JSON values. */
import {
  adam,
  availableBackends,
  bidirectional,
  decodeModel,
  defaultBackend,
  dense,
  dropout,
  embedding,
  encodeModel,
  lstm,
  type Model,
  referenceBackend,
  sequential,
  setBackend,
} from 'refrain'

/** SHA-256 of the bytes, so that every bit counts. */
async function digest(array: Float32Array | Float64Array | Int32Array): Promise<string> {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  const sum = await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** 80 sequences of 1 to 24 tokens and whether token 7 occurs, by a small congruential generator. */
function makeData() {
  let state = 1
  const below = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % limit
  }
  const x = Array.from({ length: 80 }, () =>
    Array.from({ length: 1 + below(24) }, () => 1 + below(29)),
  )
  return { x, y: x.map((row) => [row.includes(7) ? 1 : 0]) }
}

async function train(): Promise<Model> {
  setBackend('wasm:simd128')
  const model = sequential(
    [
      embedding({ inputDim: 30, outputDim: 12, maskZero: true }),
      bidirectional(lstm({ units: 19, dropout: 0.2, recurrentDropout: 0.1 })),
      dropout({ rate: 0.3 }),
      dense({ units: 7, activation: 'tanh' }),
      dense({ units: 1, activation: 'sigmoid' }),
    ],
    { seed: 42 },
  )
  model.compile({
    optimizer: adam({ learningRate: 1e-2, clipNorm: 1 }),
    loss: 'binaryCrossentropy',
    metrics: ['accuracy'],
  })
  const { x, y } = makeData()
  await model.fit(x, y, { epochs: 4, batchSize: 16 })
  return model
}

/** Trains 20 steps on the simd128 kernels: sums of all weights and of predictions, and the losses. */
export async function trainTwentySteps() {
  const model = await train()
  const weights: string[] = []
  for (const layer of model.layers) {
    for (const { name, data } of layer.getWeights()) {
      weights.push(`${layer.name}/${name} ${await digest(data)}`)
    }
  }
  const { steps, history } = model.trainingRecord!.history
  const predictions = await model.predict(makeData().x)
  return { steps, loss: history.loss, weights, predictions: await digest(await predictions.data()) }
}

/**
 * Trains a model that is large enough for several threads: a sum of the bits of its weights, the
 * threads that the backend says it has, and the workers of this page that were started for it.
 */
export async function trainOnThreads(threads: number) {
  const page = globalThis as unknown as { Worker?: new (...args: unknown[]) => object }
  const { Worker } = page
  let workers = 0
  if (Worker) {
    page.Worker = class extends Worker {
      constructor(...args: unknown[]) {
        super(...args)
        workers++
      }
    }
  }
  const backend = setBackend('wasm:simd128')
  backend.threads = threads
  const model = sequential([lstm({ units: 64 }), dense({ units: 4 })], { seed: 3 })
  model.compile({ optimizer: adam(), loss: 'meanSquaredError' })
  const x = {
    data: Float32Array.from({ length: 64 * 20 * 32 }, (_, i) => (i % 7) - 3),
    shape: [64, 20, 32],
  }
  const y = { data: Float32Array.from({ length: 64 * 4 }, (_, i) => i % 3), shape: [64, 4] }
  await model.fit(x, y, { epochs: 10, batchSize: 32 })
  if (Worker) page.Worker = Worker
  // A worker that is forbidden fails a little later.
  await new Promise((done) => setTimeout(done, 50))
  const weights = []
  for (const { data } of model.layers.flatMap((layer) => layer.getWeights())) {
    weights.push(await digest(data))
  }
  return { weights, threads: backend.threads, workers }
}

/** Predictions before and after a model went through the bytes of its file. */
export async function predictFromFile() {
  const model = await train()
  const { x } = makeData()
  const bytes = encodeModel(model, { encoders: { words: ['a', 'b'] } }, null)
  const loaded = decodeModel(bytes, 'bytes')
  const before = await model.predict(x)
  const after = await loaded.model.predict(x)
  return {
    shape: before.shape,
    encoders: loaded.encoders,
    before: Array.from(await before.data()),
    after: Array.from(await after.data()),
  }
}

/** The backend that is chosen where nothing is set, and all that run. */
export function backends() {
  const { name, variant } = defaultBackend()
  const available = availableBackends().filter((backend) => backend.available)
  return {
    chosen: `${name}:${variant}`,
    available: available.map((backend) => `${backend.name}:${backend.variant}`),
  }
}

/** Losses of a small training with plain loops. */
export async function trainOnLoops(): Promise<number[]> {
  setBackend(referenceBackend())
  const model = sequential([lstm({ units: 5 }), dense({ units: 1 })], { seed: 3 })
  model.compile({ optimizer: adam(), loss: 'meanSquaredError' })
  const x = Array.from({ length: 8 }, (_, b) => [[b], [1]])
  const { history } = await model.fit(x, [1, 2, 3, 4, 5, 6, 7, 8], { epochs: 3, batchSize: 4 })
  return history.loss
}

/** The error where there is no WebAssembly, and what its hint leads to. Only in a page of its own. */
export async function withoutWasm() {
  Reflect.deleteProperty(globalThis, 'WebAssembly')
  try {
    defaultBackend()
  } catch (error) {
    return { error: (error as Error).message, loss: await trainOnLoops() }
  }
  throw new Error('a backend was found')
}

/** Code and message of the error for an option that does not exist. */
export function unknownOption() {
  try {
    lstm({ unit: 3 } as never)
    return null
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return { code, message }
  }
}
