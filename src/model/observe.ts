/** One pass of a model over all rows while somebody looks on, for `gradientFlow` and `trace`. */
import { batchOf, type Column } from '../data/column.ts'
import { RefrainError } from '../errors.ts'
import { Arena } from '../tensor/arena.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { rowWeights } from '../train/batch.ts'
import { axisOf, computeLoss } from '../train/losses.ts'
import { weightPenalty } from '../train/penalty.ts'
import type { TrainingData } from '../train/plan.ts'
import { WatchingContext } from '../train/watch.ts'
import type { Model } from './model.ts'
import type { ModelData } from './outputs.ts'
import { withTargets } from './prepare.ts'

/** What can be seen after the pass; it ends with the function that it is given to. */
export interface Observed {
  readonly ctx: WatchingContext
  readonly outputs: readonly Tensor[]
  /** Null without targets. */
  readonly loss: number | null
}

/**
 * Runs a model forward and, if there are targets, backward, without dropout, from its initial states;
 * all rows are one batch. No weight changes.
 *
 * @param given targets as for `fit`, and which gradients are wanted: those of states alone cost less
 */
export function observe<Result>(
  where: string,
  model: Model<Tensor | Tensor[]>,
  x: ModelData,
  given: { y?: ModelData; sampleWeight?: ModelData; weightGradients?: boolean },
  look: (observed: Observed) => Result,
): Result {
  const { y, sampleWeight, weightGradients = false } = given
  if (y !== undefined && !model.compiled) {
    throw new RefrainError(
      'NOT_BUILT',
      `${where}: ${model.name} has no loss`,
      "call model.compile({ loss: 'meanSquaredError' }) first",
    )
  }
  const inputs = model.columns(where, x)
  const plans = model.compiled?.outputs ?? []
  let data: TrainingData = { inputs, targets: [], weights: [] }
  if (y !== undefined) {
    const shapes = model.graph!.outputs.map(({ shape }) => shape)
    const { layers } = model
    data = withTargets(where, inputs, { y, sampleWeight }, { outputs: plans, shapes, layers })
  }
  const { backend, parameters } = model
  const arena = new Arena(backend.heap)
  const untracked = parameters.parameters.filter(
    ({ value }) => value.tracked && !(weightGradients && y !== undefined),
  )
  for (const { value } of untracked) value.tracked = false
  // A step that failed may have left it.
  for (const parameter of parameters.parameters) parameter.usedRows = null
  parameters.clearGradients()
  try {
    const ctx = new WatchingContext(backend, arena, { gradients: y !== undefined, penalties: true })
    const rows = Int32Array.from({ length: inputs[0].rows }, (_, row) => row)
    const batch = (column: Column) => batchOf(arena, column, rows)
    const outputs = model.run(ctx, data.inputs.map(batch))
    let loss: number | null = null
    if (y !== undefined) {
      loss = 0
      for (const [i, { loss: config, weight }] of plans.entries()) {
        const [target, weights] = [data.targets[i], data.weights[i]]
        if (!config || !target) continue
        const each = rowWeights(weights && batch(weights), outputs[i], axisOf(config))
        loss += weight * computeLoss(ctx, config, outputs[i], batch(target), each, weight)
      }
      ctx.backward()
      loss += (ctx.penalty ?? 0) + weightPenalty(ctx, parameters)
    }
    return look({ ctx, outputs, loss })
  } finally {
    for (const { value } of untracked) value.tracked = true
    parameters.clearGradients()
    arena.release()
  }
}
