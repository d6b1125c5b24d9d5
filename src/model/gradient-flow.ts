/** How far back a loss reaches: the gradient's norm at every time step. */
import { RefrainError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Pass, pathOf } from '../train/watch.ts'
import { checkOptions } from '../util/check.ts'
import type { Model } from './model.ts'
import { observe } from './observe.ts'
import type { ModelData } from './outputs.ts'

/** What `gradientFlow` finds out about one pass of a recurrent layer. */
export interface LayerFlow {
  /** The layer's name; of a bidirectional layer 'name/forward' and 'name/backward'. */
  readonly layer: string
  /** ‖∂loss/∂h_t‖ for t from 0: the root of the sum of squares over rows and units. */
  readonly h: Float64Array
  /**
   * ‖∂loss/∂c_t‖, of layers with a cell; else null. Of c_t as the next step gets it: what it does
   * through h_t counts there, so at the last step it is 0.
   */
  readonly c: Float64Array | null
}

/** The result of `gradientFlow`. */
export interface GradientFlow {
  /** Of all rows. */
  readonly loss: number
  /** In the order in which the layers run. */
  readonly layers: readonly LayerFlow[]
}

/**
 * The gradient of the loss with respect to the states of every recurrent layer at every time step,
 * as norms: where they fade towards the past, the model cannot learn from what was there; where
 * they grow, clip them. (Hochreiter 1991; Bengio, Simard & Frasconi 1994.)
 *
 *     const { layers } = await gradientFlow(model, x, y)
 *     layers[0].h   // ‖∂loss/∂h_t‖, t = 0 … T-1
 *
 * All rows are one batch, without dropout; no weight changes. At a masked step a state is the one
 * before it, and so is its gradient. The layers run step by step, which takes several times as long
 * as in training.
 *
 * @param y targets as for `fit`; the loss is the compiled one
 *
 * Throws `NOT_BUILT` before `compile`, `UNSUPPORTED` without a recurrent layer, and what `fit` does
 * for data that does not fit.
 */
export async function gradientFlow(
  model: Model<Tensor | Tensor[]>,
  x: ModelData,
  y: ModelData,
  options: { sampleWeight?: ModelData } = {},
): Promise<GradientFlow> {
  checkOptions('gradientFlow', options, ['sampleWeight'])
  return observe('gradientFlow', model, x, { y, ...options }, ({ ctx, loss }) => {
    if (ctx.passes.length === 0) {
      throw new RefrainError('UNSUPPORTED', `gradientFlow: ${model.name} has no recurrent layer`)
    }
    return { loss: loss!, layers: ctx.passes.map(flowOf) }
  })
}

function flowOf({ layer, norms }: Pass): LayerFlow {
  const ofState = (i: number) => Float64Array.from(norms, (step) => step[i])
  return { layer: pathOf(layer), h: ofState(0), c: norms[0].length > 1 ? ofState(1) : null }
}
