import { describe, expect, it, vi } from 'vitest'
import { defaultBackend, setBackend } from '../kernels/backend.ts'
import { eachBackend, truth } from '../kernels/backends.case.ts'
import { expectClose } from '../kernels/kernels.case.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { wasmBackend } from '../kernels/wasm/wasm.ts'
import {
  bidirectional,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePooling1d,
  input,
  lstm,
  type SymbolicTensor,
  timeDistributed,
} from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import { type Callback, earlyStopping } from '../train/callbacks.ts'
import { adam, sgd } from '../train/optimizers.ts'
import { learningRateScheduler } from '../train/rate-callbacks.ts'
import { exponentialDecay } from '../train/schedules.ts'
import { model as makeModel } from './functional.ts'
import { sequential } from './sequential.ts'

const random = new Random(2, 'rows')
const sequences = (rows: number, longest = 9, limit = 20) =>
  Array.from({ length: rows }, () =>
    Array.from({ length: 1 + random.below(longest) }, () => 1 + random.below(limit - 1)),
  )
const steps = (rows: number, time: number, features: number) => ({
  shape: [rows, time, features],
  data: Float32Array.from({ length: rows * time * features }, () => random.normal()),
})
const textOf = async (act: () => unknown) => {
  try {
    await act()
  } catch (error) {
    return String(error)
  }
  return 'no error'
}

describe('predictions of rows of unequal length', () => {
  eachBackend((backend) => {
    const x = [...sequences(70), [], ...sequences(3, 40)]
    const check = async (model: ReturnType<typeof sequential>, width: number, time = 1) => {
      const all = await model.predict(x)
      expect(all.shape).toEqual(time > 1 ? [x.length, time, width] : [x.length, width])
      const data = await all.data()
      const size = time * width
      for (const batchSize of [1, 3, 32]) {
        expect(await (await model.predict(x, { batchSize })).data()).toEqual(data)
      }
      for (let row = 0; row < x.length; row++) {
        const alone = await (await model.predict([x[row]])).data()
        const expected = new Float32Array(size)
        // Beyond the row's own steps there are zeros.
        expected.set(time > 1 ? alone.subarray(0, x[row].length * width) : alone)
        expect(data.subarray(row * size, (row + 1) * size)).toEqual(expected)
      }
      expect(data.every(Number.isFinite)).toBe(true)
    }

    it('are those of each row by itself, in order', async () => {
      const layers = [
        embedding({ inputDim: 20, outputDim: 7 }),
        bidirectional(lstm({ units: 9, returnSequences: true })),
        lstm({ units: 11 }),
        dense({ units: 3, activation: 'softmax' }),
      ]
      await check(sequential(layers, { backend }), 3)
    })

    it('with an output for each step, padded with zeros', async () => {
      const layers = [
        embedding({ inputDim: 20, outputDim: 7 }),
        lstm({ units: 9, returnSequences: true }),
        timeDistributed(dense({ units: 5, activation: 'softmax' })),
      ]
      await check(sequential(layers, { backend }), 5, Math.max(...x.map((row) => row.length)))
    })

    it('with an output for each step from last to first', async () => {
      const layers = [
        embedding({ inputDim: 20, outputDim: 7 }),
        lstm({ units: 9, returnSequences: true, goBackwards: true }),
        dense({ units: 5 }),
      ]
      await check(sequential(layers, { backend }), 5, Math.max(...x.map((row) => row.length)))
    })

    it('with a mean over time', async () => {
      const layers = [
        embedding({ inputDim: 20, outputDim: 7 }),
        globalAveragePooling1d(),
        dense({ units: 2 }),
      ]
      await check(sequential(layers, { backend }), 2)
    })
  })

  it('keep the places of steps that are masked within a row', async () => {
    const x = [[3, 0, 4], [1, 2, 3, 4, 5], [1], [2, 2, 0]]
    for (const goBackwards of [false, true]) {
      const layers = [
        embedding({ inputDim: 9, outputDim: 2, maskZero: true }),
        lstm({ units: 3, returnSequences: true, goBackwards }),
      ]
      const model = sequential(layers, { backend: truth })
      const all = await (await model.predict(x)).data()
      for (const batchSize of [1, 2]) {
        expect(await (await model.predict(x, { batchSize })).data()).toEqual(all)
      }
      const [row] = x
      const alone = await (await model.predict([row])).data()
      expect(all.subarray(0, row.length * 3)).toEqual(alone)
      expect(alone.subarray(6).some((value) => value !== 0)).toBe(true)
    }
  })

  it('rows without any step, alone or in a batch, give what the weights make of nothing', async () => {
    const backend = truth
    const words = sequential([embedding({ inputDim: 9, outputDim: 2 }), lstm({ units: 3 })], {
      backend,
    })
    expect(await (await words.predict([[], [1, 2]])).data()).toHaveLength(6)
    expect(await (await words.predict([[]])).data()).toEqual(new Float64Array(3))
    expect(await (await words.predict([[], []])).data()).toEqual(new Float64Array(6))
    const numbers = sequential([lstm({ units: 3, inputShape: [null, 2] })], { backend })
    expect(await (await numbers.predict([[], [[1, 2]]])).data()).toHaveLength(6)
    expect(await (await numbers.predict([[]])).data()).toEqual(new Float64Array(3))
    const shaped = { shape: [2, 0, 2], data: [] }
    expect(await (await numbers.predict(shaped)).data()).toEqual(new Float64Array(6))
  })
})

