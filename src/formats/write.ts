/** Models in the formats of other programs, in Node: the name's ending says which. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import type { AnyModel } from '../model/file.ts'
import { writeArchive, writeH5, writeJsonModel } from './keras/write.ts'
import { writeTorch } from './torch/write.ts'

/** What writes a model: the files' bytes by their paths, the first of them the one that was asked for. */
type Encoder = (model: AnyModel, path: string) => Promise<Map<string, Uint8Array>>

const one =
  (encode: (model: AnyModel, path: string) => Promise<Uint8Array>): Encoder =>
  async (model, path) =>
    new Map([[path, await encode(model, path)]])

const encoders: Readonly<Record<string, Encoder>> = {
  keras: one(writeArchive),
  h5: one(writeH5),
  hdf5: one(writeH5),
  safetensors: one(async (model, path) => writeTorch(model, path)),
  json: async (model, path) => {
    const weightsPath = `${path.slice(0, -'.json'.length)}.bin`
    const { json, weights } = await writeJsonModel(model, path, baseName(weightsPath))
    return new Map([
      [path, json],
      [weightsPath, weights],
    ])
  },
}

const baseName = (path: string) =>
  path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)

/** Endings of names that can be written, without the dot. */
export const writtenEndings = ['refrain', ...Object.keys(encoders)]

/** The files that hold the model in the format of the path's ending. Throws `BAD_ARGUMENT` and `UNSUPPORTED`. */
export function encodeForeign(model: AnyModel, path: string): Promise<Map<string, Uint8Array>> {
  const [, ending] = /\.(\w+)$/.exec(path) ?? []
  if (ending && Object.hasOwn(encoders, ending)) return encoders[ending](model, path)
  throw new RefrainError(
    'BAD_ARGUMENT',
    `save 'path': expected a file name that ends in ${writtenEndings.map((one) => `.${one}`).join(', ')}, got ${show(path)}`,
  )
}

/** Writes the model's files beside their targets and renames them into place. */
export async function writeForeign(model: AnyModel, path: string): Promise<void> {
  const files = [...(await encodeForeign(model, path))]
  // What the first names must be there when it is.
  for (const [name, bytes] of files.reverse()) await platform.writeFile(name, bytes)
}
