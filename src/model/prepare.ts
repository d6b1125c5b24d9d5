/**
 * What `fit`, `evaluate` and `predict` are given, as columns that fit a model: all that can be known
 * to be wrong with data is found here, before the first step.
 */
import { type Column, rowLength, sliceColumn, toColumn } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import type { Backend } from '../kernels/kernels.ts'
import type { Layer, Shape, SymbolicTensor } from '../layers/layer.ts'
import { axisOf, takesClasses, takesLabels } from '../train/losses.ts'
import { argmax } from '../train/metric.ts'
import type { OutputPlan, TrainingData } from '../train/plan.ts'
import { isStepwise } from '../train/sequence-losses.ts'
import { checkNumber } from '../util/check.ts'
import { dataInOrder, type ModelData, valueNames, weightsInOrder } from './outputs.ts'

/** The columns of a model's inputs, given as a list in their order or by name. */
export function inputColumns(
  where: string,
  x: ModelData,
  symbols: readonly SymbolicTensor[],
  backend: Backend,
): Column[] {
  const names = valueNames(symbols)
  const several = names.length > 1
  const place = (i: number) => `${where} 'x'${several ? ` '${names[i]}'` : ''}`
  const columns = dataInOrder(`${where} 'x'`, x, names).map((data, i) => {
    if (data === undefined) {
      throw new RefrainError('BAD_ARGUMENT', `${where} 'x': expected data for '${names[i]}'`)
    }
    return toColumn(place(i), data, symbols[i].dtype, backend)
  })
  columns.forEach((column, i) => {
    checkRows(place(i), column, columns[0].rows)
  })
  return columns.map((column, i) => fitInput(place(i), column, symbols[i].shape))
}

/** The column as an input of that shape; throws `BAD_SHAPE` if it cannot be one. */
export function fitInput(where: string, column: Column, [, ...shape]: Shape): Column {
  // Sequences that are all empty do not show how many features a step has; the model knows.
  const empty = column.offsets && column.data.length === 0
  const given = empty ? [null, ...shape.slice(1)] : column.shape
  const steps = shape[0]
  if (column.offsets && steps !== null && given.length === shape.length) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected ${steps} steps in each row, got rows of unequal length`,
      'pad them, or leave the number of steps open in the input shape: null',
    )
  }
  const fits =
    given.length === shape.length &&
    shape.every((length, i) => length === null || given[i] === length)
  if (!fits) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected rows of shape ${show([...shape])}, got ${show([...given])}`,
      shape.length === given.length + 1 ? 'a sequence of single numbers has shape [T, 1]' : '',
    )
  }
  return { ...column, shape: given }
}

/** Inputs with targets and weights that fit them, the model's outputs and their losses. */
export function withTargets(
  where: string,
  inputs: readonly Column[],
  given: { y: ModelData; sampleWeight?: ModelData },
  model: {
    outputs: readonly OutputPlan[]
    shapes: readonly Shape[]
    layers: readonly Layer[]
  },
): TrainingData {
  const { outputs, shapes } = model
  const names = outputs.map(({ name }) => name)
  const several = names.length > 1
  const masked = inputs.some(({ offsets }) => offsets) || model.layers.some(makesMask)
  const place = (what: string, i: number) => `${where} '${what}'${several ? ` '${names[i]}'` : ''}`
  const fitting = (what: string, column: Column, i: number, stepwise = true) => {
    checkRows(place(what, i), column, inputs[0].rows)
    if (stepwise) checkSameLengths(place(what, i), inputs, column)
    return column
  }
  const targets = dataInOrder(`${where} 'y'`, given.y, names).map((data, i) => {
    const { loss } = outputs[i]
    if (!loss) return null
    if (data === undefined) {
      throw new RefrainError('BAD_ARGUMENT', `${where} 'y': expected targets for '${names[i]}'`)
    }
    const dtype = takesLabels(loss) ? 'int32' : 'float'
    const target = fitting('y', toColumn(place('y', i), data, dtype), i, isStepwise(loss))
    // Other losses know what labels there are.
    if (takesClasses(loss)) {
      checkLabels(
        place('y', i),
        target,
        shapes[i].at(axisOf(loss) ?? -1) ?? 1,
        masked,
        loss.ignoreClass,
      )
    }
    return target
  })
  const weights = weightsInOrder(`${where} 'sampleWeight'`, given.sampleWeight, names).map(
    (data, i) => {
      if (data === undefined || !outputs[i].loss) return null
      return fitting('sampleWeight', toColumn(place('sampleWeight', i), data, 'float'), i)
    },
  )
  return { inputs, targets, weights }
}

