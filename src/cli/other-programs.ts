/** What other programs compute with a written file, where they are installed in the user's own project. */
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ModelInput } from '../formats/verify.ts'

/** A program that opened a model. */
export interface OtherModel {
  /** 'TensorFlow.js 4.22.0' */
  readonly program: string
  /** The model's outputs, each as one list of numbers. */
  predict(inputs: readonly ModelInput[]): Promise<ArrayLike<number>[]>
}

/** A program that can open a format. */
export interface OtherProgram {
  readonly name: string
  /** What `npm install` takes. */
  readonly packages: string
  /** Opens a written model; null if the program is not installed where the command runs. */
  open(files: ReadonlyMap<string, Uint8Array>, path: string): Promise<OtherModel | null>
}

/** A package as the folder sees it in which the command runs; null if there is none. */
async function installed<Module>(
  name: string,
): Promise<{ module: Module; version: string } | null> {
  const require = createRequire(resolve('refrain.js'))
  try {
    const path = require.resolve(name)
    const module = (await import(pathToFileURL(path).href)) as { default?: Module } & Module
    return { module: module.default ?? module, version: versionAbove(require, path) }
  } catch {
    return null
  }
}

/** The version in the first package.json above a file that has one. */
function versionAbove(require: NodeJS.Require, path: string): string {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { version } = require(join(folder, 'package.json')) as { version?: string }
      if (version) return version
    } catch {
      // Perhaps in the folder above.
    }
  }
  return ''
}

/** The part of TensorFlow.js that is used. */
interface Tensorflow {
  readonly io: { fromMemory(artifacts: object): unknown }
  loadLayersModel(source: unknown): Promise<{ predict(inputs: unknown): unknown }>
  tensor(
    data: unknown,
    shape: readonly number[],
    dtype: string,
  ): Disposable & { data(): Promise<Float32Array> }
}
interface Disposable {
  dispose(): void
}

const tensorflow: OtherProgram = {
  name: 'TensorFlow.js',
  packages: '@tensorflow/tfjs',
  async open(files, path) {
    const found = await installed<Tensorflow>('@tensorflow/tfjs')
    if (!found) return null
    const { module: tf, version } = found
    const { modelTopology, weightsManifest, format } = JSON.parse(
      new TextDecoder().decode(files.get(path)!),
    )
    const [bytes] = [...files].filter(([name]) => name !== path).map(([, content]) => content)
    const model = await tf.loadLayersModel(
      tf.io.fromMemory({
        modelTopology,
        format,
        weightSpecs: weightsManifest[0].weights,
        weightData: bytes.slice().buffer,
      }),
    )
    return {
      program: `TensorFlow.js ${version}`,
      async predict(inputs) {
        const tensors = inputs.map(({ data, shape }) => tf.tensor(data, shape, 'float32'))
        const outputs = [
          model.predict(tensors.length === 1 ? tensors[0] : tensors),
        ].flat() as typeof tensors
        const numbers = await Promise.all(outputs.map((output) => output.data()))
        for (const tensor of [...tensors, ...outputs]) tensor.dispose()
        return numbers
      },
    }
  },
}

/** The part of ONNX Runtime that is used. */
interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads?: number } }
  readonly InferenceSession: {
    create(bytes: Uint8Array): Promise<{
      readonly inputNames: readonly string[]
      readonly outputNames: readonly string[]
      run(feeds: object): Promise<Record<string, { readonly data: ArrayLike<number> }>>
    }>
  }
  readonly Tensor: new (type: string, data: unknown, shape: readonly number[]) => unknown
}

const onnxRuntime: OtherProgram = {
  name: 'ONNX Runtime',
  packages: 'onnxruntime-node',
  async open(files, path) {
    const native = await installed<OnnxRuntime>('onnxruntime-node')
    const found = native ?? (await installed<OnnxRuntime>('onnxruntime-web'))
    if (!found) return null
    const { module: ort, version } = found
    if (!native) ort.env.wasm.numThreads = 1
    const session = await ort.InferenceSession.create(files.get(path)!)
    return {
      program: `ONNX Runtime ${version}`,
      async predict(inputs) {
        const feeds = session.inputNames.map((name, i) => {
          const { data, shape } = inputs[i]
          return [
            name,
            new ort.Tensor(data instanceof Int32Array ? 'int32' : 'float32', data, shape),
          ]
        })
        const outputs = await session.run(Object.fromEntries(feeds))
        return session.outputNames.map((name) => outputs[name].data)
      },
    }
  },
}

/** Programs by the endings of the files that they open. */
export const otherPrograms: Readonly<Record<string, OtherProgram>> = {
  json: tensorflow,
  onnx: onnxRuntime,
}
