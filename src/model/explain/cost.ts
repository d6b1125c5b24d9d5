/**
 * What a layer has to compute and to move, at least: floating-point operations (a multiply-add is
 * two) and bytes, each array read or written once a pass. For recurrent and dense layers only the
 * products count; what the gate functions add is less than a tenth from about 32 units on.
 *
 * Backward counts no gradient of an input that nothing trainable made, and none of frozen weights. The
 * first step counts as the others do, though without an initial state its recurrent products are left
 * out.
 */
import type { Layer } from '../../layers/layer.ts'
import { RecurrentLayer } from '../../layers/recurrent.ts'
import type { Place } from '../../tensor/parameter.ts'
import type { Optimizer } from '../../train/optimizer.ts'
import { movesByRows } from '../../train/updater.ts'
import { sizeOf } from '../../util/check.ts'

/** Floating-point operations and bytes. */
export interface Cost {
  readonly flops: number
  readonly bytes: number
}

/** Of one call of a layer. Forward in training also writes what going back will read. */
export interface LayerCost {
  readonly prediction: Cost
  readonly forward: Cost
  readonly backward: Cost
}

/** One call of a layer, layers inside it apart. */
export interface Call {
  readonly layer: Layer
  readonly inputs: readonly Size[]
  readonly outputs: readonly Size[]
  /** Whether the gradient of the first input is wanted. */
  readonly tracked: boolean
}

/** A shape without open dimensions. */
export type Size = readonly number[]

export const noCost: Cost = { flops: 0, bytes: 0 }
const nothing: LayerCost = { prediction: noCost, forward: noCost, backward: noCost }
const idBytes = 4

const last = (size: Size) => size[size.length - 1] ?? 1
const trainable = (layer: Layer) => layer.parameters.some((parameter) => parameter.trainable)

/** The cost of a call; of a layer that is not known, one operation for each element. */
export function layerCost(call: Call, floatBytes: number): LayerCost {
  const { layer } = call
  if (layer.kind === 'rnn' || layer.kind === 'attentionDecoder') return cells(call, floatBytes)
  if (layer instanceof RecurrentLayer) return recurrent(call, floatBytes)
  switch (layer.kind) {
    case 'dense':
    case 'tiedDense':
      return product(call, last(call.inputs[0]), floatBytes)
    case 'conv1d':
    case 'conv2d': {
      const [kernel] = layer.parameters
      return product(call, kernel.size / last(kernel.shape), floatBytes)
    }
    case 'embedding':
      return embedding(call, floatBytes)
    case 'flatten':
    case 'reshape':
    case 'timeDistributed':
    case 'scheduledSampling':
    case 'tokenDropout':
    case 'model':
    case 'sequential':
      return nothing
    case 'dropout':
    case 'gaussianNoise':
    case 'spatialDropout1d': {
      const { forward, backward } = elementwise(call, floatBytes)
      return { prediction: noCost, forward, backward }
    }
    default:
      return elementwise(call, floatBytes)
  }
}

/**
 * z = x_t·W + h_{t-1}·R for G = kernel.shape[1] columns (LSTM: 4U), at every step; of a convolutional
 * LSTM at every pixel, with the window's pixels for features and units.
 */
function recurrent({ layer, inputs, outputs, tracked }: Call, floatBytes: number): LayerCost {
  const [kernel, recurrentKernel] = layer.parameters
  const columns = last(kernel.shape)
  const pixels = kernel.shape.length > 2 ? sizeOf(outputs[0].slice(-3, -1)) : 1
  const [fromInput, fromState] = [kernel.size / columns, recurrentKernel.size / columns]
  const [batch, steps] = inputs[0]
  const n = batch * steps
  const weights = layer.parameters.reduce((sum, { size }) => sum + size, 0)
  const products = (width: number) => 2 * n * pixels * width * columns
  const flops = products(fromInput + fromState)
  // Of one step: x, h and the gates.
  const features = sizeOf(inputs[0].slice(2))
  const units = pixels * recurrentKernel.shape[recurrentKernel.shape.length - 2]
  const gates = pixels * columns
  const moved = weights + n * (features + units)
  const learns = trainable(layer)
  const gradients = (tracked ? fromInput : 0) + fromState + (learns ? fromInput + fromState : 0)
  // x, h, c, the gates and dh read; dz written, and read by the products; dx and dW added to.
  const back =
    n * (features + 2 * units + 3 * gates + (tracked ? 2 * features : 0)) +
    sizeOf(outputs[0]) +
    weights * (learns ? 3 : 1)
  return {
    prediction: { flops, bytes: floatBytes * moved },
    forward: { flops, bytes: floatBytes * (moved + n * (gates + units)) },
    backward: learns || tracked ? { flops: products(gradients), bytes: floatBytes * back } : noCost,
  }
}

