import { RefrainError, show } from '../errors.ts'
import type { Block, Floats, Heap } from '../kernels/kernels.ts'
import { sizeOf } from '../util/check.ts'
import type { Context } from './context.ts'
import type { Mask } from './mask.ts'

/** Element types: floats of the backend (float32; float64 in the float64 reference) and int32. */
export type DType = 'float' | 'int32'

/** Kernels count elements in 32-bit integers. */
const largestSize = 2 ** 31 - 1

/** Number of elements of a shape, if the kernels can count them. */
function checkedSize(shape: readonly number[]): number {
  const size = sizeOf(shape)
  if (size > largestSize) {
    throw new RefrainError(
      'BAD_SHAPE',
      `a tensor holds at most ${largestSize} elements, shape ${show([...shape])} has ${size}`,
      'use smaller batches or shorter sequences',
    )
  }
  return size
}

/** Nested arrays of numbers, as deep as the tensor has dimensions. */
export type NestedArray = number | NestedArray[]

/**
 * A shape and a view of memory in a backend's heap.
 *
 * `values` is a fresh view each time the heap has grown; do not keep it across an allocation.
 * Tensors made during a training or prediction step live in the step's arena and end with it; those
 * that the public API returns own their memory.
 */
export class Tensor {
  readonly shape: readonly number[]
  readonly dtype: DType
  /** Number of elements. */
  readonly size: number
  /** Which steps of a [B,T,…] tensor count; null: all. */
  mask: Mask | null = null
  /** True if a gradient is wanted: a trainable parameter, or computed from one. */
  tracked = false
  /** The gradient's accumulator, once something added to it. */
  gradient: Tensor | null = null
  /** Where the accumulator lies, for weights; null: in the step's arena. */
  gradientHome: Tensor | null = null
  /**
   * For outputs of a sigmoid or softmax: what went in, so that a loss can start from there; `own` if
   * nothing else reads it.
   */
  logits: { tensor: Tensor; activation: string; own?: boolean } | null = null
  /**
   * For labels that a layer has decoded, such as a CRF's paths: the loss of the wanted labels, with
   * a weight for each row; where `ctx` records, it sends its gradient back.
   */
  labelLoss: ((ctx: Context, labels: Tensor, weights: Float32Array | null) => number) | null = null
  /** The tensor whose memory and gradient this one shares under another shape. */
  readonly base: Tensor | null
  readonly #heap: Heap
  readonly #block: Block
  readonly #byteOffset: number
  /** The tensor whose memory this one is a part of: it must not be collected before. */
  readonly #owner: Tensor | null
  #view: Floats | Int32Array
  #fill: (() => void) | null = null

  constructor(
    heap: Heap,
    block: Block,
    byteOffset: number,
    shape: readonly number[],
    dtype: DType,
    base: Tensor | null = null,
    owner: Tensor | null = null,
  ) {
    this.shape = shape
    this.dtype = dtype
    this.size = checkedSize(shape)
    this.#owner = owner
    this.base = base
    this.#heap = heap
    this.#block = block
    this.#byteOffset = byteOffset
    this.#view = this.#makeView()
  }

