/** How far back a loss reaches: the gradient's norm at every time step. */
import { batchOf, type Column } from '../data/column.ts'
import { RefrainError } from '../errors.ts'
import type { Layer } from '../layers/layer.ts'
import { Arena } from '../tensor/arena.ts'
import { Context } from '../tensor/context.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { rowWeights } from '../train/batch.ts'
import { computeLoss } from '../train/losses.ts'
import { checkOptions } from '../util/check.ts'
import type { Model } from './model.ts'
import type { ModelData } from './outputs.ts'
import { withTargets } from './prepare.ts'

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

/** One pass of a layer: for each time step, its states' norms. */
interface Pass {
  readonly layer: Layer
  readonly norms: number[][]
}

/** A context that notes the norms of the gradients of all steps' states. */
class WatchingContext extends Context {
  readonly passes: Pass[] = []

  override get onStates() {
    return (layer: object, t: number, states: readonly Tensor[]) => {
      let pass = this.passes.findLast((one) => one.layer === layer)
      if (!pass || pass.norms[t]) {
        pass = { layer: layer as Layer, norms: [] }
        this.passes.push(pass)
      }
      const norms = states.map(() => 0)
      pass.norms[t] = norms
      states.forEach((state, i) => {
        state.tracked = true
        // Going back, all that uses the state comes before this, the step that made it after.
        this.record(state, [state], () => {
          norms[i] = Math.sqrt(this.kernels.sumSquares(this.gradientOf(state).values, state.size))
        })
      })
    }
  }
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
  if (!model.compiled) {
    throw new RefrainError(
      'NOT_BUILT',
      `gradientFlow: ${model.name} has no loss`,
      "call model.compile({ loss: 'meanSquaredError' }) first",
    )
  }
  const { outputs } = model.compiled
  const inputs = model.columns('gradientFlow', x)
  const { layers } = model
  const shapes = model.graph!.outputs.map(({ shape }) => shape)
  const given = { y, sampleWeight: options.sampleWeight }
  const data = withTargets('gradientFlow', inputs, given, { outputs, shapes, layers })
  const { backend, parameters } = model
  const arena = new Arena(backend.heap)
  // Only the states are looked at: nothing flows into weights.
  const trainable = parameters.parameters.filter(({ value }) => value.tracked)
  for (const { value } of trainable) value.tracked = false
  try {
    const ctx = new WatchingContext(backend, arena, { gradients: true })
    const rows = Int32Array.from({ length: inputs[0].rows }, (_, row) => row)
    const batch = (column: Column) => batchOf(arena, column, rows)
    const predictions = model.run(ctx, data.inputs.map(batch))
    if (ctx.passes.length === 0) {
      throw new RefrainError('UNSUPPORTED', `gradientFlow: ${model.name} has no recurrent layer`)
    }
    let total = 0
    outputs.forEach(({ loss, weight }, i) => {
      const [target, weights] = [data.targets[i], data.weights[i]]
      if (!loss || !target) return
      const each = rowWeights(weights && batch(weights), predictions[i])
      total += weight * computeLoss(ctx, loss, predictions[i], batch(target), each, weight)
    })
    ctx.backward()
    return { loss: total, layers: ctx.passes.map(flowOf) }
  } finally {
    for (const { value } of trainable) value.tracked = true
    arena.release()
  }
}

function flowOf({ layer, norms }: Pass): LayerFlow {
  const { path } = layer.parameters[0]
  const ofState = (i: number) => Float64Array.from(norms, (step) => step[i])
  const hasCell = norms[0].length > 1
  return {
    layer: path.slice(0, path.lastIndexOf('/')),
    h: ofState(0),
    c: hasCell ? ofState(1) : null,
  }
}
