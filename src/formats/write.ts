/** Models in the formats of other programs, in Node: the name's ending says which. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import type { AnyModel } from '../model/file.ts'
import { writeArchive, writeH5, writeJsonModel } from './keras/write.ts'
import { writeOnnx } from './onnx/write.ts'
import { writeTorch } from './torch/write.ts'

/** A model's files. */
export interface Encoded {
  /** Their bytes by their paths, the first of them the one that was asked for. */
  readonly files: Map<string, Uint8Array>
  /** What a reader of the files should know. */
  readonly notes: readonly string[]
}

type Encoder = (model: AnyModel, path: string) => Promise<Encoded>

const one =
  (encode: (model: AnyModel, path: string) => Promise<Uint8Array>): Encoder =>
  async (model, path) => ({ files: new Map([[path, await encode(model, path)]]), notes: [] })

const encoders: Readonly<Record<string, Encoder>> = {
  keras: one(writeArchive),
  h5: one(writeH5),
  hdf5: one(writeH5),
  safetensors: one(async (model, path) => writeTorch(model, path)),
  json: async (model, path) => {
    const weightsPath = `${path.slice(0, -'.json'.length)}.bin`
    const { json, weights } = await writeJsonModel(model, path, baseName(weightsPath))
    const files = new Map([
      [path, json],
      [weightsPath, weights],
    ])
    return { files, notes: [] }
  },
  onnx: async (model, path) => {
    const { bytes, notes } = await writeOnnx(model, path)
    return { files: new Map([[path, bytes]]), notes }
  },
}

const baseName = (path: string) =>
  path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)

/** Endings of names that can be written, without the dot. */
export const writtenEndings = ['refrain', ...Object.keys(encoders)]

/** The files that hold the model in the format of the path's ending. Throws `BAD_ARGUMENT` and `UNSUPPORTED`. */
export function encodeForeign(model: AnyModel, path: string): Promise<Encoded> {
  const [, ending] = /\.(\w+)$/.exec(path) ?? []
  if (ending && Object.hasOwn(encoders, ending)) return encoders[ending](model, path)
  throw new RefrainError(
    'BAD_ARGUMENT',
    `save 'path': expected a file name that ends in ${writtenEndings.map((one) => `.${one}`).join(', ')}, got ${show(path)}`,
  )
}

/** Writes the model's files beside their targets and renames them into place. */
export async function writeForeign(model: AnyModel, path: string): Promise<void> {
  const { files } = await encodeForeign(model, path)
  // What the first names must be there when it is.
  for (const [name, bytes] of [...files].reverse()) await platform.writeFile(name, bytes)
}