/** Each matrix of a cell once a step. */
function cells({ layer, inputs, outputs }: Call, floatBytes: number): LayerCost {
  const matrices = layer.parameters.filter(({ shape }) => shape.length === 2)
  const weights = matrices.reduce((sum, { size }) => sum + size, 0)
  const [batch, steps] = inputs[0]
  const flops = 2 * batch * steps * weights
  const moved = sizeOf(inputs[0]) + sizeOf(outputs[0]) + weights * steps
  const forward = { flops, bytes: floatBytes * moved }
  const backward = { flops: 2 * flops, bytes: 2 * floatBytes * moved }
  return { prediction: forward, forward, backward }
}

/** y = x·W, of every row or every window of `width` elements, then an activation over y. */
function product(
  { layer, inputs, outputs, tracked }: Call,
  width: number,
  floatBytes: number,
): LayerCost {
  const weights = layer.parameters.reduce((sum, { size }) => sum + size, 0)
  const [x, y] = [sizeOf(inputs[0]), sizeOf(outputs[0])]
  const activated = (layer.options() as { activation?: string }).activation !== 'linear'
  const flops = 2 * y * width
  const forward = {
    flops,
    bytes: floatBytes * (x + weights + y + (activated ? 2 * y : 0)),
  }
  const learns = trainable(layer)
  const back =
    (tracked ? y + weights + 2 * x : 0) +
    (learns ? y + x + 2 * weights : 0) +
    (activated ? 4 * y : 0)
  return {
    prediction: forward,
    forward,
    backward: {
      flops: flops * ((tracked ? 1 : 0) + (learns ? 1 : 0)),
      bytes: learns || tracked ? floatBytes * back : 0,
    },
  }
}

/** Rows of a table, copied; backward they are added to. */
function embedding({ layer, inputs, outputs }: Call, floatBytes: number): LayerCost {
  const [ids, values] = [sizeOf(inputs[0]), sizeOf(outputs[0])]
  const forward = { flops: 0, bytes: idBytes * ids + 2 * floatBytes * values }
  const backward = { flops: values, bytes: idBytes * ids + 3 * floatBytes * values }
  return { prediction: forward, forward, backward: trainable(layer) ? backward : noCost }
}

function elementwise({ layer, inputs, outputs, tracked }: Call, floatBytes: number): LayerCost {
  const out = outputs.reduce((sum, size) => sum + sizeOf(size), 0)
  // A layer around others joins their outputs.
  const given = inputs.reduce((sum, size) => sum + sizeOf(size), 0)
  const x = layer.children.length > 0 ? out : given
  const flops = Math.max(x, out)
  const forward = { flops, bytes: floatBytes * (x + out) }
  const backward = { flops, bytes: floatBytes * (2 * x + out) }
  return { prediction: forward, forward, backward: tracked ? backward : noCost }
}

/**
 * Gradients read for their norm and again for the update, weights and the optimizer's arrays read
 * and written; of tables that move by rows only the rows used, at most one for each id.
 */
export function optimizerCost(
  optimizer: Optimizer,
  places: readonly Place[],
  calls: readonly Call[],
  floatBytes: number,
): Cost {
  const slots = optimizer.slots.length
  const size = places.reduce((sum, place) => sum + movedSize(optimizer, place, calls), 0)
  return { flops: size * (4 + 4 * slots), bytes: floatBytes * size * (4 + 2 * slots) }
}

function movedSize(optimizer: Optimizer, place: Place, calls: readonly Call[]): number {
  if (!movesByRows(optimizer, place)) return place.size
  const { parameter } = place
  const readers = calls.filter(({ layer }) => layer.parameters.includes(parameter))
  const ids = readers.reduce((sum, { inputs }) => sum + sizeOf(inputs[0]), 0)
  const [rows, dim] = parameter.shape
  return Math.min(rows, ids) * dim
}

/** The loss and its gradient: prediction and target read, the gradient written. */
export function lossCost(prediction: Size, floatBytes: number): Cost {
  const size = sizeOf(prediction)
  return { flops: 4 * size, bytes: 3 * floatBytes * size }
}

/**
 * Inputs and targets copied into a batch: at most, as native kernels read rows of floats that stand
 * together in place.
 */
export function batchingCost(columns: readonly Size[], floatBytes: number): Cost {
  const size = columns.reduce((sum, column) => sum + sizeOf(column), 0)
  return { flops: 0, bytes: 2 * floatBytes * size }
}
