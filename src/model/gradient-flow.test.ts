/** `gradientFlow` against finite differences: every state of every step moved by itself. */
import { describe, expect, it } from 'vitest'
import { batchOf, toColumn } from '../data/column.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose, sums } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { bidirectional, dense, gru, type Layer, lstm, simpleRnn } from '../layers/index.ts'
import { Arena } from '../tensor/arena.ts'
import { Context, type RecurrentStep } from '../tensor/context.ts'
import { Random } from '../tensor/random.ts'
import { computeLoss } from '../train/losses.ts'
import { gradientFlow } from './gradient-flow.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'

const random = new Random(3, 'gradient flow')
const draw = (n: number) => Array.from({ length: n }, () => random.uniform() * 2 - 1)
/** Two rows of 4 and 2 steps of 2 numbers. */
const x = [4, 2].map((steps) => Array.from({ length: steps }, () => draw(2)))
const y = [[0.5], [-1]]

/** Moves element i of state `which` after step t of the pass-th pass of a recurrent layer. */
class MovingContext extends Context {
  readonly #seen: object[] = []
  move = { pass: 0, t: 0, which: 0, i: 0, by: 0 }

  override get onStep() {
    return (layer: object, t: number, { states }: RecurrentStep) => {
      if (!this.#seen.includes(layer)) this.#seen.push(layer)
      const { pass, which, i, by } = this.move
      if (this.#seen.indexOf(layer) !== pass || t !== this.move.t) return
      states[which].values[i] += by
    }
  }
}

function lossWith(model: Model, move: MovingContext['move']): number {
  const arena = new Arena(truth.heap)
  const ctx = new MovingContext(truth, arena)
  ctx.move = move
  const rows = Int32Array.of(0, 1)
  const prediction = model.forward(ctx, [batchOf(arena, toColumn('x', x, 'float'), rows)])
  const target = batchOf(arena, toColumn('y', y, 'float'), rows)
  const loss = computeLoss(ctx, model.compiled!.outputs[0].loss!, prediction, target, null)
  arena.release()
  return loss
}

const modelOf = (...layers: Layer[]) => modelOn(truth, layers)

function modelOn(backend: Backend, layers: Layer[]): Model {
  const model = sequential([...layers, dense({ units: 1 })], { backend, seed: 4 })
  model.compile({ loss: 'meanSquaredError' })
  return model.build([null, null, 2])
}

describe('the norms are those of finite differences', () => {
  const models = {
    'two layers': () => modelOf(lstm({ units: 3, returnSequences: true }), lstm({ units: 2 })),
    'from the end': () => modelOf(lstm({ units: 3, goBackwards: true })),
    'both directions': () => modelOf(bidirectional(lstm({ units: 2 }))),
    'another cell': () => modelOf(gru({ units: 2 })),
    'any activation': () => modelOf(lstm({ units: 2, activation: 'softsign' })),
  }
  for (const [name, make] of Object.entries(models)) {
    it(name, async () => {
      const model = make()
      const before = model.parameters.values.values.slice()
      const { loss, layers } = await gradientFlow(model, x, y)
      expect(loss).toBeCloseTo((await model.evaluate(x, y)).loss, 12)
      expect(model.parameters.values.values).toEqual(before)
      expect(layers).toHaveLength(name === 'two layers' || name === 'both directions' ? 2 : 1)
      const by = 1e-5
      layers.forEach(({ h, c }, pass) => {
        const units = name === 'two layers' ? 3 - pass : name === 'from the end' ? 3 : 2
        ;[h, ...(c ? [c] : [])].forEach((norms, which) => {
          const numeric = Array.from(norms, (_, t) => {
            let squares = 0
            for (let i = 0; i < 2 * units; i++) {
              const at = (by: number) => lossWith(model, { pass, t, which, i, by })
              squares += ((at(by) - at(-by)) / (2 * by)) ** 2
            }
            return Math.sqrt(squares)
          })
          expectClose(norms, numeric, { relative: 1e-6, absolute: 1e-9 }, `${pass} ${which}`)
        })
      })
    })
  }
})

eachBackend((backend) => {
  it.each<[string, () => Layer]>([
    ['lstm', () => lstm({ units: 5 })],
    ['gru', () => gru({ units: 5 })],
    ['simpleRnn', () => simpleRnn({ units: 5 })],
    ['bidirectional', () => bidirectional(lstm({ units: 5 }))],
  ])('%s: the same norms on every backend', async (_, make) => {
    const expected = modelOn(truth, [make()])
    const model = modelOn(backend, [make()])
    model.parameters.values.values.set(expected.parameters.values.values)
    model.parameters.touch()
    // Numbers that float32 rounds differ by that alone.
    expected.parameters.values.values.set(model.parameters.values.values)
    expected.parameters.touch()
    const rounded = x.map((row) => row.map((step) => step.map(Math.fround)))
    const wanted = await gradientFlow(expected, rounded, y)
    const found = await gradientFlow(model, rounded, y)
    expectClose([found.loss], [wanted.loss], sums)
    expect(found.layers).toHaveLength(wanted.layers.length)
    found.layers.forEach(({ layer, h, c }, i) => {
      const flow = wanted.layers[i]
      expect(layer).toBe(flow.layer)
      expectClose(h, flow.h, sums, `${layer} h`)
      expect(c === null).toBe(flow.c === null)
      if (c) expectClose(c, flow.c!, sums, `${layer} c`)
    })
  })
})

it('names the layers', async () => {
  const { layers } = await gradientFlow(modelOf(bidirectional(lstm({ units: 2 }))), x, y)
  expect(layers.map(({ layer }) => layer)).toEqual([
    'bidirectional/forward',
    'bidirectional/backward',
  ])
})

it('leaves training as it was', async () => {
  const [one, other] = [0, 1].map(() => modelOf(lstm({ units: 2 })))
  await one.fit(x, y)
  await other.fit(x, y)
  await gradientFlow(one, x, y, { sampleWeight: [1, 3] })
  await one.fit(x, y)
  await other.fit(x, y)
  expect(one.parameters.values.values).toEqual(other.parameters.values.values)
})

it('says what is missing', async () => {
  const model = sequential([lstm({ units: 2 })], { backend: truth })
  await expect(gradientFlow(model, x, y)).rejects.toThrow(
    "gradientFlow: sequential has no loss; call model.compile({ loss: 'meanSquaredError' }) first",
  )
  const plain = sequential([dense({ units: 1 })], { backend: truth })
  plain.compile({ loss: 'meanSquaredError' })
  await expect(gradientFlow(plain, [[1, 2]], [[1]])).rejects.toThrow(
    'gradientFlow: sequential has no recurrent layer',
  )
})
