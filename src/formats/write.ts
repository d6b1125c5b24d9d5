/** Models in the formats of other programs, in Node: the name's ending says which. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import type { AnyModel } from '../model/file.ts'
import type { SaveOptions } from '../model/model.ts'
import { checkInteger } from '../util/check.ts'
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

type Encoder = (model: AnyModel, path: string, batchSize: number | null) => Promise<Encoded>

const one =
  (encode: (...of: Parameters<Encoder>) => Promise<Uint8Array>): Encoder =>
  async (...of) => ({ files: new Map([[of[1], await encode(...of)]]), notes: [] })

const encoders: Readonly<Record<string, Encoder>> = {
  keras: one(writeArchive),
  h5: one(writeH5),
  hdf5: one(writeH5),
  safetensors: one(async (model, path) => writeTorch(model, path)),
  json: async (model, path, batchSize) => {
    const weightsPath = `${path.slice(0, -'.json'.length)}.bin`
    const { json, weights } = await writeJsonModel(model, path, baseName(weightsPath), batchSize)
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
export function encodeForeign(
  model: AnyModel,
  path: string,
  { batchSize }: Pick<SaveOptions, 'batchSize'> = {},
): Promise<Encoded> {
  const [, ending] = /\.(\w+)$/.exec(path) ?? []
  if (batchSize !== undefined && !['keras', 'h5', 'hdf5', 'json'].includes(ending)) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `save 'batchSize': it is of .keras, .h5 and model.json, got ${show(path)}`,
    )
  }
  const rows = batchSize === undefined ? null : checkInteger("save 'batchSize'", batchSize)
  if (ending && Object.hasOwn(encoders, ending)) return encoders[ending](model, path, rows)
  throw new RefrainError(
    'BAD_ARGUMENT',
    `save 'path': expected a file name that ends in ${writtenEndings.map((one) => `.${one}`).join(', ')}, got ${show(path)}`,
  )
}

/** Writes the model's files beside their targets and renames them into place. */
export async function writeForeign(
  model: AnyModel,
  path: string,
  extras: SaveOptions,
): Promise<void> {
  const { files } = await encodeForeign(model, path, extras)
  // What the first names must be there when it is.
  for (const [name, bytes] of [...files].reverse()) await platform.writeFile(name, bytes)
}
