/** A model's steps give what `predict` gives for the sequence so far, to the bit. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { eachKindOfBackend } from '../../test/harness.ts'
import { Random } from '../kernels/kernels.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import {
  activation,
  bidirectional,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePooling1d,
  input,
  type Layer,
  lstm,
  timeDistributed,
} from '../layers/index.ts'
import { adam } from '../train/optimizers.ts'
import { model as makeModel } from './functional.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'
import type { StreamState } from './step.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const features = 3
const random = new Random(9)
/** [B,T,features] */
const sequences = (b: number, t: number) =>
  Float32Array.from(random.uniform(b * t * features, -2, 2))

const layered = (backend: Backend, layers: Layer[], seed = 3): Model =>
  sequential(layers, { backend, seed }).build([null, null, features])

/** Two LSTMs and what may stand beside them, an output for every step. */
const stack = (backend: Backend, options = {}): Model =>
  layered(backend, [
    lstm({ units: 5, returnSequences: true, ...options }),
    dropout({ rate: 0.4 }),
    activation('relu'),
    lstm({ units: 4, returnSequences: true, ...options }),
    timeDistributed(dense({ units: 6, activation: 'tanh' })),
    dense({ units: 2, activation: 'softmax' }),
  ])

/** Row `b`'s step `t`, or the step `t` of all rows. */
const stepOf = (x: Float32Array, rows: number, t: number) => {
  const steps = x.length / rows / features
  return Float32Array.from({ length: rows * features }, (_, i) => {
    const row = Math.floor(i / features)
    return x[(row * steps + t) * features + (i % features)]
  })
}

const outputsOf = (model: Model, x: Float32Array, rows: number, state: StreamState) =>
  Array.from({ length: x.length / rows / features }, (_, t) =>
    Array.from(model.step(stepOf(x, rows, t), state).y),
  )

/** What `predict` gives, cut into steps: [T][B·units]. */
const predicted = async (model: Model, x: Float32Array, rows: number) => {
  const steps = x.length / rows / features
  const y = await model.predict({ shape: [rows, steps, features], data: x })
  const data = await y.data()
  const units = y.shape[2]
  return Array.from({ length: steps }, (_, t) =>
    Array.from({ length: rows * units }, (_, i) => {
      const row = Math.floor(i / units)
      return data[(row * steps + t) * units + (i % units)]
    }),
  )
}

