/**
 * The reference kernels against numbers that are not ours: Random123's, PyTorch's and Keras's, whose
 * versions stand in the fixtures. Finite differences are in `gradients.test.ts`.
 */
import { describe, expect, it } from 'vitest'
import { type Fixture, type FixtureCase, loadFixture } from '../../test/fixtures/load.ts'
import {
  type Argument,
  expectClose,
  floats,
  floatsOut,
  ints,
  intsOut,
  lstmBoth,
  run,
  type Tolerance,
} from './kernels.case.ts'
import { activationCodes, type Backend, type Kernels, lossCodes } from './kernels.ts'
import { philox4x32 } from './philox.ts'
import { referenceBackend } from './reference.ts'

const float64 = referenceBackend({ float: 'float64' })
/**
 * Both precisions. The fixtures hold float64 results rounded to float32, and Keras computes some
 * constants in float32, hence the first bound.
 */
const precisions: [string, Backend, Tolerance][] = [
  ['float64', float64, { relative: 1e-6, ofLargest: 1e-9, absolute: 1e-15 }],
  ['float32', referenceBackend(), { relative: 1e-5, ofLargest: 1e-6 }],
]

const zeros = (n: number) => new Float64Array(n)
const sizeOf = (shape: number[]) => shape.reduce((product, n) => product * n, 1)

/** The one array that a kernel writes. */
function result(backend: Backend, kernel: keyof Kernels, args: (Argument | number | null)[]) {
  const results = run(backend, kernel, args)
  expect(results).toHaveLength(1)
  return results[0]
}

/** One test a case; a fixture that lost the cases we look for fails. */
function eachCase(
  fixture: Fixture,
  select: (fixtureCase: FixtureCase) => boolean,
  atLeast: number,
  test: (fixtureCase: FixtureCase) => void,
) {
  const { program, version } = fixture.made_by
  const cases = fixture.cases.filter(select)
  it(`finds its cases of ${program} ${version}`, () => {
    expect(cases.length).toBeGreaterThanOrEqual(atLeast)
  })
  for (const fixtureCase of cases) it(fixtureCase.name, () => test(fixtureCase))
}

/** hard_sigmoid → hardSigmoid */
const camel = (name: string) => name.replace(/_./g, (part) => part[1].toUpperCase())

