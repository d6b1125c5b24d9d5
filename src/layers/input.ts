import { RefrainError, show } from '../errors.ts'
import type { DType } from '../tensor/tensor.ts'
import { checkOptions } from '../util/check.ts'
import { type Shape, SymbolicTensor } from './layer.ts'

/** Options of `input`. */
export interface InputOptions {
  /** Shape of one example, without the batch; null for any length: [null, 16] is a sequence. */
  shape: Shape
  /** 'int32' for token ids. Default 'float'. */
  dtype?: DType
  name?: string
}

/** A functional model's input. */
export function input(options: InputOptions): SymbolicTensor {
  checkOptions('input', options, ['shape', 'dtype', 'name'])
  const { shape, dtype = 'float', name = 'input' } = options
  checkInputShape("input 'shape'", shape)
  return new SymbolicTensor([null, ...shape], dtype, null, name)
}

/** Fails unless `shape` is a list of positive whole numbers and nulls. */
export function checkInputShape(where: string, shape: unknown): void {
  const fits =
    Array.isArray(shape) &&
    shape.every((length) => length === null || (Number.isInteger(length) && length > 0))
  if (!fits) {
    throw new RefrainError(
      'BAD_SHAPE',
      `${where}: expected a list of positive whole numbers and nulls, got ${show(shape)}`,
      'for sequences of 16 numbers write [null, 16]',
    )
  }
}
