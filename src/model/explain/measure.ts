/** Times of real prediction and training steps, layer by layer. */
import { batchOf } from '../../data/column.ts'
import type { Floats } from '../../kernels/kernels.ts'
import { Arena } from '../../tensor/arena.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { TrainingPlan } from '../../train/plan.ts'
import { Rows } from '../../train/source.ts'
import { Trainer } from '../../train/trainer.ts'
import { sizeOf } from '../../util/check.ts'
import { runGraph } from '../graph.ts'
import type { Model } from '../model.ts'
import { newFloats } from '../predict.ts'
import { type Lap, Profile, profilingContext, typicalLap } from './profile.ts'
import { syntheticData, syntheticInputs } from './synthetic.ts'

/** A batch size, a length, and about how long to measure. */
export interface Sizes {
  readonly batchSize: number
  readonly steps: number
  readonly milliseconds: number
}

const fewest = 4
const most = 400

/** How many steps of this many milliseconds fit. */
const affordable = (budget: number, milliseconds: number) =>
  Math.min(most, Math.max(fewest, Math.round(budget / Math.max(milliseconds, 1e-3))))

/** A typical prediction of one batch. */
export function profilePrediction(model: Model<Tensor | Tensor[]>, sizes: Sizes): Lap {
  const { backend } = model
  const columns = syntheticInputs(model.graph!, sizes.batchSize, sizes.steps)
  const rows = Int32Array.from({ length: sizes.batchSize }, (_, row) => row)
  const arena = new Arena(backend.heap)
  const profile = new Profile()
  const Context = profilingContext(profile)
  const results: Floats[] = []
  const step = (): Lap => {
    profile.lap()
    arena.reset()
    const ctx = new Context(backend, arena)
    const batch = ctx.within('batching', () => columns.map((c) => batchOf(arena, c, rows)))
    // As `predict`: a last layer writes the result itself if kernels reach it; others are copied.
    const room = (i: number, shape: readonly number[]) => {
      results[i] ??= newFloats(backend, sizeOf(shape))
      return arena.borrow(results[i], 0, shape, 'float') ?? ctx.empty(shape)
    }
    runGraph(model.graph!, ctx, batch, room).forEach(({ values }, i) => {
      results[i] ??= newFloats(backend, values.length)
      if (values.buffer !== results[i].buffer) results[i].set(values)
    })
    return profile.lap()
  }
  try {
    step()
    const { total } = step()
    return typicalLap(Array.from({ length: affordable(sizes.milliseconds, total) }, step))
  } finally {
    arena.release()
  }
}

/**
 * A typical training step through the trainer that `fit` uses. The learning rate is 0: everything
 * is computed and no weight moves.
 */
export async function profileTraining(
  model: Model<Tensor | Tensor[]>,
  compiled: TrainingPlan,
  sizes: Sizes,
): Promise<Lap> {
  const { batchSize, steps, milliseconds } = sizes
  const profile = new Profile()
  const { optimizer } = compiled
  const still = { ...optimizer, options: { ...optimizer.options, learningRate: 0 } }
  const trainer = new Trainer(model, { ...compiled, optimizer: still }, profilingContext(profile))
  const data = syntheticData(model.graph!, compiled.outputs, batchSize, steps)
  const train = async (epochs: number): Promise<Lap[]> => {
    const laps: Lap[] = []
    await trainer.fit({
      source: new Rows(data, batchSize),
      validation: null,
      epochs,
      batchSize,
      shuffle: false,
      seed: 0,
      callbacks: [{ name: 'explain', onStepEnd: () => void laps.push(profile.lap()) }],
      save: async () => {},
      resume: null,
    })
    return laps
  }
  try {
    const [, { total }] = await train(2)
    // The first lap has what `fit` does before its first step.
    const [, ...laps] = await train(1 + affordable(milliseconds, total))
    return typicalLap(laps)
  } finally {
    trainer.release()
  }
}
