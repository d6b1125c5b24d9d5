/**
 * HDF5 files, read by h5wasm (the HDF Group's own library compiled to WebAssembly), from bytes in memory:
 * a file can reach neither the disk nor another file by its links.
 */
import { RefrainError, show } from '../errors.ts'

type Library = typeof import('h5wasm')['default']

let opened = 0

/** An HDF5 file in memory. */
export class Hdf5 {
  readonly #file: InstanceType<Library['File']>
  readonly #name: string

  private constructor(file: InstanceType<Library['File']>, name: string) {
    this.#file = file
    this.#name = name
  }

  /** What `use` makes of the file; its memory is freed behind it. */
  static async read<Result>(
    bytes: Uint8Array,
    fileName: string,
    use: (file: Hdf5) => Result,
  ): Promise<Result> {
    const { default: h5wasm } = await import('h5wasm')
    const { FS } = await h5wasm.ready
    const path = `/refrain-${opened++}.h5`
    FS.writeFile(path, bytes)
    let file: Hdf5 | null = null
    try {
      file = new Hdf5(new h5wasm.File(path, 'r'), fileName)
      return use(file)
    } catch (error) {
      if (error instanceof RefrainError) throw error
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: not an HDF5 file that can be read: ${(error as Error).message ?? error}`,
        'The file may have been cut off: copy it again',
        { cause: error },
      )
    } finally {
      if (file) file.#file.close()
      FS.unlink(path)
    }
  }

  #find(path: string) {
    // A link to nothing, or into another file, is neither a group nor a dataset.
    return path === '' ? this.#file : this.#file.get(path)
  }

  /** The names in a group, [] if there is none of this path. */
  children(path: string): string[] {
    const group = this.#find(path)
    return group && 'keys' in group ? group.keys() : []
  }

  /** An attribute's text or list of texts; undefined if there is none. */
  attribute(path: string, name: string): string | string[] | undefined {
    const owner = this.#find(path)
    const found = owner && 'attrs' in owner ? owner.attrs[name] : undefined
    if (!found) return undefined
    const value: unknown = found.value
    if (Array.isArray(value)) return value.map(textOf)
    return value === null || value === undefined ? undefined : textOf(value)
  }

  /** The shape of a dataset; null if there is none of this path. */
  shape(path: string): number[] | null {
    const dataset = this.#find(path)
    if (!dataset || !('shape' in dataset)) return null
    return (dataset.shape ?? []) as number[]
  }

  /** A dataset's numbers, row by row. */
  values(path: string): Float32Array | Float64Array {
    const dataset = this.#find(path)
    const value: unknown = dataset && 'value' in dataset ? dataset.value : null
    if (value instanceof Float32Array || value instanceof Float64Array) return value
    // A dataset without dimensions.
    if (typeof value === 'number') return Float64Array.of(value)
    const dtype = dataset && 'dtype' in dataset ? show(dataset.dtype) : 'nothing'
    throw new RefrainError(
      'UNSUPPORTED',
      `${this.#name}: expected '${path}' as float32 or float64, got ${dtype}`,
      'In Keras, set the dtype policy to float32 and save the model again',
    )
  }
}

/** A text; of fixed length it may end in zeros. */
function textOf(value: unknown): string {
  const text = value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value)
  return text.replace(/\0+$/, '')
}
