/**
 * The problems by which the LSTM was introduced (Hochreiter & Schmidhuber 1997): what stands 100 steps
 * back decides. LSTM and GRU solve them; the simple recurrent network stays at chance for much
 * longer, for the reason that gradients.test.ts shows, where numbers are to be kept. A symbol it may hold: units
 * that saturate keep a sign, and whether training finds that is luck.
 */
import { describe, expect, it } from 'vitest'
import { adam, dense, gru, type Layer, lstm, sequential, simpleRnn } from '../../src/index.ts'
import { adding, copying, type Sequences } from './tasks.ts'

const [units, batchSize] = [24, 64]

/**
 * Gates that keep what they have and let little in at first, as the LSTM of 1997 did, which had no
 * forget gate and a negative bias at its input gates: σ(5)¹⁰⁰ = ½. (Tallec & Ollivier 2018 draw such
 * biases by the length of the memory.)
 */
function keepAtFirst(layer: Layer, units: number): void {
  const weights = layer.getWeights()
  const bias = weights[2]?.data
  // LSTM: gates i, f, g, o; GRU: z, r, h, with z the share that is kept.
  if (layer.kind === 'lstm') bias.fill(-5, 0, units).fill(5, units, 2 * units)
  if (layer.kind === 'gru') bias.fill(5, 0, units)
  layer.setWeights(weights)
}

interface Problem {
  readonly loss: 'meanSquaredError' | 'sparseCategoricalCrossentropy'
  /** The loss below which it is solved; that of knowing nothing. */
  readonly goal: number
  readonly chance: number
  make(rows: number, seed: number): Sequences
  head(): Layer
}

const problems: Record<string, Problem> = {
  'the adding problem over 100 steps': {
    loss: 'meanSquaredError',
    goal: 0.01,
    chance: 1 / 6,
    make: (rows, seed) => adding(rows, 100, seed),
    head: () => dense({ units: 1 }),
  },
  'a symbol copied over a lag of 200': {
    loss: 'sparseCategoricalCrossentropy',
    goal: 0.05,
    chance: Math.log(4),
    make: (rows, seed) => copying(rows, 200, 4, seed),
    head: () => dense({ units: 4, activation: 'softmax' }),
  },
}

/** Trains on sequences that are never seen twice until it is solved; the loss on others. */
async function train(problem: Problem, layer: Layer, rounds: number): Promise<number> {
  const { loss, goal, make, head } = problem
  const model = sequential([layer, head()], { seed: 1 })
  model.compile({ loss, optimizer: adam({ learningRate: 0.01, globalClipNorm: 1 }) })
  const test = make(500, 1_000_000)
  model.build([null, ...test.x.shape.slice(1)])
  keepAtFirst(layer, units)
  const each = 50
  let value = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds && value >= goal; round++) {
    const { x, y } = make(each * batchSize, round)
    await model.fit(x, y, { batchSize, seed: round })
    value = (await model.evaluate(test.x, test.y, { batchSize: 250 })).loss
  }
  return value
}

for (const [name, problem] of Object.entries(problems)) {
  describe(name, () => {
    it.each([
      ['LSTM', () => lstm({ units })],
      ['GRU', () => gru({ units })],
    ])('the %s solves it', async (_, layer) => {
      expect(await train(problem, layer(), 20)).toBeLessThan(problem.goal)
    })
  })
}

it('the simple recurrent network has learnt nothing of the adding problem in 500 batches', async () => {
  const problem = problems['the adding problem over 100 steps']
  const loss = await train(problem, simpleRnn({ units }), 10)
  expect(loss).toBeGreaterThan(0.8 * problem.chance)
})
