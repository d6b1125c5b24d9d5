/** Weights of Keras 3 in several files: an index, `model.weights.json`, and HDF5 files beside it. */
import { RefrainError, show } from '../../errors.ts'
import { Hdf5 } from '../hdf5.ts'
import { asObject } from '../json.ts'
import type { FileArray } from './weights.ts'

/** Whether a JSON object is such an index. */
export const isShardIndex = (json: unknown) =>
  typeof json === 'object' && json !== null && 'weight_map' in json

/**
 * What gives an array by its path, 'layers/dense/vars/0'. `weight_map` names for each layer's group, '/layers/dense/vars',
 * the file that it lies in, or the files.
 *
 * @param readBeside reads a file by its name
 */
export async function shardArrays(
  json: unknown,
  fileName: string,
  readBeside: (name: string) => Promise<Uint8Array>,
): Promise<{ names: string[]; arrayAt: (path: string) => FileArray | null }> {
  const map = asObject(asObject(json, fileName).weight_map, `${fileName} weight_map`)
  const groups = new Map<string, string[]>()
  for (const [group, value] of Object.entries(map)) {
    for (const shard of [value].flat()) {
      if (typeof shard !== 'string' || !/^[^/\\:]+\.h5$/.test(shard)) {
        throw new RefrainError(
          'BAD_FILE',
          `${fileName}: expected names of .h5 files beside it, got ${show(shard)}`,
        )
      }
      const list = groups.get(shard) ?? []
      groups.set(shard, [...list, group.replace(/^\//, '')])
    }
  }
  const found = new Map<string, FileArray>()
  for (const [shard, paths] of groups) {
    await Hdf5.read(await readBeside(shard), `${fileName}: ${shard}`, (file) => {
      for (const path of paths) {
        for (const key of file.children(path)) {
          const name = `${path}/${key}`
          const shape = file.shape(name)
          if (!shape) continue
          const values = file.values(name)
          found.set(name, { name, shape, values: () => values })
        }
      }
    })
  }
  return { names: [...found.keys()], arrayAt: (path) => found.get(path) ?? null }
}
