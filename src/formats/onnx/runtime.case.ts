/** What tests of ONNX files share: running them in ONNX Runtime's web build, on one thread. */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web'
import { expect } from 'vitest'
import type { AnyModel } from '../../model/file.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { sizeOf } from '../../util/check.ts'
import { readOnnx } from './read.ts'
import { writeOnnx } from './write.ts'

/** Numbers of an input. */
export interface Given {
  readonly shape: number[]
  readonly data: Float32Array | Int32Array
}

async function runtime() {
  const ort = await import('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'error'
  return ort
}

/** A session of a file. */
export async function session(bytes: Uint8Array): Promise<InferenceSession> {
  const ort = await runtime()
  return ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] })
}

/** The outputs of a session, in their order. */
export async function run(open: InferenceSession, inputs: readonly Given[]): Promise<OrtTensor[]> {
  const ort = await runtime()
  const feeds = inputs.map(({ shape, data }, i) => {
    const type = data instanceof Int32Array ? 'int32' : 'float32'
    return [open.inputNames[i], new ort.Tensor(type, data as Float32Array, shape)]
  })
  const results = await open.run(Object.fromEntries(feeds))
  return open.outputNames.map((name) => results[name])
}

/** Fails unless two outputs are equal to 1e-5. */
export function expectEqual(
  found: { readonly dims: readonly number[]; readonly data: ArrayLike<unknown> },
  { shape, data }: { shape: readonly number[]; data: ArrayLike<number> },
  label: string,
): void {
  expect([...found.dims], label).toEqual([...shape])
  for (let i = 0; i < data.length; i++) {
    const [a, b] = [Number(found.data[i]), data[i]]
    if (Math.abs(a - b) <= 1e-5 + 1e-5 * Math.abs(b)) continue
    expect.fail(`${label}: expected ${b} at ${i} of ${data.length}, got ${a}`)
  }
}

/**
 * Writes a model and compares what ONNX Runtime and the model make of inputs; and, if the file is `readable`, what a
 * model that is read from it does. Gives the file.
 */
export async function expectSame(
  model: AnyModel,
  cases: readonly (readonly Given[])[],
  readable = true,
): Promise<{ bytes: Uint8Array; notes: readonly string[] }> {
  const file = await writeOnnx(model, 'model.onnx')
  const open = await session(file.bytes)
  for (const inputs of cases) {
    const found = await run(open, inputs)
    const expected = await predicted(model, inputs)
    for (const [i, one] of expected.entries()) expectEqual(found[i], one, `output ${i}`)
  }
  await open.release()
  if (readable) await expectReadBack(model, file.bytes, cases)
  return file
}

/** Reads a file that was written of a model: the same outputs, and the same weights bit for bit. */
export async function expectReadBack(
  model: AnyModel,
  bytes: Uint8Array,
  cases: readonly (readonly Given[])[],
): Promise<void> {
  const read = (await readOnnx(bytes, 'model.onnx', {})) as AnyModel
  expect(read.inputNames).toEqual(model.inputNames)
  for (const inputs of cases) {
    const found = await predicted(read, inputs)
    const expected = await predicted(model, inputs)
    for (const [i, one] of expected.entries()) {
      expectEqual({ dims: found[i].shape, data: found[i].data }, one, `output ${i} read back`)
    }
  }
  const words = ({ data }: { data: Float32Array | Float64Array }) =>
    [...new Uint32Array(Float32Array.from(data).buffer)].join()
  const kept = new Set(read.getWeights().map(words))
  for (const weight of model.getWeights()) {
    expect(kept.has(words(weight)), `${weight.name} bit for bit`).toBe(true)
  }
}

/** A model's outputs. */
export async function predicted(model: AnyModel, inputs: readonly Given[]) {
  const given = inputs as unknown as Parameters<AnyModel['predict']>[0]
  const one = inputs[0] as unknown as Parameters<AnyModel['predict']>[0]
  const outputs = [await model.predict(inputs.length === 1 ? one : given)].flat() as Tensor[]
  return Promise.all(
    outputs.map(async (output) => ({
      shape: [...output.shape],
      data: (await output.data()) as Float32Array,
    })),
  )
}

/** Numbers between -1 and 1 that follow from a seed; with `ids` whole numbers below that. */
export function numbers(shape: number[], seed = 1, ids = 0): Given {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) / 2 ** 24
  }
  const length = sizeOf(shape)
  for (let i = 0; i < 5; i++) next()
  return ids > 0
    ? { shape, data: Int32Array.from({ length }, () => Math.floor(next() * ids)) }
    : { shape, data: Float32Array.from({ length }, () => 2 * next() - 1) }
}

/** Other weights for a model, biases and statistics among them, that follow from a seed. */
export function shuffleWeights(model: AnyModel, seed = 7): void {
  const weights = model.getWeights().map(({ name, shape }, i) => {
    const { data } = numbers([...shape], seed + 31 * i)
    return Float32Array.from(data, (v) => (/[vV]ariance/.test(name) ? 1.5 + v : v / 2))
  })
  model.setWeights(weights)
}
