/** Whether two models compute the same: layer by layer, on random inputs and on those at the edges. */
import { batchOf } from '../data/column.ts'
import { RefrainError } from '../errors.ts'
import type { SymbolicTensor } from '../layers/layer.ts'
import type { AnyModel } from '../model/file.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import { Random } from '../tensor/random.ts'
import { sizeOf } from '../util/check.ts'

/** How far a layer's outputs are from those of its counterpart, at most, over all inputs. */
export interface LayerDifference {
  /** The layer's name; 'output' and a number for what the model gives. */
  readonly layer: string
  /** max |a − b| */
  readonly absolute: number
  /** max |a − b| / (0.1 + |a|): at most 1e-4 where |a − b| ≤ 1e-5 + 1e-4·|a|. */
  readonly relative: number
}

/** What `compareModels` found. */
export interface Comparison {
  readonly layers: readonly LayerDifference[]
  /** What was put in: 'random, 9 steps'. */
  readonly inputs: readonly string[]
}

/** The largest relative difference that counts as the same in float32. */
export const tolerance = 1e-4

/** An input in memory, row by row. */
export interface ModelInput {
  readonly shape: readonly number[]
  readonly data: Float32Array | Int32Array
}

/** Inputs for a model, and what is particular to them. */
export interface InputCase {
  readonly name: string
  readonly inputs: readonly ModelInput[]
}

/** Steps of sequences of any length. */
const lengths = { one: 1, some: 9, longest: 64 }
const rows = 4

/**
 * Random inputs of one step, of some and of many; with padding behind, in front and throughout.
 *
 * @param inFront false leaves out rows with padding in front, for formats that count from the first step
 */
export function inputCases(model: AnyModel, seed = 0, inFront = true): InputCase[] {
  const { inputs, layers } = model.graph!
  const open = inputs.some(({ shape }) => shape[1] === null)
  const random = new Random(seed, 'verify')
  const maskValue = layers.find(({ kind }) => kind === 'masking')?.options().maskValue ?? 0
  const sizes = open ? Object.values(lengths) : [lengths.some]
  const cases: InputCase[] = sizes.map((steps) => ({
    name: open ? `random, ${steps === 1 ? '1 step' : `${steps} steps`}` : 'random',
    inputs: inputs.map((one) => randomInput(model, one, steps, random)),
  }))
  if (inputs.every(({ shape, dtype }) => shape.length === (dtype === 'int32' ? 2 : 3))) {
    cases.push({
      name: `padding behind${inFront ? ', in front' : ''} and throughout`,
      inputs: inputs.map((one) => {
        const input = randomInput(model, one, lengths.some, random)
        const [, steps] = input.shape
        const width = sizeOf(input.shape.slice(2))
        const half = Math.ceil(steps / 2)
        const pad = (row: number, from: number, end: number) =>
          input.data.fill(
            maskValue as number,
            (row * steps + from) * width,
            (row * steps + end) * width,
          )
        pad(1, half, steps)
        if (inFront) pad(2, 0, half)
        pad(3, 0, steps)
        return input
      }),
    })
  }
  return cases
}

function randomInput(
  model: AnyModel,
  { shape, dtype }: SymbolicTensor,
  steps: number,
  random: Random,
): ModelInput {
  const full = [rows, ...shape.slice(1).map((length) => length ?? steps)]
  const size = sizeOf(full)
  if (dtype === 'float') {
    return { shape: full, data: Float32Array.from({ length: size }, () => random.normal()) }
  }
  const tables = model.layers.flatMap(tokens)
  const ids = Math.max(2, Math.min(...tables, 1e6))
  return {
    shape: full,
    data: Int32Array.from({ length: size }, () => 1 + Math.floor(random.uniform() * (ids - 1))),
  }
}

/** How many ids an embedding, or those inside a layer, take. */
function tokens(layer: AnyModel['layers'][number]): number[] {
  if (layer.kind === 'embedding') return [layer.options().inputDim as number]
  return layer.children.flatMap(({ layer: inner }) => tokens(inner))
}

/** Whether a name of `observe` is one of the model's outputs. */
export const isOutput = (name: string): boolean => /^output( \d+)?$/.test(name)

/** Values that a model computes on the way, by layer and call, and those that it gives. */
interface Observed {
  readonly values: ArrayLike<number>
  /** [B,T] 1 where a step counts; null: all. */
  readonly valid: ArrayLike<number> | null
}