eachKindOfBackend((backend) => {
  it.each([1, 3])('%i rows: every step of a sequence', async (rows) => {
    const model = stack(backend)
    const x = sequences(rows, 8)
    const expected = await predicted(model, x, rows)
    expect(outputsOf(model, x, rows, model.initialState(rows))).toEqual(expected)
    // A state that begins anew, with the same memory.
    expect(outputsOf(model, x, rows, model.initialState(rows))).toEqual(expected)
    expect(new Set(expected.map(String)).size).toBe(8)
  })

  it('activations that the fused kernel lacks', async () => {
    const model = stack(backend, { activation: 'relu', recurrentActivation: 'hardSigmoid' })
    const x = sequences(2, 6)
    expect(outputsOf(model, x, 2, model.initialState(2))).toEqual(await predicted(model, x, 2))
  })

  it('without returnSequences: what predict gives for the steps so far', async () => {
    const model = layered(backend, [lstm({ units: 4 }), dense({ units: 2 })])
    const x = sequences(1, 5)
    const state = model.initialState()
    for (let t = 0; t < 5; t++) {
      const data = x.slice(0, (t + 1) * features)
      const expected = await (await model.predict({ shape: [1, t + 1, features], data })).data()
      expect(model.step(stepOf(x, 1, t), state).y).toEqual(expected)
    }
  })

  it.each(['tanh', 'relu'] as const)('ids with masked steps, activation %s', async (name) => {
    const layers = [
      embedding({ inputDim: 9, outputDim: 4, maskZero: true }),
      lstm({ units: 5, returnSequences: true, activation: name }),
      lstm({ units: 4, returnSequences: true, activation: name }),
      dense({ units: 3 }),
    ]
    const model = sequential(layers, { backend, seed: 5 }).build([null, null])
    // The first row starts masked, the second has a gap, all three have steps masked together.
    const ids = [
      [0, 0, 4, 0, 7, 1],
      [3, 8, 2, 0, 0, 5],
      [1, 0, 0, 0, 6, 0],
    ]
    const flat = await (await model.predict(ids)).data()
    const state = model.initialState(3)
    for (let t = 0; t < 6; t++) {
      const { y } = model.step(
        ids.map((row) => row[t]),
        state,
      )
      const expected = [0, 1, 2].flatMap((row) =>
        Array.from(flat.subarray((row * 6 + t) * 3, (row * 6 + t + 1) * 3)),
      )
      expect(Array.from(y)).toEqual(expected)
    }
  })

  it('a layer that is called twice has two states', async () => {
    const x = input({ shape: [null, features] })
    const shared = lstm({ units: features, returnSequences: true, name: 'shared' })
    const model = makeModel({ inputs: x, outputs: shared.apply(shared.apply(x)), backend }).build()
    const data = sequences(1, 6)
    const state = model.initialState()
    expect(outputsOf(model, data, 1, state)).toEqual(await predicted(model, data, 1))
    expect(Object.keys(state.toJSON().states)).toEqual([
      'shared/h',
      'shared/c',
      'shared 2/h',
      'shared 2/c',
    ])
  })

  it('forks, and goes on from JSON', () => {
    const model = stack(backend)
    const x = sequences(1, 4)
    const state = model.initialState()
    outputsOf(model, x, 1, state)
    const fork = state.clone()
    const restored = model.restoreState(JSON.parse(JSON.stringify(state)))
    const [one, other] = [sequences(1, 3), sequences(1, 3)]
    const expected = outputsOf(model, one, 1, state)
    const otherwise = outputsOf(model, other, 1, fork.clone())
    expect(outputsOf(model, one, 1, fork)).toEqual(expected)
    expect(outputsOf(model, one, 1, restored)).toEqual(expected)
    expect(otherwise).not.toEqual(expected)
  })

  it('y and state are the same objects at every step; another state has its own', () => {
    const model = stack(backend)
    const state = model.initialState()
    const first = model.step([1, 2, 3], state)
    const kept = first.y.slice()
    model.step([1, 2, 3])
    expect(first.y).toEqual(kept)
    expect(first.state).toBe(state)
    const second = model.step([3, 2, 1], state)
    expect(second).toBe(first)
    expect(first.y).not.toEqual(kept)
  })

  it('follows changes of the weights, by hand and by training', async () => {
    const model = layered(backend, [lstm({ units: 4 }), dense({ units: 1 })])
    const x = sequences(1, 1)
    const same = async () => {
      const expected = await (await model.predict({ shape: [1, 1, features], data: x })).data()
      expect(model.step(x).y).toEqual(expected)
      return expected[0]
    }
    const seen = [await same()]
    const [kernel, recurrent, bias] = model.layers[0].getWeights()
    model.layers[0].setWeights([kernel, recurrent, { ...bias, data: bias.data.map((b) => b + 1) }])
    seen.push(await same())
    model.compile({ optimizer: adam({ learningRate: 0.1 }), loss: 'meanSquaredError' })
    await model.fit({ shape: [1, 1, features], data: x }, [3])
    seen.push(await same())
    expect(new Set(seen).size).toBe(3)
  })

  it('goes on when the heap has grown', async () => {
    const model = stack(backend)
    const x = sequences(1, 6)
    const expected = await predicted(model, x, 1)
    const state = model.initialState()
    const { heap } = backend
    for (let t = 0; t < 6; t++) {
      const block = heap.allocate(1 << (18 + t))
      expect(Array.from(model.step(stepOf(x, 1, t), state).y)).toEqual(expected[t])
      heap.free(block)
    }
  })

  it('has memory for the four batch sizes used last', () => {
    const model = stack(backend)
    const one = model.initialState()
    const expected = Array.from(model.step([1, 2, 3], one.clone()).y)
    const bytes = model.arenaBytes
    const before = backend.heap.bytesInUse
    for (let rows = 2; rows < 12; rows++) {
      model.step(new Float32Array(rows * features), model.initialState(rows))
      // In use all the time, so never given up.
      if (rows < 8) expect(Array.from(model.step([1, 2, 3], one.clone()).y)).toEqual(expected)
      expect(model.arenaBytes).toBeLessThan(5 * bytes)
    }
    expect(backend.heap.bytesInUse).toBeLessThan(before + 4 * bytes)
    expect(Array.from(model.step([1, 2, 3], one).y)).toEqual(expected)
  })

  it('goes on after a training step that failed', async () => {
    const model = layered(backend, [lstm({ units: 4 }), dense({ units: 1 })])
    model.compile({ optimizer: adam(), loss: 'meanSquaredError' })
    const { heap } = backend
    // Room for all that follows, so that no memory moves.
    heap.free(heap.allocate(1 << 22))
    const expected = Array.from(model.step([1, 2, 3]).y)
    const failing = model.fit([[[1, 2, 3]]], [3e38])
    await expect(failing).rejects.toThrow('the weights are those before this step')
    for (let i = 0; i < 3; i++) {
      collect()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    // What the packed weights had been in, if it was given back, is another's now.
    const blocks = Array.from({ length: 200 }, () => {
      const block = heap.allocate(1 << 10)
      heap.floats(block, 0, (1 << 10) / heap.floatBytes).fill(Number.NaN)
      return block
    })
    expect(Array.from(model.step([1, 2, 3]).y)).toEqual(expected)
    for (const block of blocks) heap.free(block)
  })

  it('after 10,000 steps it is still to the bit where one pass over them is', async () => {
    const model = stack(backend)
    const steps = 10_000
    const x = sequences(1, steps)
    const whole = await model.predict({ shape: [1, steps, features], data: x })
    const expected = (await whole.data()).slice(-200)
    const state = model.initialState()
    const found: number[] = []
    for (let t = 0; t < steps; t++) {
      const { y } = model.step(x.subarray(t * features, (t + 1) * features), state)
      if (t >= steps - 100) found.push(...y)
    }
    expect(found).toEqual(Array.from(expected))
  })

  it('10,000 steps leave no trace', () => {
    const model = stack(backend)
    const state = model.initialState()
    const x = sequences(1, 1)
    const run = (steps: number) => {
      for (let i = 0; i < steps; i++) model.step(x, state)
      for (let i = 0; i < 3; i++) collect()
      return {
        arena: model.arenaBytes,
        heap: backend.heap.bytesInUse,
        js: process.memoryUsage().heapUsed,
      }
    }
    // Once the engine may still compile; what leaks does so every time, so the middle one tells.
    let before = run(1000)
    const growth = [1, 2, 3].map(() => {
      const after = run(10_000)
      expect(after.arena).toBe(before.arena)
      expect(after.heap).toBeLessThanOrEqual(before.heap)
      const grown = after.js - before.js
      before = after
      return grown
    })
    expect(growth.sort((a, b) => a - b)[1]).toBeLessThan(100_000)
  })
})

describe('errors', () => {
  const backend = referenceBackend()
  const textOf = (act: () => unknown) => {
    try {
      act()
    } catch (error) {
      return String(error)
    }
    return 'no error'
  }

  it.each([
    ['bidirectional', bidirectional(lstm({ units: 2 })), 'it also reads the sequence from its end'],
    ['lstm', lstm({ units: 2, goBackwards: true }), 'goBackwards reads the sequence from its end'],
    ['globalAveragePooling1d', globalAveragePooling1d(), 'it needs the whole sequence'],
  ])('%s cannot', (name, layer, reason) => {
    const model = layered(backend, [layer as Layer])
    expect(textOf(() => model.step([1, 2, 3]))).toBe(
      `RefrainError: sequential.step: the layer '${model.layers[0].name}' cannot run step by step: ` +
        `${reason}; use predict`,
    )
    expect(model.layers[0].name).toContain(name.slice(0, 4))
  })

  it('flatten and recurrent layers within a step cannot', () => {
    const flat = sequential([lstm({ units: 2, returnSequences: true }), flatten()], { backend })
    flat.build([null, 4, features])
    expect(textOf(() => flat.step([1, 2, 3]))).toContain("the layer 'flatten' cannot run step")
    const inner = sequential([timeDistributed(lstm({ units: 2 }))], { backend })
    inner.build([null, 4, 5, features])
    expect(textOf(() => inner.step([1, 2, 3]))).toContain(
      'each of its steps is a sequence of its own',
    )
  })

  it('models without weights, without steps, of several inputs', () => {
    expect(textOf(() => sequential([lstm({ units: 2 })], { backend }).step([1]))).toContain(
      'the model has no weights yet',
    )
    const plain = sequential([dense({ units: 2 })], { backend }).build([null, 3])
    expect(textOf(() => plain.step([1, 2, 3]))).toBe(
      'RefrainError: sequential.step: expected a model of sequences, got an input of shape [null, 3]',
    )
    const [a, b] = [input({ shape: [null, 2] }), input({ shape: [null, 2] })]
    const two = makeModel({
      inputs: [a, b],
      outputs: [lstm({ units: 2 }).apply(a), lstm({ units: 2 }).apply(b)],
      backend,
    }).build()
    expect(textOf(() => two.step([1, 2]))).toBe(
      'RefrainError: model.step: expected a model of one input and one output, got 2 and 2',
    )
  })

  it('what is not a step, or not a state, leaves the state as it was', () => {
    const model = layered(backend, [lstm({ units: 2, name: 'cell' })])
    const state = model.initialState(2)
    model.step([1, 2, 3, 4, 5, 6], state)
    const before = JSON.stringify(state)
    expect(textOf(() => model.step([1, 2, 3], state))).toBe(
      "RefrainError: step 'x': expected 2 × 3 numbers in one flat array, got 3; " +
        'the state says how many rows: model.initialState(rows)',
    )
    expect(textOf(() => model.step([1, 2, 3, 4, 5, 1e39], state))).toBe(
      "RefrainError: step 'x': expected finite numbers, got 1e+39 at position 5",
    )
    const other = layered(backend, [lstm({ units: 3 })])
    expect(textOf(() => model.step([1, 2, 3], other.initialState()))).toBe(
      "RefrainError: sequential.step 'state': the state is another model's; " +
        'start with model.initialState()',
    )
    const ids = sequential([embedding({ inputDim: 5, outputDim: 2 }), lstm({ units: 2 })], {
      backend,
    }).build([null, null])
    const idState = ids.initialState()
    ids.step([4], idState)
    const idBefore = JSON.stringify(idState)
    expect(textOf(() => ids.step([1.5], idState))).toBe(
      "RefrainError: step 'x': expected whole numbers, got 1.5 at position 0",
    )
    expect(textOf(() => ids.step([5], idState))).toContain('expected ids from 0 to 4, got 5')
    expect(JSON.stringify(idState)).toBe(idBefore)
    expect(JSON.stringify(state)).toBe(before)
    expect(textOf(() => model.initialState(0))).toContain("initialState 'batch'")
    expect(textOf(() => model.restoreState({ batch: 1, states: { 'cell/h': [1] } }))).toBe(
      "RefrainError: restoreState: expected 2 numbers of 'cell/h', got [1]; " +
        "the model's states are cell/h, cell/c",
    )
    const bad = { batch: 1, states: { 'cell/h': [1, Number.NaN], 'cell/c': [0, 0] } }
    expect(textOf(() => model.restoreState(bad))).toBe(
      "RefrainError: restoreState: expected finite numbers of 'cell/h', got NaN at position 1. " +
        'JSON writes NaN and Infinity as null',
    )
    expect(textOf(() => model.restoreState(JSON.parse(JSON.stringify(bad))))).toContain(
      "expected finite numbers of 'cell/h', got null at position 1",
    )
    const large = {
      batch: 1,
      states: { 'cell/h': [1, 1], 'cell/c': [0, Number.POSITIVE_INFINITY] },
    }
    expect(textOf(() => model.restoreState(large))).toContain("of 'cell/c', got Infinity")
  })

  it('JSON is no state yet', () => {
    const model = layered(backend, [lstm({ units: 2 })])
    const saved = JSON.parse(JSON.stringify(model.initialState()))
    for (const [given, shown] of [
      [saved, '{ batch, states }'],
      [null, 'null'],
    ]) {
      expect(textOf(() => model.step([1, 2, 3], given))).toBe(
        `RefrainError: sequential.step 'state': expected a state, got ${shown}; ` +
          'start with model.initialState(), or go on from JSON with model.restoreState(json)',
      )
    }
  })

  it('a state of a model with the same layer and another head stays as it was', () => {
    const shared = lstm({ units: 2 })
    const small = layered(backend, [shared, dense({ units: 1 })])
    const large = layered(backend, [shared, dense({ units: 4 })])
    for (const [model, other] of [
      [small, large],
      [large, small],
    ]) {
      const state = other.initialState()
      other.step([1, 2, 3], state)
      const before = [JSON.stringify(state), String(state.result.y)]
      expect(textOf(() => model.step([1, 2, 3], state))).toContain("the state is another model's")
      expect([JSON.stringify(state), String(state.result.y)]).toEqual(before)
    }
  })
})
