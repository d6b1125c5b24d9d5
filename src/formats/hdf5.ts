/**
 * HDF5 files, read and written by h5wasm (the HDF Group's own library compiled to WebAssembly), from bytes in memory:
 * a file can reach neither the disk nor another file by its links.
 */
import { RefrainError, show } from '../errors.ts'
import { checkTexts } from './hdf5-texts.ts'

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
    checkTexts(bytes, fileName)
    const { default: h5wasm } = await import('h5wasm')
    const { FS, activate_throwing_error_handler: throwErrors } = await h5wasm.ready
    // Else the library prints its own report of a damaged file.
    throwErrors()
    const path = `/refrain-${opened++}.h5`
    // Not copied: the file is only read. The option is Emscripten's, and not in h5wasm's types.
    FS.writeFile(path, bytes, { canOwn: true } as object)
    let file: Hdf5 | null = null
    try {
      file = new Hdf5(new h5wasm.File(path, 'r'), fileName)
      return use(file)
    } catch (error) {
      if (error instanceof RefrainError) throw error
      throw new RefrainError(
        'BAD_FILE',
        `${fileName}: not an HDF5 file that can be read: ${reasonOf(error)}`,
        'The file may have been cut off: copy it again',
        { cause: error },
      )
    } finally {
      try {
        if (file) file.#file.close()
      } catch {
        // Of a damaged file nothing is lost.
      }
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
    // An empty list of texts is one of numbers, as NumPy makes it.
    if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array)) return []
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

/** The first line of what the library says: its reports tell all functions that were passed. */
function reasonOf(error: unknown): string {
  const text = String((error as Error).message ?? error)
  const [, first] = /#000: .*?\(\): (.*)/.exec(text) ?? []
  return first ?? text.split('\n')[0]
}

/** A text; of fixed length it may end in zeros. */
function textOf(value: unknown): string {
  const text = value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value)
  return text.replace(/\0+$/, '')
}

/** An array to write. */
export interface HdfDataset {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** A group to write. Names of datasets may be paths: groups on the way are made. */
export interface HdfGroup {
  attributes?: Readonly<Record<string, string | readonly string[]>>
  datasets?: Readonly<Record<string, HdfDataset>>
  groups?: Record<string, HdfGroup>
}

/** The bytes of a file with this content. */
export async function writeHdf5(root: HdfGroup): Promise<Uint8Array> {
  const { default: h5wasm } = await import('h5wasm')
  const { FS } = await h5wasm.ready
  const path = `/refrain-${opened++}.h5`
  const file = new h5wasm.File(path, 'w')
  try {
    writeGroup(file, root)
    file.close()
    return FS.readFile(path)
  } finally {
    FS.unlink(path)
  }
}

type Group = InstanceType<Library['Group']>

function writeGroup(group: Group, { attributes = {}, datasets = {}, groups = {} }: HdfGroup): void {
  for (const [name, value] of Object.entries(attributes)) writeAttribute(group, name, value)
  for (const [path, { shape, values }] of Object.entries(datasets)) {
    const names = path.split('/')
    let owner = group
    for (const name of names.slice(0, -1)) {
      owner = (owner.keys().includes(name) ? owner.get(name) : owner.create_group(name)) as Group
    }
    owner.create_dataset({ name: names.at(-1)!, data: values, shape: [...shape], dtype: '<f' })
  }
  for (const [name, inner] of Object.entries(groups)) writeGroup(group.create_group(name), inner)
}

/** What Keras lets a list of texts take in one attribute; longer ones lie in parts. */
const attributeLimit = 64_512

function writeAttribute(group: Group, name: string, value: string | readonly string[]): void {
  if (typeof value === 'string') {
    group.create_attribute(name, value, [], 'S')
    return
  }
  const width = Math.max(1, ...value.map((text) => new TextEncoder().encode(text).length))
  const perPart = Math.max(1, Math.floor(attributeLimit / width))
  const parts = Math.ceil(value.length / perPart)
  if (value.length === 0) group.create_attribute(name, new Float64Array(0), [0], '<d')
  for (let i = 0; i < parts; i++) {
    const part = value.slice(i * perPart, (i + 1) * perPart)
    group.create_attribute(parts === 1 ? name : `${name}${i}`, part, [part.length], 'S')
  }
}
