/**
 * The networks that forecast. Both read a window with LSTMs and give all steps of the horizon.
 *
 * 'direct': the last state → dense → every step at once. Where columns are known in advance, the state
 * becomes a short context for each step, which one more layer reads with what is known of that step
 * (Wen et al. 2017, "A Multi-Horizon Quantile Recurrent Forecaster").
 *
 * 'decoder': the final states start a second LSTM, which walks through the horizon and reads the state
 * and what is known of each step (Sutskever et al. 2014, but without its own forecasts as inputs, so
 * that errors do not feed on themselves).
 *
 * With `linear` a linear map from the window to the horizon is added, as in LSTNet (Lai et al. 2018),
 * one for all columns; it starts from zeros.
 */
import { dense } from '../../layers/dense.ts'
import { dropout as dropoutLayer } from '../../layers/dropout.ts'
import { input } from '../../layers/input.ts'
import type { SymbolicTensor } from '../../layers/layer.ts'
import { lstm } from '../../layers/lstm.ts'
import { add, concatenate } from '../../layers/merge.ts'
import { permute, repeatVector, reshape } from '../../layers/reshape.ts'
import { model as makeModel } from '../../model/functional.ts'
import type { Model } from '../../model/model.ts'
import { type Layout, widths } from './windows.ts'

/** What decides about the network beside the layout. */
export interface NetworkOptions {
  readonly network: 'direct' | 'decoder'
  readonly units: number
  readonly layers: number
  readonly dropout: number
  readonly linear: boolean
  readonly seed: number
  /** Numbers forecast for each value: the quantiles, or one. */
  readonly outputs: number
}

/** Width of a step's context in a direct network with columns known in advance. */
const contextSize = 16

/** A model from windows, as `cut` makes them, to [N, H·V, outputs]. */
export function buildNetwork(layout: Layout, options: NetworkOptions): Model {
  const { window, horizon } = layout
  const { units, layers, dropout, outputs, seed } = options
  const width = widths(layout)
  const values = input({ shape: [window, width.values], name: 'values' })
  const features =
    width.features > 0 && input({ shape: [window, width.features], name: 'features' })
  const ahead = width.ahead > 0 && input({ shape: [horizon, width.ahead], name: 'ahead' })
  const drop = (x: SymbolicTensor) => (dropout > 0 ? dropoutLayer({ rate: dropout }).apply(x) : x)

  let x = features ? concatenate().apply([values, features]) : values
  for (let i = 1; i < layers; i++) x = drop(lstm({ units, returnSequences: true }).apply(x))
  const read = lstm({ units, returnState: true }).apply(x)
  const state = drop(read.output)

  const perStep = width.values * outputs
  let y: SymbolicTensor
  if (options.network === 'decoder') {
    const repeated = repeatVector(horizon).apply(state)
    const steps = ahead ? concatenate().apply([repeated, ahead]) : repeated
    const walk = lstm({ units, returnSequences: true })
    const walked = walk.apply(steps, { initialState: { h: read.h, c: read.c } })
    y = dense({ units: perStep }).apply(drop(walked))
  } else if (ahead) {
    const contexts = dense({ units: horizon * contextSize }).apply(state)
    const perContext = reshape({ targetShape: [horizon, contextSize] }).apply(contexts)
    const joined = concatenate().apply([perContext, ahead])
    const mixed = dense({ units: 2 * contextSize, activation: 'relu' }).apply(joined)
    y = dense({ units: perStep }).apply(mixed)
  } else {
    y = dense({ units: horizon * perStep }).apply(state)
  }
  const shape = { targetShape: [horizon * width.values, outputs] }
  y = reshape(shape).apply(y)
  if (options.linear) {
    const columns = permute({ dims: [2, 1] }).apply(values)
    const map = dense({ units: horizon * outputs, kernelInitializer: 'zeros' }).apply(columns)
    const split = reshape({ targetShape: [width.values, horizon, outputs] }).apply(map)
    const byStep = permute({ dims: [2, 1, 3] }).apply(split)
    y = add().apply([y, reshape(shape).apply(byStep)])
  }
  const inputs = [values, features, ahead].filter((one) => one !== false)
  return makeModel({ inputs, outputs: y, name: 'forecast', seed }) as Model
}
