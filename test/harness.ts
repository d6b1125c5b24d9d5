/**
 * Runs operations and layers as a training step does, on any backend: tensors in the arena, the
 * gradients of the outputs given, the tape run backwards. The arena holds NaN where nothing has been
 * written, so that reading uninitialised memory shows.
 */
import { describe, expect, it } from 'vitest'
import { type ErrorCode, RefrainError } from '../src/errors.ts'
import { truth } from '../src/kernels/backends.case.ts'
import { expectClose, Random, type Tolerance } from '../src/kernels/kernels.case.ts'
import type { Backend } from '../src/kernels/kernels.ts'
import { nativeBackend, nativeVariants } from '../src/kernels/native/native.ts'
import { referenceBackend } from '../src/kernels/reference.ts'
import { wasmBackend, whyNoWasm } from '../src/kernels/wasm/wasm.ts'
import type { Layer } from '../src/layers/layer.ts'
import { Arena } from '../src/tensor/arena.ts'
import { Context, type StepRandom } from '../src/tensor/context.ts'
import { makeMask } from '../src/tensor/mask.ts'
import { ParameterSet } from '../src/tensor/parameter.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { sizeOf } from '../src/util/check.ts'

/** An input: its elements in row-major order, and which steps of a [B,T,…] input count. */
export interface Values {
  shape: readonly number[]
  data: ArrayLike<number>
  mask?: ArrayLike<number> | null
  dtype?: 'float' | 'int32'
}

export interface Step {
  inputs: readonly Values[]
  compute(ctx: Context, inputs: readonly Tensor[]): readonly Tensor[]
  /** The weights that `compute` uses, if any. */
  weights?: ParameterSet | null
  /** Gradients of the outputs; random ones if there are none. */
  seeds?: readonly ArrayLike<number>[]
  /** Whether dropout acts. Default false. */
  training?: boolean
  random?: StepRandom
}

export interface StepResult {
  outputs: Float64Array[]
  shapes: (readonly number[])[]
  /** The outputs' masks, [B,T]. */
  masks: (Int32Array | null)[]
  /** Σ output · seed, over all outputs. */
  objective: number
  /** Zeros for an input that nothing depends on; empty for int32. */
  inputGradients: Float64Array[]
  /** In the order of the layer's weights. */
  weightGradients: Float64Array[]
}

const arenas = new WeakMap<Backend, Arena>()

/** The backend's arena, empty, its memory full of NaN. */
function poisonedArena(backend: Backend): Arena {
  let arena = arenas.get(backend)
  if (!arena) {
    arena = new Arena(backend.heap)
    arenas.set(backend, arena)
  }
  arena.reset()
  const floats = Math.max(arena.bytes, 1 << 18) / backend.heap.floatBytes
  arena.tensor([floats]).values.fill(Number.NaN)
  arena.reset()
  return arena
}

/** Forward and, unless `gradients` is false, backward. */
export function runStep(backend: Backend, step: Step, gradients = true): StepResult {
  const { inputs, compute, weights = null, training = false, random } = step
  const arena = poisonedArena(backend)
  const ctx = new Context(backend, arena, { training, gradients, random, penalties: true })
  weights?.clearGradients()
  const tensors = inputs.map(({ shape, data, mask, dtype = 'float' }) => {
    const tensor = arena.tensor(shape, dtype)
    if (dtype === 'int32') tensor.ints.set(data)
    else tensor.values.set(data)
    tensor.tracked = dtype === 'float'
    if (mask) {
      const valid = arena.tensor(shape.slice(0, 2), 'int32')
      valid.ints.set(mask)
      tensor.mask = makeMask(arena, valid)
    }
    return tensor
  })
  const outputs = compute(ctx, tensors)
  const found = outputs.map((output) => Float64Array.from(output.values))
  const draws = new Random(17)
  const seeds = outputs.map((output, i) => step.seeds?.[i] ?? draws.uniform(sizeOf(output.shape)))
  // What layers add to the loss counts too.
  let objective = ctx.penalty ?? 0
  found.forEach((values, i) => {
    for (let j = 0; j < values.length; j++) objective += values[j] * seeds[i][j]
  })
  if (gradients) {
    outputs.forEach((output, i) => {
      // Added, since two outputs may be one tensor.
      const gradient = ctx.gradientOf(output).values
      for (let j = 0; j < gradient.length; j++) gradient[j] += seeds[i][j]
    })
    ctx.backward()
  }
  return {
    outputs: found,
    shapes: outputs.map((output) => output.shape),
    masks: outputs.map(({ mask }) => mask?.valid.ints.slice() ?? null),
    objective,
    inputGradients: tensors.map((tensor) => {
      if (tensor.dtype === 'int32') return new Float64Array(0)
      return ctx.hasGradient(tensor)
        ? Float64Array.from(ctx.gradientOf(tensor).values)
        : new Float64Array(tensor.size)
    }),
    weightGradients: (weights?.parameters ?? []).map(({ value }) =>
      Float64Array.from(value.gradient?.values ?? []),
    ),
  }
}

