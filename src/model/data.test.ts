/** Data that a model cannot use: one error each, before the first step, with the weights as they were. */
import { describe, expect, it } from 'vitest'
import { referenceBackend } from '../kernels/reference.ts'
import { dense, embedding, input, lstm } from '../layers/index.ts'
import { model as makeModel } from './functional.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'
import type { FitOptions } from './training.ts'

const backend = referenceBackend()

/** Reads sequences of ids and tells one of three classes, or one for each step. */
function classifier(perStep = false): Model {
  const model = sequential(
    [
      embedding({ inputDim: 10, outputDim: 2 }),
      lstm({ units: 2, returnSequences: perStep }),
      dense({ units: 3, activation: 'softmax' }),
    ],
    { backend },
  )
  model.compile({ loss: 'sparseCategoricalCrossentropy' })
  return model.build([null, null])
}

const x = [[1, 2], [3], [4, 5, 6]]
const y = [0, 1, 2]

async function textOf(act: () => Promise<unknown>, model?: Model): Promise<string> {
  const before = model?.parameters.values.values.slice()
  try {
    await act()
  } catch (error) {
    if (model) expect(model.parameters.values.values).toEqual(before)
    return String(error)
  }
  return 'no error'
}

const textOfFit = async (
  data: unknown,
  target: unknown,
  options: FitOptions = {},
  perStep = false,
) => {
  const model = classifier(perStep)
  return textOf(() => model.fit(data as never, target as never, options), model)
}

describe('rows', () => {
  it('that differ in number', async () => {
    expect(await textOfFit(x, [0, 1])).toBe("RefrainError: fit 'y': expected 3 rows, got 2")
    expect(await textOfFit(x, y, { sampleWeight: [1, 2] })).toBe(
      "RefrainError: fit 'sampleWeight': expected 3 rows, got 2",
    )
    expect(await textOfFit(x, y, { validationData: [x, [1]] })).toBe(
      "RefrainError: validationData 'y': expected 3 rows, got 1",
    )
    const model = classifier()
    expect(await textOf(() => model.evaluate(x, [0]))).toBe(
      "RefrainError: evaluate 'y': expected 3 rows, got 1",
    )
  })

  it('that are not there', async () => {
    expect(await textOfFit([], [])).toBe(
      "RefrainError: fit 'x': expected at least one row, got none",
    )
    expect(await textOfFit(x, [])).toBe(
      "RefrainError: fit 'y': expected at least one row, got none",
    )
    const model = classifier()
    expect(await textOf(() => model.predict([]))).toBe(
      "RefrainError: predict 'x': expected at least one row, got none",
    )
    expect(await textOf(() => model.predict(new Float32Array(0)))).toBe(
      "RefrainError: predict 'x': expected at least one row, got none",
    )
  })

  it('without any step are a sequence, too', async () => {
    expect(await textOfFit([[], [1], []], y)).toBe('no error')
    expect(await textOfFit([[], [], []], y)).toBe('no error')
  })

  it('too few for a validation split', async () => {
    const left = (share: string) =>
      `RefrainError: fit 'validationSplit': ${share} of 3 rows leaves nothing to train or validate on`
    expect(await textOfFit(x, y, { validationSplit: 0.9 })).toBe(left('0.9'))
    expect(await textOfFit(x, y, { validationSplit: 1e-20 })).toBe(left('1e-20'))
    expect(await textOfFit(x, y, { validationSplit: 1 })).toBe(
      "RefrainError: fit 'validationSplit': expected a finite number from 0 to 0.999999, got 1",
    )
    expect(await textOfFit(x, y, { validationSplit: 0.34 })).toBe('no error')
  })
})

