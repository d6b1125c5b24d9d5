/** Tensors: made from arrays, read back, safe when the heap grows. */
import { afterAll, describe, expect, it, vi } from 'vitest'
import { platform } from '#platform'
import { eachKindOfBackend, expectError } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import { wasmBackend, whyNoWasm } from '../kernels/wasm/wasm.ts'
import { Arena } from './arena.ts'
import { Context } from './context.ts'
import { zeros } from './initializers.ts'
import { makeMask } from './mask.ts'
import * as ops from './ops.ts'
import { Parameter, ParameterSet } from './parameter.ts'
import { allocateTensor, type NestedArray, tensor } from './tensor.ts'

describe('tensor', () => {
  it.each([
    [
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [2, 3],
    ],
    [[1, 2], [2]],
    [7, []],
    [[[[1], [2]]], [1, 2, 1]],
    [[], [0]],
    [
      [[], []],
      [2, 0],
    ],
  ] as [NestedArray, number[]][])('of %j has shape %j', async (values, shape) => {
    const made = tensor(values)
    expect(made.shape).toEqual(shape)
    expect(made.dtype).toBe('float')
    expect(await made.array()).toEqual(values)
  })

  it.each([
    [new Float32Array([0.1, 2, 3, 4]), 'float', Float32Array],
    [new Float64Array([0.1, 2, 3, 4]), 'float', Float64Array],
    [new Int32Array([1, 2, 3, 4]), 'int32', Int32Array],
    [new Uint8Array([1, 2, 3, 255]), 'float', Float32Array],
    [[0.5, 2, 3, 4], 'float', Float32Array],
  ] as const)('keeps the type of %j', async (values, dtype, type) => {
    const made = tensor(values, [2, 2])
    expect(made.dtype).toBe(dtype)
    const data = await made.data()
    expect(data).toBeInstanceOf(type)
    expect(data).toEqual(type.from(values as ArrayLike<number>))
  })

  it('takes the length as the shape of a typed array', () => {
    expect(tensor(new Float32Array(3)).shape).toEqual([3])
  })

  it('copies what it is given, and gives its own memory', async () => {
    const values = new Float32Array([1, 2])
    const made = tensor(values)
    values[0] = 9
    const data = await made.data()
    expect(Array.from(data)).toEqual([1, 2])
    expect(await made.data()).toBe(data)
  })

  it.each([
    [
      () => tensor([[1, 2], [3]]),
      'BAD_SHAPE',
      'tensor: expected arrays of 2 at depth 2, got [3]; ' +
        'give ragged sequences to fit and predict directly; they are padded inside',
    ],
    [
      () => tensor([[1, 2], 3]),
      'BAD_SHAPE',
      'tensor: expected arrays of 2 at depth 2, got 3; ' +
        'give ragged sequences to fit and predict directly; they are padded inside',
    ],
    [() => tensor([1, [2]]), 'BAD_ARGUMENT', 'tensor: expected numbers, got [2]'],
    [
      () => tensor(['a'] as unknown as number[]),
      'BAD_ARGUMENT',
      "tensor: expected numbers, got 'a'",
    ],
    [
      () => tensor([1, 'a'] as unknown as number[], [2]),
      'BAD_ARGUMENT',
      "tensor: expected numbers, got 'a'",
    ],
    [
      () => tensor(new Float32Array(5), [2, 3]),
      'BAD_SHAPE',
      'tensor: shape [2, 3] has 6 elements, the data has 5',
    ],
    [
      () => tensor(new Float32Array(6), [-2, -3]),
      'BAD_SHAPE',
      'tensor: expected a shape of whole numbers, got [-2, -3]',
    ],
    [
      () => tensor(new Float32Array(6), [1.5, 4]),
      'BAD_SHAPE',
      'tensor: expected a shape of whole numbers, got [1.5, 4]',
    ],
    [() => tensor(new Float32Array(6)).view([4]), 'BAD_SHAPE', 'view: expected shape [6], got [4]'],
  ] as const)('%s', (call, code, message) => expectError(call, code, message))

  it('does not mix its two types', () => {
    expect(() => tensor([1]).ints).toThrow('ints of a float tensor')
    expect(() => tensor(new Int32Array(1)).values).toThrow('values of an int32 tensor')
  })
})

eachKindOfBackend((backend) => {
  it('a view shares memory and gradient, a part only memory', () => {
    const whole = allocateTensor(backend.heap, [2, 3])
    whole.values.set([1, 2, 3, 4, 5, 6])
    const view = whole.view([3, 2]).view([6])
    const part = whole.part(2, [2])
    part.values[0] = 30
    expect(Array.from(view.values)).toEqual([1, 2, 30, 4, 5, 6])
    const ctx = new Context(backend, new Arena(backend.heap), { gradients: true })
    ctx.gradientOf(view).values[4] = 7
    expect(Array.from(ctx.gradientOf(whole).values)).toEqual([0, 0, 0, 0, 7, 0])
    expect(ctx.gradientOf(view).shape).toEqual([6])
    expect(ctx.hasGradient(part)).toBe(false)
  })

  it('is zero at first outside the arena, also in memory used before', () => {
    const block = backend.heap.allocate(4096)
    backend.heap.floats(block, 0, 1024).fill(5)
    backend.heap.free(block)
    for (let i = 0; i < 4; i++) {
      expect(allocateTensor(backend.heap, [256]).values.every((x) => x === 0)).toBe(true)
    }
  })
})

