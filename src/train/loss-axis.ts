/**
 * Losses along a dimension other than the last: it is moved to the end, and the rest is as always. In a
 * bundle only with the functions of losses and metrics that take an `axis`.
 */
import { RefrainError, show } from '../errors.ts'
import { permute } from '../tensor/arrange.ts'
import type { Context } from '../tensor/context.ts'
import { shapeError, type Tensor } from '../tensor/tensor.ts'
import { setTurn } from './losses.ts'

function turn(ctx: Context, axis: number, prediction: Tensor, target: Tensor): [Tensor, Tensor] {
  const { shape, mask } = prediction
  const rank = shape.length
  const at = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || at < 1 || at >= rank) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `'axis': expected a dimension of the output ${show([...shape])} from 1 to ${rank - 1} or ` +
        `-1 to ${1 - rank}, got ${show(axis)}`,
    )
  }
  if (at === rank - 1) return [prediction, target]
  if (mask?.lengths) {
    throw new RefrainError(
      'BAD_SHAPE',
      `'axis' ${axis}: the output ${show([...shape])} has masked steps, and a mask does not fit ` +
        'what is left without this dimension',
      'permute targets and outputs, or give sequences of one length',
    )
  }
  const order = shape.map((_, i) => i)
  order.push(order.splice(at, 1)[0])
  const turned = permute(ctx, prediction, order)
  if (target.dtype === 'int32') {
    const isColumn = target.shape.length === rank && target.shape[at] === 1
    return [turned, isColumn ? target.view(target.shape.toSpliced(at, 1)) : target]
  }
  if (target.shape.join() !== shape.join()) throw shapeError("'y'", shape, target.shape)
  return [turned, permute(ctx, target, order)]
}
setTurn(turn)

/** The configuration of a loss or metric that may have an `axis`. */
export const withAxis = <Config>(config: Config): Config => config