/** Everything that a model computes for the inputs. */
export function observe(model: AnyModel, inputs: readonly ModelInput[]): Map<string, Observed> {
  const columns = model.columns('verify', inputs.length === 1 ? inputs[0] : (inputs as never))
  model.parameters.bringHome()
  model.resetStates()
  const { graph, backend } = model
  const arena = new Arena(backend.heap)
  try {
    const ctx = new Context(backend, arena)
    const order = Int32Array.from({ length: columns[0].rows }, (_, row) => row)
    const values = new Map<SymbolicTensor, ReturnType<typeof batchOf>>()
    graph!.inputs.forEach((input, i) => {
      values.set(input, batchOf(arena, columns[i], order as never))
    })
    const found = new Map<string, Observed>()
    const calls = new Map<string, number>()
    const note = (name: string, value: ReturnType<typeof batchOf>) =>
      found.set(name, {
        values: value.elements.slice(),
        valid: value.mask ? value.mask.valid.ints.slice() : null,
      })
    for (const { layer, inputs: sources, outputs } of graph!.calls) {
      const results = ctx.within(layer, () =>
        layer.process(
          ctx,
          sources.map((source) => values.get(source)!),
        ),
      )
      const call = (calls.get(layer.name) ?? 0) + 1
      calls.set(layer.name, call)
      outputs.forEach((output, i) => {
        values.set(output, results[i])
        const suffix = `${call > 1 ? ` call ${call}` : ''}${i > 0 ? ` output ${i + 1}` : ''}`
        note(layer.name + suffix, results[i])
      })
    }
    graph!.outputs.forEach((output, i) => {
      note(graph!.outputs.length > 1 ? `output ${i + 1}` : 'output', values.get(output)!)
    })
    return found
  } finally {
    arena.release()
    model.resetStates()
  }
}

/**
 * The differences between a model and another that should compute the same. Layers are compared where
 * both models call the same ones in the same order; the models' outputs always are. Steps that do not count are not compared.
 */
export function compareModels(a: AnyModel, b: AnyModel, seed = 0, inFront = true): Comparison {
  const cases = inputCases(a, seed, inFront)
  const order = ({ graph }: AnyModel) => graph!.calls.map(({ layer }) => layer.name).join()
  // Which layer is which cannot be told where the other model's graph is another.
  const alike = order(a) === order(b)
  const worst = new Map<string, LayerDifference>()
  for (const { name, inputs } of cases) {
    const [expected, found] = [observe(a, inputs), observe(b, inputs)]
    for (const [layer, one] of expected) {
      if (!alike && !isOutput(layer)) continue
      const other = found.get(layer)
      if (!other || other.values.length !== one.values.length) {
        if (!isOutput(layer)) continue
        throw new RefrainError(
          'BAD_FILE',
          `${name}: the ${layer} has ${other?.values.length ?? 0} numbers, expected ${one.values.length}`,
        )
      }
      const before = worst.get(layer) ?? { layer, absolute: 0, relative: 0 }
      worst.set(layer, farther(before, difference(one, other.values)))
    }
  }
  return { layers: [...worst.values()], inputs: cases.map(({ name }) => name) }
}

const farther = (a: LayerDifference, b: Omit<LayerDifference, 'layer'>): LayerDifference => ({
  layer: a.layer,
  absolute: Math.max(a.absolute, b.absolute),
  relative: Math.max(a.relative, b.relative),
})

/** Of all numbers, or those of the steps that count. */
export function difference(
  { values, valid }: Observed,
  other: ArrayLike<number>,
): Omit<LayerDifference, 'layer'> {
  let [absolute, relative] = [0, 0]
  const width = valid ? values.length / valid.length : 1
  for (let i = 0; i < values.length; i++) {
    if (valid && !valid[Math.floor(i / width)]) continue
    if (Object.is(values[i], other[i])) continue
    // A number that is none on one side only is as far as can be.
    const apart = Math.abs(values[i] - other[i])
    const far = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart
    absolute = Math.max(absolute, far)
    relative = Math.max(relative, far / (0.1 + Math.abs(values[i])))
  }
  return { absolute, relative }
}

/** The layers that differ by more than `limit`, first where it begins. */
export const differing = ({ layers }: Comparison, limit = tolerance): LayerDifference[] =>
  layers.filter(({ relative }) => !(relative <= limit))