describe('Philox', () => {
  // kat_vectors of Random123, philox4x32 10: counter, key, result.
  const vectors = [
    [
      '00000000 00000000 00000000 00000000',
      '00000000 00000000',
      '6627e8d5 e169c58d bc57ac4c 9b00dbd8',
    ],
    [
      'ffffffff ffffffff ffffffff ffffffff',
      'ffffffff ffffffff',
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      '243f6a88 85a308d3 13198a2e 03707344',
      'a4093822 299f31d0',
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ]
  const parse = (words: string) => words.split(' ').map((word) => Number.parseInt(word, 16))

  it.each(vectors)('%s, key %s', (counter, key, words) => {
    const out = new Uint32Array(4)
    const [c0, c1, c2, c3] = parse(counter)
    const [k0, k1] = parse(key)
    philox4x32(c0, c1, c2, c3, k0, k1, out)
    expect([...out]).toEqual(parse(words))
    philox4x32(c0 | 0, c1 | 0, c2 | 0, c3 | 0, k0 | 0, k1 | 0, out)
    expect([...out], 'words given as signed numbers').toEqual(parse(words))
  })

  it('decides dropout by its words', () => {
    const [[first, second], words] = [[11, 22], new Uint32Array(4)]
    const n = 9
    const out = result(float64, 'dropout', [
      null,
      floatsOut(zeros(n)),
      n,
      0.3,
      first,
      second,
      5,
      6,
      0,
    ])
    for (let i = 0; i < n; i++) {
      philox4x32(Math.floor(i / 4), 0, 5, 6, first, second, words)
      expect(out[i]).toBe(words[i % 4] / 2 ** 32 >= 0.3 ? 1 / 0.7 : 0)
    }
    expect(new Set(out).size).toBe(2)
  })
})

describe.each(precisions)('PyTorch fixtures, %s', (_, backend, tolerance) => {
  const fixture = loadFixture('pytorch/lstm.json')
  eachCase(
    fixture,
    () => true,
    10,
    ({ arrays, options }) => {
      const [b, t, inputs] = arrays.x.shape
      const units = options.units as number
      const lengths = arrays.lengths ? Int32Array.from(arrays.lengths.data) : null
      const found = lstmBoth(backend, {
        ...{ b, t, inputs, units, reverse: Number(options.reverse), lengths, steps: null },
        x: arrays.x.data,
        kernel: arrays.kernel.data,
        recurrentKernel: arrays.recurrentKernel.data,
        bias: arrays.bias.data,
        h0: arrays.h0?.data ?? null,
        c0: arrays.c0?.data ?? null,
        dh: arrays.gy.data,
        dhLast: arrays.ghT.data,
        dcLast: arrays.gcT.data,
        dx: zeros(b * t * inputs),
        dKernel: zeros(inputs * 4 * units),
        dRecurrentKernel: zeros(units * 4 * units),
        dBias: zeros(4 * units),
      })
      // PyTorch's padded steps are zeros.
      for (let row = 0; row < b; row++) {
        found.h.fill(0, (row * t + (lengths ? lengths[row] : t)) * units, (row + 1) * t * units)
      }
      const names = {
        ...{ y: 'h', hT: 'hLast', cT: 'cLast', dx: 'dx', dh0: 'dh0', dc0: 'dc0' },
        ...{ dkernel: 'dKernel', drecurrentKernel: 'dRecurrentKernel', dbias: 'dBias' },
      }
      for (const [theirs, ours] of Object.entries(names)) {
        const expected = arrays[theirs]
        if (!expected && options.initialState) expect.fail(`no ${theirs}`)
        if (expected) expectClose(found[ours], expected.data, tolerance, ours)
      }
    },
  )
})

describe.each(precisions)('Keras fixtures, %s', (precision, backend, tolerance) => {
  const layers = loadFixture('keras/layers.json')

  /** y = f(x) by `activate` or `softmax`, and dx. */
  function activate(name: string, x: ArrayLike<number>, dy: ArrayLike<number>, cols: number) {
    const n = x.length
    if (name === 'softmax' || name === 'logSoftmax') {
      const sizes = [n / cols, cols, Number(name === 'logSoftmax')]
      const y = result(backend, 'softmax', [floats(x), floatsOut(zeros(n)), ...sizes])
      const gradient = [floats(y), floats(dy), floatsOut(zeros(n)), ...sizes]
      return { y, dx: result(backend, 'softmaxBackward', gradient) }
    }
    const code = activationCodes[name as keyof typeof activationCodes]
    expect(code, name).toBeDefined()
    const y = result(backend, 'activate', [code, floats(x), floatsOut(zeros(n)), n])
    const gradient = [code, floats(x), floats(y), floats(dy), floatsOut(zeros(n)), n, 0]
    return { y, dx: result(backend, 'activateBackward', gradient) }
  }

  describe('activations', () => {
    eachCase(
      layers,
      (c) => c.options.layer === 'activation',
      16,
      ({ arrays, options }) => {
        const cols = arrays.x.shape.at(-1)!
        const name = camel(options.activation as string)
        const found = activate(name, arrays.x.data, arrays.gy.data, cols)
        // 1 - y² and y - Σ lose what y has been rounded by.
        const slack = { ...tolerance, absolute: precision === 'float32' ? 2e-7 : 0 }
        expectClose(found.y, arrays.y.data, { ...tolerance, ofLargest: 0 }, 'y')
        expectClose(found.dx, arrays.dx.data, slack, 'dx')
      },
    )
  })

  describe('dense layers: products, bias, activation', () => {
    eachCase(
      layers,
      (c) => c.options.layer === 'dense',
      20,
      ({ arrays, options }) => {
        const [inputs, units] = arrays.kernel.shape
        const rows = sizeOf(arrays.x.shape) / inputs
        const [x, kernel] = [floats(arrays.x.data), floats(arrays.kernel.data)]
        const z = result(backend, 'matmul', [
          ...[x, kernel, arrays.bias ? floats(arrays.bias.data) : null],
          ...[floatsOut(zeros(rows * units)), rows, inputs, units, 0, 0, 0],
        ])
        const name = camel((options.activation as string) ?? 'linear')
        const found = activate(name, z, arrays.gy.data, units)
        const dz = floats(found.dx)
        expectClose(found.y, arrays.y.data, tolerance, 'y')
        const dx = [dz, kernel, null, floatsOut(zeros(rows * inputs)), rows, units, inputs, 0, 1, 0]
        expectClose(result(backend, 'matmul', dx), arrays.dx.data, tolerance, 'dx')
        const dKernel = [
          x,
          dz,
          null,
          floatsOut(zeros(inputs * units)),
          inputs,
          rows,
          units,
          1,
          0,
          1,
        ]
        expectClose(result(backend, 'matmul', dKernel), arrays.dkernel.data, tolerance, 'dKernel')
        const dBias = result(backend, 'sumRows', [dz, floatsOut(zeros(units)), rows, units, 0])
        if (arrays.bias) expectClose(dBias, arrays.dbias.data, tolerance, 'dBias')
      },
    )
  })

  describe('embedding and pooling', () => {
    const wanted = /^(embedding|global)/i
    eachCase(
      layers,
      (c) => wanted.test(c.options.layer as string),
      7,
      ({ arrays, options }) => {
        const [b, t] = arrays.x.shape
        const embedding = arrays.embeddings
        const f = embedding ? embedding.shape[1] : arrays.x.shape[2]
        const ids = ints(arrays.x.data)
        const x = embedding
          ? result(backend, 'gather', [
              ...[floats(embedding.data), ids, floatsOut(zeros(b * t * f)), b * t, f],
            ])
          : arrays.x.data
        const mask = options.maskZero ? arrays.x.data.map(Math.sign) : arrays.mask?.data
        const valid = mask ? ints(mask) : null
        const pooling = embedding ? options.then : options.layer

        let y = x
        let dx: ArrayLike<number> = arrays.gy.data
        const [dy, out, gradient] = [
          floats(dx),
          floatsOut(zeros(b * f)),
          floatsOut(zeros(x.length)),
        ]
        if (pooling === 'globalAveragePooling1d') {
          y = result(backend, 'poolMean', [floats(x), valid, out, b, t, f])
          dx = result(backend, 'poolMeanBackward', [dy, valid, gradient, b, t, f])
        } else if (pooling === 'globalMaxPooling1d') {
          const argmaxOut = intsOut(zeros(b * f))
          const [max, argmax] = run(backend, 'poolMax', [floats(x), valid, out, argmaxOut, b, t, f])
          y = max
          dx = result(backend, 'poolMaxBackward', [dy, ints(argmax), gradient, b, t, f])
        }
        expectClose(y, arrays.y.data, tolerance, 'y')
        if (embedding) {
          const dTable = floatsOut(zeros(embedding.data.length))
          dx = result(backend, 'gatherBackward', [floats(dx), ids, dTable, b * t, f])
        }
        expectClose(dx, (arrays.dx ?? arrays.dembeddings).data, tolerance, 'dx')
      },
    )
  })

  describe('losses', () => {
    const names: Record<string, keyof typeof lossCodes> = {
      mean_squared_error: 'squaredError',
      mean_absolute_error: 'absoluteError',
      binary_crossentropy: 'binaryCrossentropy',
      categorical_crossentropy: 'categoricalCrossentropy',
      sparse_categorical_crossentropy: 'categoricalCrossentropy',
    }
    // Masks and label smoothing are the business of the layers above.
    const wanted = ({ arrays, options }: FixtureCase) => !arrays.mask && !options.labelSmoothing
    eachCase(loadFixture('keras/losses.json'), wanted, 30, ({ arrays, options }) => {
      const name = names[options.loss as string]
      const code = lossCodes[`${name}${options.fromLogits ? 'Logits' : ''}` as typeof name]
      const cols = arrays.yPred.shape.at(-1)!
      const rows = arrays.yPred.data.length / cols
      const sparse = options.loss === 'sparse_categorical_crossentropy'
      const prediction = floats(arrays.yPred.data)
      const target = sparse ? null : floats(arrays.yTrue.data)
      const labels = sparse ? ints(arrays.yTrue.data) : null
      const weight = arrays.sampleWeight?.data ?? Array<number>(rows).fill(1)
      const dOut = floats(weight.map((w) => w / rows))
      const [found, gradient] = run(backend, 'loss', [
        ...[code, prediction, target, labels, dOut, null],
        ...[floatsOut(zeros(rows)), floatsOut(zeros(rows * cols)), rows, cols],
      ])
      // Where the clip's limits matter, Keras was run in either precision.
      const suffix = options.precision === 'float32' && precision === 'float64' ? 'Float64' : ''
      const expected = arrays[`values${suffix}`].data
      expectClose(
        found.map((value, r) => value * weight[r]),
        expected,
        { ...tolerance, absolute: 1e-7 },
        'values',
      )
      const slope = arrays[`dSumOverBatchSize${suffix}`].data
      expectClose(gradient, slope, { ...tolerance, absolute: 1e-7 }, 'gradient')
    })
  })

  describe('optimizers, 20 steps', () => {
    const fixture = loadFixture('keras/optimizers.json')
    const shared = fixture.cases.find((c) => c.name === 'shared')!
    const steps = shared.options.steps as number
    const gradientsOf = { w: shared.arrays.gw, b: shared.arrays.gb }

    eachCase(
      fixture,
      (c) => c.name !== 'shared',
      20,
      ({ arrays, options }) => {
        const number = (name: string) => (options[name] as number) ?? 0
        const variables = (['w', 'b'] as const).map((name) => {
          const value = shared.arrays[`${name}0`].data
          const n = value.length
          const state: Float64Array[] = [zeros(n), zeros(n), zeros(n)]
          return { name, n, state, value: value as ArrayLike<number> }
        })
        for (let step = 1; step <= steps; step++) {
          const gradients = variables.map(({ name, n }) => {
            const g = gradientsOf[name].data.slice((step - 1) * n, step * n)
            if (!options.clipvalue) return floats(g)
            return floats(run(backend, 'clipValue', [floatsOut(g), number('clipvalue'), n])[0])
          })
          const squares = gradients.map(
            (g) => run(backend, 'sumSquares', [g, g.values.length])[0][0],
          )
          const globalNorm = Math.sqrt(squares[0] + squares[1])
          variables.forEach((variable, i) => {
            const { n, state } = variable
            const w = floatsOut(variable.value)
            const [first, second, third] = state.map(floatsOut)
            let scale = 1
            if (options.clipnorm) scale = Math.min(1, number('clipnorm') / Math.sqrt(squares[i]))
            if (options.globalClipnorm) scale = Math.min(1, number('globalClipnorm') / globalNorm)
            const rate = arrays.learningRates?.data[step - 1] ?? number('learningRate')
            const decay = number('weightDecay') * rate
            const momentum = number('momentum')
            const [beta1, beta2, epsilon] = [number('beta1'), number('beta2'), number('epsilon')]
            const common = [w, gradients[i]]
            let found: Float64Array[]
            let used: number[]
            switch (options.optimizer) {
              case 'SGD': {
                const velocity = momentum ? first : null
                const nesterov = Number(options.nesterov ?? false)
                found = run(backend, 'sgd', [
                  ...[...common, velocity, n, scale, rate, momentum, nesterov, decay],
                ])
                used = momentum ? [0] : []
                break
              }
              case 'RMSprop': {
                const mean = options.centered ? second : null
                const velocity = momentum ? third : null
                found = run(backend, 'rmsprop', [
                  ...[...common, first, mean, velocity, n, scale, rate],
                  ...[number('rho'), momentum, epsilon, decay],
                ])
                used = [0, ...(mean ? [1] : []), ...(velocity ? [2] : [])]
                break
              }
              default: {
                const vMax = options.amsgrad ? third : null
                const corrected = (rate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step)
                found = run(backend, 'adam', [
                  ...[...common, first, second, vMax, n, scale, corrected],
                  ...[beta1, beta2, epsilon, decay],
                ])
                used = vMax ? [0, 1, 2] : [0, 1]
              }
            }
            variable.value = found[0]
            used.forEach((slot, k) => {
              state[slot] = found[k + 1]
            })
            const expected = arrays[`${variable.name}${step}`]
            // Keras rounds momentum and rates to float32 even where the weights are float64.
            const slack = { ...tolerance, absolute: 2e-7 }
            if (expected) expectClose(variable.value, expected.data, slack, `step ${step}`)
          })
        }
      },
    )
  })
})

describe('heap', () => {
  it('hands out zeroed memory and counts it', () => {
    const { heap } = referenceBackend()
    const block = heap.allocate(40)
    expect(heap.bytesInUse).toBe(40)
    heap.floats(block, 8, 2).set([1, 2])
    expect([...heap.floats(block, 0, 5)]).toEqual([0, 0, 1, 2, 0])
    heap.free(block)
    expect(heap.bytesInUse).toBe(0)
    expect(() => heap.free(block)).toThrow('not allocated')
  })

  it('says what to do when there is no memory left', () => {
    const { heap } = referenceBackend()
    expect(() => heap.allocate(2 ** 52)).toThrow(
      'reference: no 4503599627370496 bytes left beside the 0 in use; use a smaller batch',
    )
    expect(heap.bytesInUse).toBe(0)
  })

  it('holds float64 for checking', () => {
    expect(float64.heap.floats(float64.heap.allocate(8), 0, 1)).toBeInstanceOf(Float64Array)
    expect(float64.heap.floatBytes).toBe(8)
  })
})