const makesMask = (layer: Layer): boolean =>
  ('maskZero' in layer && layer.maskZero === true) ||
  layer.kind === 'masking' ||
  layer.children.some((child) => makesMask(child.layer))

/**
 * Fails on class numbers that no mask can excuse. Those of dense sequences are left to the trainer
 * if steps may be masked, as masked steps may hold anything.
 */
function checkLabels(
  where: string,
  target: Column,
  classes: number,
  masked: boolean,
  ignored: number | null = null,
): void {
  const { data, offsets, rows } = target
  if (!offsets && data.length !== rows && masked) return
  const bad = data.findIndex((label) => (label < 0 || label >= classes) && label !== ignored)
  if (bad < 0) return
  const row = offsets
    ? offsets.findIndex((offset) => offset > bad) - 1
    : Math.floor(bad / (data.length / rows))
  throw new RefrainError(
    'BAD_DATA',
    `${where}: expected class numbers from 0 to ${classes - 1}, got ${data[bad]} in row ${row}`,
    'the last layer has as many units as there are classes',
  )
}

function checkRows(where: string, column: Column, rows: number): void {
  if (column.rows === rows) return
  throw new RefrainError('BAD_SHAPE', `${where}: expected ${rows} rows, got ${column.rows}`)
}

/** Ragged targets and weights have the lengths of a ragged input. */
function checkSameLengths(where: string, inputs: readonly Column[], column: Column): void {
  if (!column.offsets) return
  const ragged = inputs.filter(({ offsets }) => offsets)
  if (ragged.length === 0) {
    throw new RefrainError('BAD_SHAPE', `${where}: rows differ in length, those of 'x' do not`)
  }
  const other = ragged.map(({ offsets }) =>
    offsets!.findIndex((offset, i) => offset !== column.offsets![i]),
  )
  if (other.includes(-1)) return
  const row = other[0] - 1
  throw new RefrainError(
    'BAD_SHAPE',
    `${where}: expected ${rowLength(ragged[0], row)} steps in row ${row}, as in 'x', ` +
      `got ${rowLength(column, row)}`,
  )
}

/** Rows `from` to `to` - 1. */
export function sliceData(data: TrainingData, from: number, to: number): TrainingData {
  return {
    inputs: data.inputs.map((column) => sliceColumn(column, from, to)),
    targets: data.targets.map((column) => column && sliceColumn(column, from, to)),
    weights: data.weights.map((column) => column && sliceColumn(column, from, to)),
  }
}

/** The data of one output with each target's class factor multiplied into its weight. */
export function withClassWeights(
  data: TrainingData,
  classWeight: Readonly<Record<number, number>>,
  outputShape: Shape,
): TrainingData {
  for (const [name, factor] of Object.entries(classWeight)) {
    checkNumber(`fit 'classWeight' ${name}`, factor, 0)
  }
  const target = data.targets[0]!
  const [given] = data.weights
  const width = target.dtype === 'float' ? (outputShape.at(-1) ?? 1) : 1
  const values = new Float32Array(Math.floor(target.data.length / width))
  if (given) values.set(spreadWeights(given, target, values.length))
  else values.fill(1)
  for (let i = 0; i < values.length; i++) {
    const label = width > 1 ? argmax(target.data, i * width, width) : target.data[i]
    values[i] *= classWeight[label] ?? 1
  }
  // Targets have the output's last dimension, or, where it is 1 or for class numbers, lack it.
  const full = target.shape.length === outputShape.length - 1
  const shape = full ? target.shape.slice(0, -1) : target.shape
  const { rows, offsets } = target
  return { ...data, weights: [{ rows, dtype: 'float', shape, data: values, offsets }] }
}

/** A weight for each of `count` targets; that of a row counts for all of its steps. */
function spreadWeights(weights: Column, target: Column, count: number): ArrayLike<number> {
  const { rows } = target
  if (weights.offsets || weights.data.length !== rows) {
    if (weights.data.length === count) return weights.data
    throw new RefrainError(
      'BAD_SHAPE',
      `fit 'sampleWeight': expected a weight for each row or target, ${rows} or ${count}, ` +
        `beside classWeight, got ${weights.data.length}`,
    )
  }
  const spread = new Float32Array(count)
  for (let row = 0; row < rows; row++) {
    const from = target.offsets ? target.offsets[row] : (row * count) / rows
    const to = target.offsets ? target.offsets[row + 1] : ((row + 1) * count) / rows
    spread.fill(weights.data[row], from, to)
  }
  return spread
}