describe('parameters', () => {
  const make = (trainable: boolean, ...shape: number[]) => {
    const parameter = new Parameter('kernel', shape, zeros())
    parameter.trainable = trainable
    return parameter
  }

  it('lie side by side, the trainable ones first, with their gradients', () => {
    const [a, b, c] = [make(true, 2), make(false, 3), make(true, 2, 2)]
    const set = new ParameterSet(truth, [a, b, c])
    expect(set.trainableSize).toBe(6)
    expect(set.trainable.map(({ parameter, start }) => [parameter, start])).toEqual([
      [a, 0],
      [c, 2],
    ])
    set.values.values.set([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(Array.from(a.value.values)).toEqual([1, 2])
    expect(Array.from(c.value.values)).toEqual([3, 4, 5, 6])
    expect(Array.from(b.value.values)).toEqual([7, 8, 9])
    const gradients = set.allocateGradients(set.trainable)
    const ctx = new Context(truth, new Arena(truth.heap), { gradients: true })
    ctx.gradientOf(c.value).values[0] = 5
    expect(Array.from(gradients.values)).toEqual([0, 0, 5, 0, 0, 0])
    expect(a.value.gradient).toBe(null)
    set.clearGradients()
    expect(c.value.gradient).toBe(null)
    expect([a, b, c].map(({ value }) => value.tracked)).toEqual([true, false, true])
  })

  it('count their changes', () => {
    const parameter = make(true, 2)
    expect(parameter.hasValue).toBe(false)
    expect(() => parameter.value).toThrow('parameter kernel has no memory yet')
    const set = new ParameterSet(truth, [parameter])
    const { version } = parameter
    set.touch()
    expect(parameter.version).toBe(version + 1)
  })

  it('keep their values in another set', () => {
    const parameter = make(true, 2)
    new ParameterSet(truth, [parameter]).values.values.set([3, 4])
    const { version } = parameter
    const other = new ParameterSet(truth, [make(true, 1), parameter])
    expect(parameter.version, 'until it is claimed').toBe(version)
    other.claim()
    expect(Array.from(other.values.values)).toEqual([0, 3, 4])
    expect(parameter.version).toBeGreaterThan(version)
  })

  it('hold no more than the kernels can count', () => {
    const before = truth.heap.bytesInUse
    expect(() => allocateTensor(truth.heap, [65536, 32768])).toThrow(
      'a tensor holds at most 2147483647 elements, shape [65536, 32768] has 2147483648; ' +
        'use smaller batches or shorter sequences',
    )
    expect(truth.heap.bytesInUse).toBe(before)
  })

  it('may be none', () => {
    expect(new ParameterSet(truth, []).trainableSize).toBe(0)
    expect(new ParameterSet(truth, [make(false, 3)]).trainableSize).toBe(0)
  })
})

describe.skipIf(whyNoWasm('simd128'))('a wasm heap that grows within a step', () => {
  // Shared memory keeps its old views.
  vi.spyOn(platform, 'sharesMemory', 'get').mockReturnValue(false)
  afterAll(() => void vi.restoreAllMocks())

  /** Runs a step; takes more than the memory holds where `grow` says so. */
  const step = (grow: (after: string) => boolean) => {
    const backend = wasmBackend({ variant: 'simd128' })
    const ctx = new Context(backend, new Arena(backend.heap), { gradients: true })
    let grown = 0
    let megabytes = 8
    const at = (place: string) => {
      if (!grow(place)) return
      const before = backend.heap.floats(backend.heap.allocate(64), 0, 16)
      backend.heap.allocate(megabytes * 2 ** 20)
      megabytes *= 2
      expect(before.length, 'the old views are detached').toBe(0)
      grown++
    }
    const x = ctx.empty([4, 3])
    x.values.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    x.tracked = true
    const kernel = new Parameter('kernel', [3, 2], zeros())
    const set = new ParameterSet(backend, [kernel])
    const gradients = set.allocateGradients(set.trainable)
    kernel.value.values.set([0.1, -0.2, 0.3, 0.4, -0.5, 0.6])
    at('inputs')
    const valid = ctx.empty([2, 2], 'int32')
    valid.ints.set([1, 0, 1, 1])
    const mask = makeMask(ctx.arena, valid)
    at('mask')
    const sums = ops.linear(ctx, x, kernel.value, null)
    at('linear')
    const y = ops.activate(ctx, 'tanh', sums).view([2, 2, 2])
    y.mask = mask
    const z = ops.poolMax(ctx, y)
    at('forward')
    ctx.gradientOf(z).values.set([1, 2, 3, 4])
    at('seed')
    ctx.backward()
    at('backward')
    const results = [z, x.gradient!, gradients].map(({ values }) => Array.from(values))
    return { results, grown }
  }

  const places = ['inputs', 'mask', 'linear', 'forward', 'seed', 'backward']
  const expected = step(() => false)

  it.each(places)('changes nothing after: %s', (place) => {
    expect(step((at) => at === place)).toEqual({ results: expected.results, grown: 1 })
  })

  it('changes nothing anywhere', () => {
    expect(step(() => true)).toEqual({ results: expected.results, grown: places.length })
  })

  it('keeps tensors without elements usable', () => {
    const backend = wasmBackend({ variant: 'simd128' })
    const empty = allocateTensor(backend.heap, [0, 3])
    backend.heap.allocate(64 * 2 ** 20)
    expect(() => backend.kernels.fill(empty.values, 0, 0)).not.toThrow()
  })
})