/** Builds layers for these inputs and gives them weights, in Keras's order; random ones if none. */
export function weightsOf(
  backend: Backend,
  layers: readonly Layer[],
  shape: readonly number[],
  values?: readonly ArrayLike<number>[],
): ParameterSet {
  let shapes = [[null, ...shape.slice(1)]] as (readonly (number | null)[])[]
  for (const layer of layers) {
    layer.build(shapes)
    layer.nameParameters(layer.name || layer.kind)
    shapes = layer.outputShapes(shapes).slice(0, 1)
  }
  const set = new ParameterSet(
    backend,
    layers.flatMap((layer) => layer.parameters),
  )
  set.claim()
  const draws = new Random(5)
  set.parameters.forEach(({ value, size }, i) => {
    value.values.set(values?.[i] ?? draws.uniform(size))
  })
  return set
}

/** Runs layers one after the other, each with the first output of the one before. */
export function runLayers(
  backend: Backend,
  layers: Layer | readonly Layer[],
  step: Omit<Step, 'compute' | 'weights'> & { weights?: readonly ArrayLike<number>[] },
): StepResult {
  const chain = [layers].flat() as readonly Layer[]
  const { weights, inputs, ...rest } = step
  return runStep(backend, {
    ...rest,
    inputs,
    weights: weightsOf(backend, chain, inputs[0].shape, weights),
    compute: (ctx, tensors) => callAll(ctx, chain, tensors),
  })
}

/** Calls layers one after the other. */
export function callAll(ctx: Context, layers: readonly Layer[], inputs: readonly Tensor[]) {
  let outputs = inputs
  for (const layer of layers) outputs = layer.process(ctx, outputs)
  return outputs
}

/** One backend of each kind, for suites too slow for every instruction set. */
export function eachKindOfBackend(suite: (backend: Backend) => void): void {
  const native = nativeVariants()
  const noNative = 'reason' in native ? native.reason : undefined
  const kinds: [string, string | undefined, () => Backend][] = [
    ['reference float32', undefined, referenceBackend],
    ['native', noNative, () => nativeBackend({ threads: 2 })],
    ['wasm simd128', whyNoWasm('simd128'), () => wasmBackend({ variant: 'simd128' })],
  ]
  for (const [name, reason, make] of kinds) {
    if (reason === undefined) describe(name, () => suite(make()))
    else it.skip(`${name}: ${reason}`, () => {})
  }
}

const distance = 1e-5
const agreement: Tolerance = { relative: 1e-6, ofLargest: 1e-7, absolute: 1e-9 }

/** Holds every gradient of a step to central differences of its objective, in float64. */
export function expectGradients(step: Step): void {
  const inputs = step.inputs.map((input) => ({ ...input, data: Float64Array.from(input.data) }))
  const moved = { ...step, inputs }
  const claimed = runStep(truth, moved)
  const differences = (read: () => { [i: number]: number }, size: number) =>
    Float64Array.from({ length: size }, (_, i) => {
      const value = read()[i]
      const at = (offset: number) => {
        read()[i] = value + offset
        step.weights?.touch()
        const { objective } = runStep(truth, moved, false)
        read()[i] = value
        return objective
      }
      return (at(distance) - at(-distance)) / (2 * distance)
    })
  inputs.forEach(({ data, dtype }, i) => {
    if (dtype === 'int32') return
    const found = differences(() => data, data.length)
    expectClose(claimed.inputGradients[i], found, agreement, `gradient of input ${i}`)
  })
  step.weights?.parameters.forEach(({ value, path, trainable }, i) => {
    if (!trainable) return
    const found = differences(() => value.values, value.size)
    step.weights?.touch()
    expectClose(claimed.weightGradients[i], found, agreement, `gradient of ${path}`)
  })
}

/** Expects a `RefrainError` of this code with this text, hint included. */
export function expectError(call: () => unknown, code: ErrorCode, message: string): void {
  let caught: unknown
  try {
    call()
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(RefrainError)
  const error = caught as RefrainError
  expect({ code: error.code, message: error.message }).toEqual({ code, message })
}
