/**
 * What `fit`, `evaluate` and `predict` are given, as columns that fit a model: all that can be known
 * to be wrong with data is found here, before the first step.
 */
import { type ArrayData, type Column, rowLength, sliceColumn, toColumn } from '../data/column.ts'
import { RefrainError, show } from '../errors.ts'
import type { Backend } from '../kernels/kernels.ts'
import type { Layer, Shape, SymbolicTensor } from '../layers/layer.ts'
import { type LossConfig, takesLabels } from '../train/losses.ts'
import { argmax } from '../train/metrics.ts'
import { isSequenceLoss, isStepwise } from '../train/sequence-losses.ts'
import type { TrainingData } from '../train/trainer.ts'
import { checkNumber } from '../util/check.ts'

/** The columns of a model of several inputs. */
export function severalInputs(
  where: string,
  x: ArrayData | readonly ArrayData[],
  symbols: readonly SymbolicTensor[],
  backend: Backend,
): Column[] {
  if (!Array.isArray(x) || x.length !== symbols.length) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `${where} 'x': expected an array of ${symbols.length} inputs ` +
        `(${symbols.map((s) => s.name).join(', ')}), got ${show(x)}`,
    )
  }
  const columns = (x as readonly ArrayData[]).map((data, i) =>
    toColumn(`${where} 'x' ${i}`, data, symbols[i].dtype, backend),
  )
  columns.forEach((column, i) => {
    checkRows(`${where} 'x' ${i}`, column, columns[0].rows)
  })
  return columns.map((column, i) => fitInput(`${where} 'x' ${i}`, column, symbols[i].shape))
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

/** Inputs with targets and weights that fit them, the model's output and its loss. */
export function withTargets(
  where: string,
  inputs: readonly Column[],
  given: { y: ArrayData; sampleWeight?: ArrayData },
  model: { loss: LossConfig; outputShape: Shape; layers: readonly Layer[] },
): TrainingData {
  const dtype = takesLabels(model.loss) ? 'int32' : 'float'
  const target = toColumn(`${where} 'y'`, given.y, dtype)
  const { rows } = inputs[0]
  checkRows(`${where} 'y'`, target, rows)
  if (isStepwise(model.loss)) checkSameLengths(`${where} 'y'`, inputs, target)
  // Losses of sequences know what labels there are.
  if (dtype === 'int32' && !isSequenceLoss(model.loss)) {
    const masked = inputs.some(({ offsets }) => offsets) || model.layers.some(makesMask)
    checkLabels(where, target, model.outputShape.at(-1) ?? 1, masked)
  }
  if (!given.sampleWeight) return { inputs, target, weights: null }
  const weights = toColumn(`${where} 'sampleWeight'`, given.sampleWeight, 'float')
  checkRows(`${where} 'sampleWeight'`, weights, rows)
  checkSameLengths(`${where} 'sampleWeight'`, inputs, weights)
  return { inputs, target, weights }
}

const makesMask = (layer: Layer) => 'maskZero' in layer && layer.maskZero === true

/**
 * Fails on class numbers that no mask can excuse. Those of dense sequences are left to the trainer
 * if steps may be masked, as masked steps may hold anything.
 */
function checkLabels(where: string, target: Column, classes: number, masked: boolean): void {
  const { data, offsets, rows } = target
  if (!offsets && data.length !== rows && masked) return
  const bad = data.findIndex((label) => label < 0 || label >= classes)
  if (bad < 0) return
  const row = offsets
    ? offsets.findIndex((offset) => offset > bad) - 1
    : Math.floor(bad / (data.length / rows))
  throw new RefrainError(
    'BAD_DATA',
    `${where} 'y': expected class numbers from 0 to ${classes - 1}, got ${data[bad]} in row ${row}`,
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
    target: sliceColumn(data.target, from, to),
    weights: data.weights && sliceColumn(data.weights, from, to),
  }
}

/** The data with each target's class factor multiplied into its weight. */
export function withClassWeights(
  data: TrainingData,
  classWeight: Readonly<Record<number, number>>,
  outputShape: Shape,
): TrainingData {
  for (const [name, factor] of Object.entries(classWeight)) {
    checkNumber(`fit 'classWeight' ${name}`, factor, 0)
  }
  const { target } = data
  const width = target.dtype === 'float' ? (outputShape.at(-1) ?? 1) : 1
  const values = new Float32Array(Math.floor(target.data.length / width))
  if (data.weights) values.set(spreadWeights(data.weights, target, values.length))
  else values.fill(1)
  for (let i = 0; i < values.length; i++) {
    const label = width > 1 ? argmax(target.data, i * width, width) : target.data[i]
    values[i] *= classWeight[label] ?? 1
  }
  // Targets have the output's last dimension, or, where it is 1 or for class numbers, lack it.
  const full = target.shape.length === outputShape.length - 1
  const shape = full ? target.shape.slice(0, -1) : target.shape
  const { rows, offsets } = target
  return { ...data, weights: { rows, dtype: 'float', shape, data: values, offsets } }
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