  #makeView(): Floats | Int32Array {
    return this.dtype === 'float'
      ? this.#heap.floats(this.#block, this.#byteOffset, this.size)
      : this.#heap.ints(this.#block, this.#byteOffset, this.size)
  }

  /**
   * Leaves the elements to be computed when somebody first asks for them; what `fill` reads must stay
   * as it is until then.
   */
  defer(fill: () => void): void {
    this.#fill = fill
  }

  /** Whether nobody has asked for the elements yet that `defer` left. */
  get deferred(): boolean {
    return this.#fill !== null
  }

  #current(): Floats | Int32Array {
    const fill = this.#fill
    if (fill) {
      this.#fill = null
      fill()
    }
    // A grown wasm memory detaches the buffer of its old views; both lengths then read 0. (The second
    // matters to tensors without elements: the kernels refuse any detached view.)
    const view = this.#view
    if (view.length !== this.size || view.buffer.byteLength === 0) this.#view = this.#makeView()
    return this.#view
  }

  /** The elements of a float tensor, in the backend's heap. */
  get values(): Floats {
    if (this.dtype !== 'float') throw new Error('values of an int32 tensor')
    return this.#current() as Floats
  }

  /** The elements of an int32 tensor, in the backend's heap. */
  get ints(): Int32Array {
    if (this.dtype !== 'int32') throw new Error('ints of a float tensor')
    return this.#current() as Int32Array
  }

  /** The elements, of either type. */
  get elements(): Floats | Int32Array {
    return this.#current()
  }

  /** Whether the elements lie in `heap`. */
  isIn(heap: Heap): boolean {
    return this.#heap === heap
  }

  /** The same memory, and the same gradient, under another shape of equal size. */
  view(shape: readonly number[]): Tensor {
    if (sizeOf(shape) !== this.size) throw shapeError('view', this.shape, shape)
    const base = this.base ?? this
    const { dtype } = this
    const view = new Tensor(this.#heap, this.#block, this.#byteOffset, shape, dtype, base, this)
    view.tracked = this.tracked
    if (this.#fill) view.defer(() => void this.values)
    return view
  }

  /** `length` elements from `start` on, as a tensor of its own (its gradient is not shared). */
  part(start: number, shape: readonly number[]): Tensor {
    const bytes = this.dtype === 'float' ? this.#heap.floatBytes : 4
    const offset = this.#byteOffset + start * bytes
    if (this.#fill) this.#current()
    return new Tensor(this.#heap, this.#block, offset, shape, this.dtype, null, this.#owner ?? this)
  }

  /**
   * The elements, in row-major order: of a tensor in a backend's heap a copy, of one in memory of its
   * own, such as a prediction, this memory itself, so that large results are not copied again.
   */
  async data(): Promise<Float32Array | Float64Array | Int32Array> {
    const plain = this.#heap === heap32 || this.#heap === heap64
    return plain ? this.#current() : this.#current().slice()
  }

  /** The elements as nested arrays. */
  async array(): Promise<NestedArray> {
    const flat = this.#current()
    let at = 0
    const nest = (axis: number): NestedArray =>
      axis === this.shape.length
        ? flat[at++]
        : Array.from({ length: this.shape[axis] }, () => nest(axis + 1))
    return nest(0)
  }
}

/** Error for two shapes that should agree. */
export function shapeError(
  where: string,
  expected: readonly (number | null)[],
  received: readonly (number | null)[],
): RefrainError {
  return new RefrainError(
    'BAD_SHAPE',
    `${where}: expected shape ${show([...expected])}, got ${show([...received])}`,
  )
}

const released = new FinalizationRegistry<{ heap: Heap; block: Block }>(({ heap, block }) => {
  heap.free(block)
})

/** Frees `block` when `owner` is collected; a heap inside wasm memory cannot see that by itself. */
export function ownBlock(owner: object, heap: Heap, block: Block): void {
  released.register(owner, { heap, block }, owner)
}

/** Takes `ownBlock` back, for a block that its owner frees itself. */
export function disownBlock(owner: object): void {
  released.unregister(owner)
}

/** A zeroed tensor with memory of its own, outside any arena. */
export function allocateTensor(
  heap: Heap,
  shape: readonly number[],
  dtype: DType = 'float',
): Tensor {
  const bytes = checkedSize(shape) * (dtype === 'float' ? heap.floatBytes : 4)
  const block = heap.allocate(Math.max(bytes, 1))
  const tensor = new Tensor(heap, block, 0, shape, dtype)
  ownBlock(tensor, heap, block)
  return tensor
}

interface PlainBlock extends Block {
  readonly buffer: ArrayBuffer
}

/** Ordinary JavaScript memory, for the tensors of the public API. */
const plainHeap = (
  Floats: typeof Float32Array | typeof Float64Array,
  floatBytes: 4 | 8,
): Heap<PlainBlock> => ({
  floatBytes,
  bytesInUse: 0,
  allocate: (bytes) => ({ buffer: new ArrayBuffer(bytes), byteOffset: 0, byteLength: bytes }),
  free: () => {},
  floats: (block, offset, length) => new Floats(block.buffer, block.byteOffset + offset, length),
  ints: (block, offset, length) => new Int32Array(block.buffer, block.byteOffset + offset, length),
  borrow: ({ buffer, byteOffset, byteLength }) => ({
    buffer: buffer as ArrayBuffer,
    byteOffset,
    byteLength,
  }),
})

const heap32 = plainHeap(Float32Array, 4) as Heap
const heap64 = plainHeap(Float64Array, 8) as Heap

/** A tensor that takes the array itself, uncopied, as its memory. */
export function tensorOver(
  values: Float32Array | Float64Array | Int32Array,
  shape: readonly number[],
): Tensor {
  const heap = values instanceof Float64Array ? heap64 : heap32
  const dtype: DType = values instanceof Int32Array ? 'int32' : 'float'
  return new Tensor(heap, heap.borrow(values)!, 0, shape, dtype)
}

function tensorOf(values: ArrayLike<number>, shape: readonly number[]): Tensor {
  const keep = values instanceof Int32Array || values instanceof Float64Array
  return tensorOver(keep ? values.slice() : new Float32Array(values), shape)
}

/**
 * A tensor from nested arrays, or from a typed or flat array and its shape. Int32Array makes an
 * int32 tensor, anything else floats.
 *
 *     tensor([[1, 2], [3, 4]])
 *     tensor(new Float32Array(6), [2, 3])
 *
 * Throws `BAD_SHAPE` if the arrays are ragged or the shape does not fit, `BAD_ARGUMENT` for a value
 * that is not a number.
 */
export function tensor(values: NestedArray | ArrayLike<number>, shape?: readonly number[]): Tensor {
  if (ArrayBuffer.isView(values) || shape) {
    const flat = values as ArrayLike<number>
    const wanted = shape ?? [flat.length]
    if (!wanted.every((length) => Number.isInteger(length) && length >= 0)) {
      throw new RefrainError(
        'BAD_SHAPE',
        `tensor: expected a shape of whole numbers, got ${show([...wanted])}`,
      )
    }
    if (sizeOf(wanted) !== flat.length) {
      throw new RefrainError(
        'BAD_SHAPE',
        `tensor: shape ${show([...wanted])} has ${sizeOf(wanted)} elements, the data has ${flat.length}`,
      )
    }
    if (!ArrayBuffer.isView(values)) for (let i = 0; i < flat.length; i++) checkElement(flat[i])
    return tensorOf(flat, wanted)
  }
  const found: number[] = []
  for (let level = values as NestedArray; Array.isArray(level); level = level[0]) {
    found.push(level.length)
    if (level.length === 0) break
  }
  const flat = new Float32Array(sizeOf(found))
  let at = 0
  const walk = (level: NestedArray, axis: number) => {
    if (axis === found.length) {
      flat[at++] = checkElement(level)
      return
    }
    if (!Array.isArray(level) || level.length !== found[axis]) {
      throw new RefrainError(
        'BAD_SHAPE',
        `tensor: expected arrays of ${found[axis]} at depth ${axis + 1}, got ${show(level)}`,
        'give ragged sequences to fit and predict directly; they are padded inside',
      )
    }
    for (const inner of level) walk(inner, axis + 1)
  }
  walk(values as NestedArray, 0)
  return tensorOver(flat, found)
}

function checkElement(value: unknown): number {
  if (typeof value === 'number') return value
  throw new RefrainError('BAD_ARGUMENT', `tensor: expected numbers, got ${show(value)}`)
}