describe('shapes', () => {
  it('of inputs', async () => {
    expect(await textOfFit([1, 2, 3], y)).toBe(
      "RefrainError: fit 'x': expected rows of shape [null], got []; " +
        'a sequence of single numbers has shape [T, 1]',
    )
    expect(await textOfFit([[[1]], [[2]], [[3]]], y)).toBe(
      "RefrainError: fit 'x': expected rows of shape [null], got [1, 1]",
    )
    const series = sequential([lstm({ units: 2, inputShape: [5, 3] })], { backend }).build()
    const wrong = { shape: [2, 4, 3], data: new Float32Array(24) }
    expect(await textOf(() => series.predict(wrong))).toBe(
      "RefrainError: predict 'x': expected rows of shape [5, 3], got [4, 3]",
    )
    expect(await textOf(() => series.predict([[1, 2, 3, 4, 5]]))).toBe(
      "RefrainError: predict 'x': expected rows of shape [5, 3], got [5]; " +
        'a sequence of single numbers has shape [T, 1]',
    )
    const open = sequential([lstm({ units: 2 })], { backend })
    expect(await textOf(() => open.predict([[1, 2, 3]]))).toBe(
      'RefrainError: lstm: expected an input of 3 dimensions [batch, time, features], ' +
        'got shape [null, 3]; a recurrent layer before this one would need returnSequences: true',
    )
  })

  it('of targets', async () => {
    expect(
      await textOfFit(x, [
        [0, 1, 0],
        [1, 0, 0],
        [0, 0, 1],
      ]),
    ).toBe("RefrainError: 'y' (class numbers): expected shape [3], got [3, 3]")
    const model = classifier()
    model.compile({ loss: 'categoricalCrossentropy' })
    expect(await textOf(() => model.fit(x, y), model)).toBe(
      "RefrainError: 'y': expected shape [3, 3], got [3]; " +
        "for class numbers use 'sparseCategoricalCrossentropy'",
    )
    expect(await textOfFit(x, [[0], [1], [2]])).toBe('no error')
  })

  it('of weights', async () => {
    expect(
      await textOfFit(x, y, {
        sampleWeight: [
          [1, 2],
          [1, 2],
          [1, 2],
        ],
      }),
    ).toBe("RefrainError: 'sampleWeight': expected shape [3], got [3, 2]")
    expect(await textOfFit(x, y, { sampleWeight: [[1], [1], [1]] })).toBe('no error')
    expect(await textOfFit(x, y, { sampleWeight: [[1, 2], [1], [1, 2, 3]] })).toContain(
      "'sampleWeight'",
    )
    const labels = x.map((row) => row.map(() => 0))
    expect(
      await textOfFit(
        x.slice(0, 2),
        labels.slice(0, 2),
        {
          sampleWeight: [
            [1, 2, 3],
            [1, 2, 3],
          ],
        },
        true,
      ),
    ).toBe("RefrainError: 'sampleWeight': expected shape [2] or [2, 2], got [2, 3]")
    const tooMany = { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] }
    expect(await textOfFit(x, y, { sampleWeight: tooMany, classWeight: { 0: 2 } })).toBe(
      "RefrainError: fit 'sampleWeight': expected a weight for each row or target, 3 or 3, " +
        'beside classWeight, got 6',
    )
    expect(await textOfFit(x, y, { classWeight: { 0: -1 } })).toBe(
      "RefrainError: fit 'classWeight' 0: expected a finite number of at least 0, got -1",
    )
  })

  it('of sequences of targets', async () => {
    expect(
      await textOfFit(
        x,
        [
          [1, 2],
          [0, 1],
          [1, 1, 1],
        ],
        {},
        true,
      ),
    ).toBe("RefrainError: fit 'y': expected 1 steps in row 1, as in 'x', got 2")
    expect(
      await textOfFit(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        [[1, 2], [0], [1, 1]],
        {},
        true,
      ),
    ).toBe("RefrainError: fit 'y': rows differ in length, those of 'x' do not")
    const sampleWeight = [[1], [1, 1], [1, 1, 1]]
    expect(await textOfFit(x, [[1, 2], [0], [1, 1, 1]], { sampleWeight }, true)).toBe(
      "RefrainError: fit 'sampleWeight': expected 2 steps in row 0, as in 'x', got 1",
    )
    expect(
      await textOfFit(
        x,
        [[1, 2], [0], [1, 1, 1]],
        { sampleWeight: [[1, 2], [0], [1, 1, 1]] },
        true,
      ),
    ).toBe('no error')
  })
})

describe('numbers', () => {
  it('of classes that do not exist, with their row, wherever it stands', async () => {
    const hint = 'the last layer has as many units as there are classes'
    expect(await textOfFit(x, [0, 3, 1])).toBe(
      `RefrainError: fit 'y': expected class numbers from 0 to 2, got 3 in row 1; ${hint}`,
    )
    expect(await textOfFit(x, [0, 1, -1], { batchSize: 1, shuffle: false })).toBe(
      `RefrainError: fit 'y': expected class numbers from 0 to 2, got -1 in row 2; ${hint}`,
    )
    expect(
      await textOfFit(x, [[0, 1], [1], [0, 0, 7]], { batchSize: 1, shuffle: false }, true),
    ).toBe(`RefrainError: fit 'y': expected class numbers from 0 to 2, got 7 in row 2; ${hint}`)
    expect(await textOfFit(x, y, { validationData: [x, [0, 0, 9]] })).toBe(
      `RefrainError: validationData 'y': expected class numbers from 0 to 2, got 9 in row 2; ${hint}`,
    )
    const dense = [
      [1, 2],
      [3, 4],
    ]
    const labels = [
      [0, 1],
      [0, 5],
    ]
    expect(await textOfFit(dense, labels, { batchSize: 1, shuffle: false }, true)).toBe(
      `RefrainError: fit 'y': expected class numbers from 0 to 2, got 5 in row 1; ${hint}`,
    )
    expect(await textOfFit(x, [0, 0.5, 1])).toBe(
      "RefrainError: fit 'y': expected whole numbers, got 0.5 at row 1",
    )
  })

  it('of tokens that do not exist', async () => {
    const hint = 'raise inputDim, or map unknown tokens to a reserved id'
    expect(
      await textOfFit(
        [
          [1, 2],
          [3, 10],
        ],
        [0, 1],
      ),
    ).toBe(
      `RefrainError: embedding: expected ids from 0 to 9, got 10 at position 1 of a row; ${hint}`,
    )
    const model = classifier()
    expect(await textOf(() => model.predict([[-1]]))).toContain('got -1 at position 0 of a row')
    expect(await textOf(() => model.predict([['a']] as never))).toBe(
      "RefrainError: predict 'x': expected whole numbers, got 'a' at row 0, position 0",
    )
  })

  it('of options', async () => {
    expect(await textOfFit(x, y, { epochs: 0 })).toBe(
      "RefrainError: fit 'epochs': expected a whole number of at least 1, got 0",
    )
    expect(await textOfFit(x, y, { batchSize: 2.5 })).toContain(
      "fit 'batchSize': expected a whole number",
    )
    expect(await textOfFit(x, y, { seed: -1 })).toContain("fit 'seed': expected a whole number")
    expect(await textOfFit(x, y, { validationsplit: 0.1 } as never)).toBe(
      "RefrainError: fit: unknown option 'validationsplit'; did you mean 'validationSplit'?",
    )
    const model = classifier()
    expect(await textOf(() => model.predict(x, { batchsize: 3 } as never))).toBe(
      "RefrainError: predict: unknown option 'batchsize'; did you mean 'batchSize'?",
    )
    expect(await textOf(() => model.evaluate(x, y, { batchSize: 0 }))).toContain(
      'at least 1, got 0',
    )
  })
})