describe('evaluate', () => {
  it('gives what fit gives for validation', async () => {
    const x = sequences(50)
    const y = x.map((row) => row.length % 3)
    const model = sequential([
      embedding({ inputDim: 20, outputDim: 6, maskZero: true }),
      lstm({ units: 5, dropout: 0.5 }),
      dropout({ rate: 0.5 }),
      dense({ units: 3, activation: 'softmax' }),
    ])
    model.compile({ loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    const { history } = await model.fit(x, y, { epochs: 2, batchSize: 8, validationSplit: 0.3 })
    const logs = await model.evaluate(x.slice(35), y.slice(35), { batchSize: 8 })
    expect(logs).toEqual({ loss: history.valLoss[1], accuracy: history.valAccuracy[1] })
    expect(await model.evaluate(x.slice(35), y.slice(35), { batchSize: 8 })).toEqual(logs)
    const sampleWeight = y.slice(35).map(() => 3)
    const weighted = await model.evaluate(x.slice(35), y.slice(35), { batchSize: 8, sampleWeight })
    expect(weighted.loss).toBeCloseTo(3 * logs.loss, 5)
    expect(weighted.accuracy).toBe(logs.accuracy)
  })
})

describe('evaluate of rows of unequal length', () => {
  it('puts rows of like length into a batch', async () => {
    const x = [[1], [1, 2, 3, 4, 5, 6], [2], [6, 5, 4, 3, 2, 1]]
    const y = [0, 1, 2, 0]
    const model = sequential(
      [
        embedding({ inputDim: 9, outputDim: 3 }),
        lstm({ units: 3 }),
        dense({ units: 3, activation: 'softmax' }),
      ],
      { backend: truth },
    )
    model.compile({ loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    const one = await model.evaluate(x, y, { batchSize: 1, sampleWeight: [1, 2, 3, 4] })
    const forward = vi.spyOn(model, 'run')
    const two = await model.evaluate(x, y, { batchSize: 2, sampleWeight: [1, 2, 3, 4] })
    expect(forward.mock.calls.map(([, [ids]]) => ids.shape)).toEqual([
      [2, 6],
      [2, 1],
    ])
    expect(two.loss).toBeCloseTo(one.loss, 12)
    expect(two.accuracy).toBe(one.accuracy)
  })
})

describe('the event loop', () => {
  it('turns while predict and evaluate work for long', async () => {
    const model = sequential([dense({ units: 1, inputShape: [1] })], { backend: truth })
    model.compile({ loss: 'mse' })
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 100))
    try {
      for (const work of [
        () => model.predict([[1], [2]], { batchSize: 1 }),
        () => model.evaluate([[1], [2]], [[1], [2]], { batchSize: 1 }),
      ]) {
        let turned = false
        setImmediate(() => {
          turned = true
        })
        await work()
        expect(turned).toBe(true)
      }
    } finally {
      clock.mockRestore()
    }
  })
})

describe('weights count as rows given more often', () => {
  /** Three epochs of one batch each, by plain gradient descent in float64. */
  const train = async (
    loss: 'meanSquaredError' | 'categoricalCrossentropy' | 'sparseCategoricalCrossentropy',
    x: number[][][],
    y: number[] | number[][] | number[][][],
    learningRate: number,
    options: object = {},
    perStep = false,
  ) => {
    const model = sequential(
      [
        lstm({ units: 4, returnSequences: perStep }),
        loss === 'meanSquaredError'
          ? dense({ units: 3 })
          : dense({ units: 3, activation: 'softmax' }),
      ],
      { seed: 5, backend: truth },
    )
    model.compile({ optimizer: sgd({ learningRate }), loss })
    await model.fit(x, y as number[][], { epochs: 3, batchSize: 100, shuffle: false, ...options })
    return model.parameters.values.values.slice()
  }
  const x = Array.from({ length: 4 }, () =>
    Array.from({ length: 3 }, () => [random.normal(), random.normal()]),
  )
  const times = [2, 1, 0, 3]
  const again = <Row>(rows: Row[]) => rows.flatMap((row, i) => Array<Row>(times[i]).fill(row))
  const near = { relative: 1e-12, ofLargest: 1e-12 }
  /** The weighted sum is divided by 4 rows, that of the repeated ones by 6. */
  const [rate, rateAgain] = [0.4, 0.6]

  it('sampleWeight, with targets of any width', async () => {
    const labels = [0, 2, 1, 2]
    const oneHot = labels.map((label) => [0, 1, 2].map((c) => Number(c === label)))
    const values = oneHot.map((row) => row.map(() => random.normal()))
    for (const [loss, y] of [
      ['sparseCategoricalCrossentropy', labels],
      ['categoricalCrossentropy', oneHot],
      ['meanSquaredError', values],
    ] as const) {
      const weighted = await train(loss, x, y as number[][], rate, { sampleWeight: times })
      const repeated = await train(loss, again(x), again(y as number[][]), rateAgain)
      expectClose(weighted, repeated, near, loss)
    }
  })

  it('sampleWeight for each row or each step of sequences of targets', async () => {
    const y = [0, 2, 1, 2].map((label) => [label, 1, (label + 1) % 3])
    const loss = 'sparseCategoricalCrossentropy'
    const byRow = await train(loss, x, y, rate, { sampleWeight: times }, true)
    expectClose(byRow, await train(loss, again(x), again(y), rateAgain, {}, true), near)
    const sampleWeight = times.map((weight) => [weight, weight, weight])
    expect(await train(loss, x, y, rate, { sampleWeight }, true)).toEqual(byRow)
  })

  it('classWeight, alone and times sampleWeight', async () => {
    const labels = [0, 2, 1, 2]
    const oneHot = labels.map((label) => [0, 1, 2].map((c) => Number(c === label)))
    const classWeight = { 0: 2, 2: 0.5 }
    const sampleWeight = labels.map((label) => [2, 1, 0.5][label])
    const loss = 'sparseCategoricalCrossentropy'
    const byRow = await train(loss, x, labels, rate, { sampleWeight })
    expect(await train(loss, x, labels, rate, { classWeight })).toEqual(byRow)
    const wide = await train('categoricalCrossentropy', x, oneHot, rate, { classWeight })
    expectClose(wide, byRow, near)
    const both = await train(loss, x, labels, rate, { classWeight, sampleWeight: times })
    const product = sampleWeight.map((weight, i) => weight * times[i])
    expect(both).toEqual(await train(loss, x, labels, rate, { sampleWeight: product }))
  })

  it('classWeight times a weight for each row, with sequences of targets', async () => {
    const y = [0, 2, 1, 2].map((label) => [label, 1, (label + 1) % 3])
    const oneHot = y.map((row) => row.map((label) => [0, 1, 2].map((c) => Number(c === label))))
    const classWeight = { 0: 2, 2: 0.5 }
    const loss = 'sparseCategoricalCrossentropy'
    const sampleWeight = y.map((row, i) => row.map((label) => [2, 1, 0.5][label] * times[i]))
    const byStep = await train(loss, x, y, rate, { sampleWeight }, true)
    const both = { classWeight, sampleWeight: times }
    expect(await train(loss, x, y, rate, both, true)).toEqual(byStep)
    const wide = await train('categoricalCrossentropy', x, oneHot, rate, both, true)
    expectClose(wide, byStep, near)
    const cut = <Row>(rows: Row[][]) => rows.map((row, i) => row.slice(0, 1 + (i % 3)))
    const ragged = await train(loss, cut(x), cut(y), rate, both, true)
    const cutWeights = { sampleWeight: cut(sampleWeight) }
    expect(ragged).toEqual(await train(loss, cut(x), cut(y), rate, cutWeights, true))
  })

  it('classWeight, of training rows only', async () => {
    const model = sequential([lstm({ units: 3 }), dense({ units: 3, activation: 'softmax' })], {
      backend: truth,
    })
    model.compile({ loss: 'sparseCategoricalCrossentropy' })
    const y = [0, 2, 1, 2]
    const options = { classWeight: { 0: 5, 1: 5, 2: 5 }, validationSplit: 0.5 }
    const { history } = await model.fit(x, y, options)
    const { loss } = await model.evaluate(x.slice(2), y.slice(2))
    expect(history.valLoss).toEqual([loss])
  })

  it('classWeight, with very wide one-hot targets', async () => {
    const width = 150_000
    const model = sequential([dense({ units: width, inputShape: [1] })], { backend: truth })
    model.compile({ optimizer: sgd({ learningRate: 0 }), loss: 'mse' })
    const target = { shape: [1, width], data: new Float32Array(width).fill(1, 1, 2) }
    const train = (options: object) => model.fit([[0]], target, options)
    const plain = await train({})
    const weighted = await train({ classWeight: { 1: 3 } })
    expect(weighted.history.loss[0]).toBeCloseTo(3 * plain.history.loss[0], 12)
  })
})

describe('several inputs and outputs', () => {
  const numbers = input({ shape: [null, 2], name: 'numbers' })
  const words = input({ shape: [null], dtype: 'int32', name: 'words' })
  const state = lstm({ units: 3, returnState: true })
  const encoded = state.apply(numbers)
  const embedded = embedding({ inputDim: 9, outputDim: 4 }).apply(words)
  const decoded = lstm({ units: 3 }).apply(embedded, { initialState: encoded })

  it('are given and come as arrays, in order', async () => {
    const both = makeModel({ inputs: [numbers, words], outputs: [decoded, encoded.c] })
    const a = steps(5, 4, 2)
    const b = sequences(5, 6, 9)
    const [first, second] = await both.predict([a, b])
    expect(first.shape).toEqual([5, 3])
    expect(second.shape).toEqual([5, 3])
    const single = makeModel({ inputs: [numbers, words], outputs: decoded })
    expect(await (await single.predict([a, b])).data()).toEqual(await first.data())
    const cell = makeModel({ inputs: numbers, outputs: encoded.c })
    expect(await (await cell.predict(a)).data()).toEqual(await second.data())
    single.compile({ optimizer: adam({ learningRate: 0.1 }), loss: 'meanSquaredError' })
    const target = steps(5, 1, 3)
    const y = { shape: [5, 3], data: target.data }
    const { history } = await single.fit([a, b], y, { epochs: 8 })
    expect(history.loss[7]).toBeLessThan(history.loss[0])
    // The layers are shared, so their training is, too.
    const [trained] = await both.predict([a, b])
    expect(await trained.data()).toEqual(await (await single.predict([a, b])).data())
    expect(await trained.data()).not.toEqual(await first.data())
  })

  it('of unequal lengths, each its own', async () => {
    const left = input({ shape: [null], dtype: 'int32', name: 'left' })
    const right = input({ shape: [null], dtype: 'int32', name: 'right' })
    const table = embedding({ inputDim: 9, outputDim: 4 })
    const each = (x: SymbolicTensor) =>
      dense({ units: 2 }).apply(lstm({ units: 3, returnSequences: true }).apply(table.apply(x)))
    const tags = [each(left), each(right)] as const
    const both = makeModel({ inputs: [left, right], outputs: tags })
    // The lengths of one input fall where those of the other rise.
    const a = Array.from({ length: 9 }, (_, row) => Array<number>(row + 1).fill(row % 9))
    const b = a.map((_, row) => Array<number>(12 - row).fill((row + 3) % 9))
    const [first, second] = await both.predict([a, b], { batchSize: 2 })
    expect([first.shape, second.shape]).toEqual([
      [9, 9, 2],
      [9, 12, 2],
    ])
    const alone = [left, right].map((x, i) => makeModel({ inputs: x, outputs: tags[i] }))
    expect(await first.data()).toEqual(await (await alone[0].predict(a)).data())
    expect(await second.data()).toEqual(await (await alone[1].predict(b)).data())
    const tagger = makeModel({ inputs: [left, right], outputs: tags[1] })
    tagger.compile({ loss: 'sparseCategoricalCrossentropy' })
    const labels = b.map((row) => row.map((id) => id % 2))
    const { history } = await tagger.fit([a, b], labels, { epochs: 2 })
    expect(history.loss.every(Number.isFinite)).toBe(true)
    expect(await textOf(() => tagger.fit([a, b], [...labels.slice(1), [1]]))).toBe(
      "RefrainError: fit 'y': expected 1 steps in row 0, as in 'x', got 11",
    )
  })

  it('have their errors', async () => {
    const both = makeModel({ inputs: [numbers, words], outputs: [decoded, encoded.c] })
    both.compile({ loss: 'meanSquaredError' })
    const [a, b] = [steps(2, 4, 2), sequences(2, 6, 9)]
    expect(await textOf(() => both.predict(a))).toBe(
      "RefrainError: predict 'x': expected an array of 2 (numbers, words) or an object by name, " +
        'got { shape, data }',
    )
    expect(await textOf(() => both.predict([a, [[1], [0.5]]]))).toBe(
      "RefrainError: predict 'x' 'words': expected whole numbers, got 0.5 at row 1, position 0",
    )
    expect(await textOf(() => both.predict([a, b.slice(1)]))).toBe(
      "RefrainError: predict 'x' 'words': expected 2 rows, got 1",
    )
    expect(await textOf(() => makeModel({ inputs: numbers, outputs: decoded }))).toBe(
      "RefrainError: model 'inputs': an output depends on the input 'words', which is not listed",
    )
    expect(await textOf(() => makeModel({ inputs: decoded, outputs: decoded }))).toContain(
      "model 'inputs': expected results of input(), got {",
    )
    expect(await textOf(() => makeModel({ inputs: numbers, outputs: 3 as never }))).toBe(
      "RefrainError: model 'outputs': expected results of apply, got 3",
    )
  })
})

describe('models that share layers', () => {
  it('share their weights, whichever is trained', async () => {
    const x = input({ shape: [4] })
    const body = dense({ units: 5, activation: 'tanh' }).apply(x)
    const one = makeModel({ inputs: x, outputs: dense({ units: 1 }).apply(body) })
    const two = makeModel({ inputs: x, outputs: dense({ units: 2 }).apply(body) })
    one.compile({ optimizer: adam({ learningRate: 0.1 }), loss: 'meanSquaredError' })
    two.compile({ optimizer: adam({ learningRate: 0.1 }), loss: 'meanSquaredError' })
    const data = { shape: [8, 4], data: Float32Array.from({ length: 32 }, () => random.normal()) }
    const answers = { shape: [8, 2], data: new Float32Array(16).fill(0.5) }
    const kernel = () => one.layers[0].getWeights()[0].data
    one.build()
    const initial = kernel()
    two.build()
    expect(kernel()).toEqual(initial)
    const losses: number[] = []
    for (let turn = 0; turn < 3; turn++) {
      const before = kernel()
      losses.push(
        (await one.fit(data, new Float32Array(8).fill(1), { epochs: 10 })).history.loss[9],
      )
      expect(kernel()).not.toEqual(before)
      const between = kernel()
      await two.fit(data, answers, { epochs: 1 })
      expect(kernel()).not.toEqual(between)
      expect(two.layers[0].getWeights()[0].data).toEqual(kernel())
    }
    expect(losses[2]).toBeLessThan(losses[0])
  })
})

describe('layers of a model', () => {
  const model = sequential(
    [lstm({ units: 2, inputShape: [null, 3] }), dense({ units: 1, name: 'out' })],
    { name: 'small', backend: truth },
  )

  it('are found by name', async () => {
    expect(model.getLayer('out')).toBe(model.layers[1])
    expect(model.getLayer('lstm')).toBe(model.layers[0])
    expect(await textOf(() => model.getLayer('lstms'))).toBe(
      "RefrainError: small: no layer named 'lstms'; did you mean 'lstm'?",
    )
    const twice = sequential([dense({ units: 1, name: 'a', inputShape: [1] }), dense({ units: 1 })])
    expect(twice.summary()).toContain('dense (Dense)')
    const same = [dense({ units: 1, name: 'a', inputShape: [1] }), dense({ units: 1, name: 'a' })]
    expect(await textOf(() => sequential(same).build())).toBe(
      "RefrainError: two layers are named 'a'",
    )
  })

  it('are summed up', () => {
    expect(model.summary({ lineLength: 50 }).split('\n')).toEqual([
      'Model: "small"',
      '┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━┓',
      '┃ Layer (type)        ┃ Output Shape   ┃ Param # ┃',
      '┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━┩',
      '│ lstm (LSTM)         │ (None, 2)      │      48 │',
      '├─────────────────────┼────────────────┼─────────┤',
      '│ out (Dense)         │ (None, 1)      │       3 │',
      '└─────────────────────┴────────────────┴─────────┘',
      ' Total params: 51 (204.00 B)',
      ' Trainable params: 51 (204.00 B)',
      ' Non-trainable params: 0 (0.00 B)',
    ])
  })

  it('take weights of their shapes, or none', async () => {
    const layer = model.build().layers[1]
    layer.setWeights([[1, 2], [3]])
    expect(layer.getWeights().map(({ name, shape, data }) => [name, shape, [...data]])).toEqual([
      ['kernel', [2, 1], [1, 2]],
      ['bias', [1], [3]],
    ])
    expect(await textOf(() => layer.setWeights([[5, 6]]))).toBe(
      'RefrainError: out.setWeights: expected 2 arrays (kernel, bias), got 1',
    )
    expect(
      await textOf(() =>
        layer.setWeights([
          [5, 6],
          [7, 8],
        ]),
      ),
    ).toBe("RefrainError: out.setWeights: expected shape [1] for 'bias', got [2]")
    expect(await textOf(() => layer.setWeights([{ shape: [1, 2], data: [5, 6] }, [7]]))).toContain(
      "expected shape [2, 1] for 'kernel', got [1, 2]",
    )
    expect(layer.getWeights().map(({ data }) => [...data])).toEqual([[1, 2], [3]])
    expect(await textOf(() => dense({ units: 1 }).getWeights())).toBe(
      "RefrainError: getWeights: layer 'dense' has no weights yet; " +
        'call model.build([null, …]) first, or fit or predict once',
    )
  })

  it('weights that were set are those that predict', async () => {
    const sum = sequential([dense({ units: 1, inputShape: [2] })], { backend: truth }).build()
    const ask = async () => (await sum.predict([[10, 1]])).data()
    sum.layers[0].setWeights([[1, 2], [3]])
    expect([...(await ask())]).toEqual([15])
    sum.layers[0].setWeights([[2, 2], [0]])
    expect([...(await ask())]).toEqual([22])
    const recurrent = sequential([lstm({ units: 2, inputShape: [null, 1] })]).build()
    const say = async () => [...(await (await recurrent.predict([[[1], [2]]])).data())]
    const before = await say()
    const [kernel, ...rest] = recurrent.layers[0].getWeights()
    recurrent.layers[0].setWeights([kernel.data.map((value) => value + 1), ...rest])
    expect(await say()).not.toEqual(before)
  })

  it('that do not train keep their weights', async () => {
    const frozen = sequential(
      [dense({ units: 3, trainable: false, inputShape: [2] }), dense({ units: 1 })],
      { backend: truth },
    ).build()
    frozen.compile({ optimizer: adam({ learningRate: 0.1 }), loss: 'meanSquaredError' })
    const before = frozen.layers.map((layer) => layer.getWeights())
    await frozen.fit([[1, 2]], [3])
    expect(frozen.layers[0].getWeights()).toEqual(before[0])
    expect(frozen.layers[1].getWeights()).not.toEqual(before[1])
    expect(frozen.summary()).toContain(' Trainable params: 4 (16.00 B)')
  })
})

describe('a model that is not ready', () => {
  it('says what to do', async () => {
    const model = sequential([dense({ units: 1 })])
    expect(await textOf(() => model.parameters)).toBe(
      'RefrainError: sequential: the model has no weights yet; ' +
        'call model.build([null, …]) with the input shape, or fit or predict once',
    )
    expect(await textOf(() => model.summary())).toBe(
      'RefrainError: sequential.build: expected the input shape with the batch, such as ' +
        '[null, 20, 8]; or give the first layer inputShape: [20, 8]',
    )
    expect(await textOf(() => model.fit([[1]], [1]))).toBe(
      'RefrainError: sequential: the model has no loss and optimizer; ' +
        "call model.compile({ optimizer: adam(), loss: 'binaryCrossentropy' }) first",
    )
    expect(await textOf(() => model.compile({} as never))).toBe(
      "RefrainError: compile 'loss': expected a loss, got none; " +
        "for example loss: 'binaryCrossentropy'",
    )
    expect(await textOf(() => sequential([]))).toBe(
      'RefrainError: sequential: expected an array of at least one layer, got []',
    )
    const layer = dense({ units: 1 })
    expect(await textOf(() => sequential([layer, layer]))).toBe(
      'RefrainError: sequential: layer 1 stands there twice',
    )
    expect(await textOf(() => sequential([lstm] as never))).toBe(
      'RefrainError: sequential: layer 0 is function lstm',
    )
  })

  it('keeps its backend once it has one', async () => {
    const before = defaultBackend()
    try {
      setBackend(referenceBackend())
      const model = sequential([dense({ units: 1 })])
      const first = await (await model.predict([[1, 2]])).data()
      setBackend(wasmBackend({ variant: 'simd128' }))
      expect(model.backend.name).toBe('reference')
      expect(await (await model.predict([[1, 2]])).data()).toEqual(first)
    } finally {
      setBackend(before)
    }
  })
})

describe('numbers that are not finite', () => {
  const make = (learningRate: number) => {
    const model = sequential([dense({ units: 2, inputShape: [2] }), dense({ units: 1 })])
    model.compile({ optimizer: sgd({ learningRate }), loss: 'meanSquaredError' })
    return model.build()
  }

  it('in the input: the row and position, before any step', async () => {
    const model = make(0.1)
    const before = model.parameters.values.values.slice()
    const rows = [
      [1, 2],
      [3, Number.NaN],
    ]
    const hint = 'remove or fill missing values before training'
    expect(await textOf(() => model.fit(rows, [1, 2]))).toBe(
      `RefrainError: fit 'x': expected finite numbers, got NaN at row 1, position 1; ${hint}`,
    )
    expect(await textOf(() => model.predict(rows))).toContain("predict 'x': expected finite")
    const flat = { shape: [2, 2], data: Float32Array.of(1, Infinity, 0, 0) }
    expect(await textOf(() => model.fit(flat, [1, 2]))).toBe(
      `RefrainError: fit 'x': expected finite numbers, got Infinity at row 0, position 1; ${hint}`,
    )
    expect(await textOf(() => model.fit([[1, 2]], [Number.NaN]))).toBe(
      `RefrainError: fit 'y': expected finite numbers, got NaN at row 0; ${hint}`,
    )
    expect(await textOf(() => model.fit([[1, 2]], [1], { sampleWeight: [Number.NaN] }))).toContain(
      "fit 'sampleWeight': expected finite numbers, got NaN at row 0",
    )
    expect(await textOf(() => model.fit([[1, 2]], [1e39]))).toBe(
      "RefrainError: fit 'y': expected numbers that fit 32 bits, got 1e+39 at row 0",
    )
    expect(model.parameters.values.values).toEqual(before)
  })

  it('born in training: one error, and the weights of the step before', async () => {
    const model = make(1e30)
    let before = model.parameters.values.values.slice()
    const keep: Callback = {
      name: 'keep',
      onStepEnd(run) {
        before = run.readWeights() as Float32Array<ArrayBuffer>
      },
    }
    const text = await textOf(() => model.fit([[1, 2]], [5], { epochs: 50, callbacks: [keep] }))
    expect(text).toMatch(
      /^RefrainError: training step \d+: the loss is (NaN|Infinity) and the gradient of 'dense(_1)?\/(kernel|bias)' is not finite; the weights are those before this step; lower the learning rate, clip gradients \(globalClipNorm: 1\), or check the inputs' scale$/,
    )
    expect(model.parameters.values.values).toEqual(before)
    expect([...before].every(Number.isFinite)).toBe(true)
  })

  it('at the first step, the initial weights stay', async () => {
    const model = make(0.1)
    const before = model.parameters.values.values.slice()
    expect(await textOf(() => model.fit([[1e30, 1e30]], [1]))).toContain('training step 1: ')
    expect(model.parameters.values.values).toEqual(before)
    // And it can be trained after all.
    await model.fit([[1, 1]], [1])
    expect(model.parameters.values.values).not.toEqual(before)
  })
})

describe('callbacks', () => {
  const data = { x: steps(12, 3, 2), y: Float32Array.from({ length: 12 }, () => random.normal()) }
  const make = () => {
    const model = sequential([lstm({ units: 6 }), dense({ units: 1 })], { seed: 1 })
    model.compile({ optimizer: adam({ learningRate: 0.05 }), loss: 'meanSquaredError' })
    return model
  }

  it('early stopping stops, and puts the best weights back', async () => {
    const model = make()
    const seen: (Float32Array | Float64Array)[] = []
    const keep: Callback = { name: 'keep', onEpochEnd: (run) => void seen.push(run.readWeights()) }
    const stopping = earlyStopping({ patience: 3, restoreBestWeights: true })
    const history = await model.fit(data.x, data.y, {
      epochs: 200,
      validationSplit: 0.5,
      callbacks: [keep, stopping],
    })
    const { valLoss } = history.history
    const best = valLoss.indexOf(Math.min(...valLoss))
    expect(stopping.bestEpoch).toBe(best)
    expect(history.epoch).toHaveLength(best + 4)
    expect(history.stopped).toBe('no better valLoss for 3 epochs')
    expect(model.parameters.values.values).toEqual(seen[best])
    // Without restoring, the last weights stay.
    const other = make()
    await other.fit(data.x, data.y, {
      epochs: 200,
      validationSplit: 0.5,
      callbacks: [earlyStopping({ patience: 3 })],
    })
    expect(other.parameters.values.values).toEqual(seen.at(-1))
  })

  it('early stopping says what it cannot watch', async () => {
    const watch = (options: object) =>
      textOf(() => make().fit(data.x, data.y, { callbacks: [earlyStopping(options)] }))
    expect(await watch({})).toBe(
      "RefrainError: earlyStopping 'monitor': expected one of loss, got 'valLoss'; " +
        'give fit validationSplit or validationData',
    )
    expect(await watch({ monitor: 'accuracy' })).toBe(
      "RefrainError: earlyStopping 'monitor': expected one of loss, got 'accuracy'",
    )
    expect(await watch({ patient: 1 })).toBe(
      "RefrainError: earlyStopping: unknown option 'patient'; did you mean 'patience'?",
    )
    expect(await watch({ patience: -1 })).toContain('expected a whole number of at least 0, got -1')
  })

  it('a learning rate schedule acts at the start of each epoch', async () => {
    const rates: number[] = []
    const watch: Callback = { name: 'watch', onStepEnd: (run) => void rates.push(run.learningRate) }
    const schedule = learningRateScheduler((epoch, rate) => (epoch % 2 === 0 ? rate : rate / 2))
    await make().fit(data.x, data.y, { epochs: 4, batchSize: 6, callbacks: [schedule, watch] })
    expect(rates).toEqual([0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125])
    const bad = learningRateScheduler(() => Number.NaN)
    expect(await textOf(() => make().fit(data.x, data.y, { callbacks: [bad] }))).toBe(
      'RefrainError: learningRateScheduler: the returned rate: expected a finite number of at ' +
        'least 0, got NaN',
    )
  })

  it('that set a learning rate do not fit an optimizer with a schedule', async () => {
    const model = make()
    const options = { initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5 }
    const learningRate = exponentialDecay(options)
    model.compile({ optimizer: sgd({ learningRate }), loss: model.compiled!.outputs[0].loss! })
    const callbacks = [learningRateScheduler((_, rate) => rate)]
    expect(await textOf(() => model.fit(data.x, data.y, { callbacks }))).toBe(
      "RefrainError: fit: a callback set the learning rate, but the optimizer's follows a " +
        'schedule; give the optimizer a number, or leave learningRateScheduler and reduceLrOnPlateau out',
    )
  })

  it('stop without a reason, too', async () => {
    const stop: Callback = { name: 'stop', onStepEnd: (run) => run.stop('') }
    const history = await make().fit(data.x, data.y, { epochs: 3, batchSize: 5, callbacks: [stop] })
    expect(history).toMatchObject({ stopped: 'a callback', steps: 1 })
  })

  it('may evaluate and predict, but not train', async () => {
    const model = make()
    const plain = make()
    const expected = await plain.fit(data.x, data.y, { epochs: 2, batchSize: 5 })
    const losses: number[] = []
    const busy = 'RefrainError: fit: the model is being trained; await the other fit first'
    const callback: Callback = {
      name: 'look',
      async onStepEnd() {
        losses.push((await model.evaluate(data.x, data.y)).loss)
        await model.predict(data.x)
        expect(await textOf(() => model.fit(data.x, data.y))).toBe(busy)
      },
    }
    const options = { epochs: 2, batchSize: 5, callbacks: [callback] }
    const first = model.fit(data.x, data.y, options)
    expect(await textOf(() => model.fit(data.x, data.y))).toBe(busy)
    expect((await first).history).toEqual(expected.history)
    expect(losses).toHaveLength(6)
    // After a fit that failed, too, another one may begin.
    expect(await textOf(() => model.fit(data.x, [1]))).toContain('expected 12 rows, got 1')
    expect(await textOf(() => model.fit(data.x, data.y))).toBe('no error')
  })

  it('see where training stands, and may stop it', async () => {
    const seen: string[] = []
    const watch: Callback = {
      name: 'watch',
      onTrainBegin: () => void seen.push('begin'),
      onEpochBegin: (run) => void seen.push(`epoch ${run.epoch} of ${run.epochs}`),
      onStepEnd(run, logs) {
        const { step, stepsPerEpoch, rowsSeen, rows, iteration } = run
        seen.push(`${step}/${stepsPerEpoch} ${rowsSeen}/${rows} ${iteration} ${Object.keys(logs)}`)
        if (iteration === 4) run.stop('enough')
      },
      onEpochEnd: (_, logs) => void seen.push(Object.keys(logs).join()),
      onTrainEnd: () => void seen.push('end'),
    }
    const options = { epochs: 3, batchSize: 5, callbacks: [watch] }
    const history = await make().fit(data.x, data.y, options)
    expect(seen).toEqual([
      'begin',
      'epoch 0 of 3',
      '1/3 5/12 1 loss',
      '2/3 10/12 2 loss',
      '3/3 12/12 3 loss',
      'loss',
      'epoch 1 of 3',
      '1/3 5/12 4 loss',
      'end',
    ])
    expect(history).toMatchObject({ stopped: 'enough', steps: 4, epoch: [0] })
  })
})

describe('sequences of a fixed length', () => {
  it('must have it', async () => {
    const model = sequential([
      embedding({ inputDim: 9, outputDim: 2, inputShape: [3] }),
      flatten(),
      dense({ units: 1 }),
    ])
    expect((await model.predict([[1, 2, 3]])).shape).toEqual([1, 1])
    expect(await textOf(() => model.predict([[1, 2], [3]]))).toBe(
      "RefrainError: predict 'x': expected 3 steps in each row, got rows of unequal length; " +
        'pad them, or leave the number of steps open in the input shape: null',
    )
    expect(await textOf(() => model.predict([[1, 2]]))).toBe(
      "RefrainError: predict 'x': expected rows of shape [3], got [2]",
    )
  })
})
