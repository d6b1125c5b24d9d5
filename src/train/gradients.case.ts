/** Optimizers on stored gradients: a model that gives them instead of computing any. */
import { expect } from 'vitest'
import type { Fixture } from '../../test/fixtures/load.ts'
import type { Backend } from '../kernels/kernels.ts'
import { zeros } from '../tensor/initializers.ts'
import { Parameter, ParameterSet } from '../tensor/parameter.ts'
import type { Callback } from './callbacks.ts'
import type { Optimizer } from './optimizer.ts'
import type { FitPlan, Trainable, TrainerState } from './plan.ts'
import { Rows } from './source.ts'
import { Trainer } from './trainer.ts'

export const sizes = { w: 12, b: 4 }
export const size = sizes.w + sizes.b

/** The first weights and each step's gradients, of a weight [3,4] and a bias [4]. */
export interface Given {
  readonly start: { readonly w: number[]; readonly b: number[] }
  readonly gradients: { readonly w: number[]; readonly b: number[] }[]
  /** Of the weight, if another than [3,4]. */
  readonly shape?: readonly number[]
  /** Of the weight, if not 'w'. */
  readonly name?: string
}

/** Those of a fixture's first case, which its other cases share. */
export function givenBy({ cases: [{ arrays, options }] }: Fixture): Given {
  const gradients = Array.from({ length: options.steps as number }, (_, k) => {
    const part = (name: 'w' | 'b') =>
      arrays[`g${name}`].data.slice(k * sizes[name], (k + 1) * sizes[name])
    return { w: part('w'), b: part('b') }
  })
  return { start: { w: arrays.w0.data, b: arrays.b0.data }, gradients }
}

/** Two parameters whose gradients are the batch's single row. */
export function givenGradients(
  backend: Backend,
  { start, shape = [3, 4], name = 'w' }: Omit<Given, 'gradients'>,
): Trainable {
  const parameters = [
    new Parameter(name, shape, zeros()),
    new Parameter('b', [sizes.b], zeros()),
  ] as const
  const set = new ParameterSet(backend, parameters)
  parameters[0].value.values.set(start.w)
  parameters[1].value.values.set(start.b)
  return {
    backend,
    parameters: set,
    run(ctx, [row]) {
      // (1/2 - 0)² has the derivative 1, which leaves the gradients as they are.
      const y = ctx.empty([1, 1])
      y.values[0] = 0.5
      const sources = parameters.map(({ value }) => value)
      ctx.record(y, sources, () => {
        expect(ctx.gradientOf(y).values[0]).toBe(1)
        let at = 0
        for (const source of sources) {
          const gradient = ctx.gradientOf(source).values
          for (let i = 0; i < gradient.length; i++) gradient[i] += row.values[at++]
        }
      })
      return [y]
    },
  }
}

/** Trains a step on each row of gradients; weights and learning rates on the way, what was saved. */
export async function train(
  backend: Backend,
  optimizer: Optimizer,
  given: Given,
  changes: Partial<FitPlan> = {},
) {
  let saved: { state: TrainerState; w: number[]; b: number[] } | undefined
  const weights: Float64Array[] = []
  const rates: number[] = []
  const watch: Callback = {
    name: 'watch',
    onTrainBegin: (run) => void rates.push(run.learningRate),
    onStepEnd(run) {
      weights.push(Float64Array.from(run.readWeights()))
      rates.push(run.learningRate)
    },
  }
  const { gradients } = given
  const model = givenGradients(backend, given)
  const trainer = new Trainer(model, {
    optimizer,
    outputs: [{ name: 'y', loss: { name: 'meanSquaredError' }, weight: 1, metrics: [] }],
  })
  const steps = gradients.length
  const rows = gradients.flatMap(({ w, b }) => [...w, ...b])
  const column = (shape: number[], data: Float32Array) =>
    ({ rows: steps, dtype: 'float', shape, data, offsets: null }) as const
  const data = {
    inputs: [column([size], Float32Array.from(rows))],
    targets: [column([1], new Float32Array(steps))],
    weights: [null],
  }
  const history = await trainer.fit({
    source: new Rows(data, 1),
    validation: null,
    epochs: 1,
    batchSize: 1,
    shuffle: false,
    seed: 0,
    async save(_, state) {
      const values = [...model.parameters.values.values]
      saved = {
        state: structuredClone(state),
        w: values.slice(0, sizes.w),
        b: values.slice(sizes.w),
      }
    },
    resume: null,
    ...changes,
    callbacks: [watch, ...(changes.callbacks ?? [])],
  })
  const final = Float64Array.from(model.parameters.values.values)
  return { weights, rates, history, final, saved }
}