it('of classes at masked steps may be anything', async () => {
  const model = sequential(
    [
      embedding({ inputDim: 10, outputDim: 2, maskZero: true }),
      lstm({ units: 2, returnSequences: true }),
      dense({ units: 3, activation: 'softmax' }),
    ],
    { backend },
  )
  model.compile({ loss: 'sparseCategoricalCrossentropy' })
  const padded = [
    [1, 2],
    [3, 0],
  ]
  const { history } = await model.fit(padded, [
    [1, 2],
    [0, -1],
  ])
  expect(history.loss.every(Number.isFinite)).toBe(true)
})

it('metrics that do not fit the loss are refused', async () => {
  const compile = (loss: string, metric: string) =>
    textOf(async () => classifier().compile({ loss, metrics: [metric] } as never))
  const hint = "'accuracy' becomes the one that fits the loss"
  const sparse = 'sparseCategoricalCrossentropy'
  for (const loss of ['categoricalCrossentropy', 'binaryCrossentropy', 'meanSquaredError']) {
    expect(await compile(loss, 'sparseCategoricalAccuracy')).toBe(
      "RefrainError: metrics: 'sparseCategoricalAccuracy' needs class numbers, " +
        `'${loss}' takes a target for each output; ${hint}`,
    )
    for (const metric of ['accuracy', 'categoricalAccuracy', 'binaryAccuracy', 'mse']) {
      expect(await compile(loss, metric)).toBe('no error')
    }
  }
  for (const metric of ['binaryAccuracy', 'categoricalAccuracy', 'meanSquaredError']) {
    expect(await compile(sparse, metric)).toBe(
      `RefrainError: metrics: '${metric}' needs a target for each output, ` +
        `'${sparse}' takes class numbers; ${hint}`,
    )
  }
  expect(await compile(sparse, 'accuracy')).toBe('no error')
  expect(await compile(sparse, 'sparseCategoricalAccuracy')).toBe('no error')
})

describe('names', () => {
  it('of losses, metrics and optimizers name the nearest', async () => {
    const compile = (options: object) =>
      textOf(async () => classifier().compile({ loss: 'meanSquaredError', ...options } as never))
    expect(await compile({ loss: 'binaryCrossEntropy' })).toBe(
      "RefrainError: loss: unknown loss 'binaryCrossEntropy'; did you mean 'binaryCrossentropy'?",
    )
    expect(await compile({ metrics: ['acuracy'] })).toBe(
      "RefrainError: metrics: unknown metric 'acuracy'; did you mean 'accuracy'?",
    )
    expect(await compile({ optimizer: 'Adam' })).toBe(
      "RefrainError: optimizer: unknown optimizer 'Adam'; did you mean 'adam'?; " +
        'others are made by a call, such as nadam()',
    )
    expect(await compile({ optimiser: 'adam' })).toBe(
      "RefrainError: compile: unknown option 'optimiser'; did you mean 'optimizer'?",
    )
  })
})

it('a model without its inputs or outputs', () => {
  const a = input({ shape: [2] })
  expect(() => makeModel({ inputs: [], outputs: dense({ units: 1 }).apply(a) })).toThrow(
    'model: expected at least one input and one output',
  )
  expect(() => makeModel({ inputs: a, outputs: [] })).toThrow('at least one input and one output')
  expect(() => input({ shape: [0] })).toThrow(
    "input 'shape': expected a list of positive whole numbers and nulls, got [0]; " +
      'for sequences of 16 numbers write [null, 16]',
  )
})
