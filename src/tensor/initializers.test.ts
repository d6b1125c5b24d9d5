/** How weights begin, against the limits and deviations that Keras documents and shows. */
import { describe, expect, it } from 'vitest'
import { camel } from '../../test/fixtures/cases.ts'
import { loadFixture } from '../../test/fixtures/load.ts'
import { eachKindOfBackend, expectError } from '../../test/harness.ts'
import { truth } from '../kernels/backends.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import {
  constant,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  type Initializer,
  type InitializerName,
  identity,
  initializerConfig,
  lecunNormal,
  lecunUniform,
  ones,
  orthogonal,
  randomNormal,
  randomUniform,
  resolveInitializer,
  truncatedNormal,
  varianceScaling,
  zeros,
} from './initializers.ts'
import { Random } from './random.ts'

function draw(
  initializer: Initializer,
  shape: readonly number[],
  backend: Backend = truth,
  seed = 1,
) {
  const values = new Float32Array(shape.reduce((product, length) => product * length, 1))
  initializer.fill(values, shape, new Random(seed, 'init'), backend)
  return values
}

function statistics(values: Float32Array) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
  const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return { mean, stddev: Math.sqrt(variance), largest }
}

const fixture = loadFixture('keras/initializers.json')

describe(`${fixture.made_by.program} ${fixture.made_by.version}`, () => {
  const cases = fixture.cases.filter(({ arrays }) => arrays.documentedStddev)
  it('has its cases', () => expect(cases.length).toBeGreaterThanOrEqual(18))

  it.each(cases.map((item) => [item.name, item] as const))('%s', (_name, { options, arrays }) => {
    const { initializer, shape, ...rest } = options
    const named = Object.entries(rest).map(([key, value]) => [
      key,
      typeof value === 'string' ? camel(value) : value,
    ])
    const name = camel(initializer as string) as InitializerName
    const config = { name, ...Object.fromEntries(named) }
    const values = draw(resolveInitializer('test', config), shape as number[])
    const { mean, stddev, largest } = statistics(values)
    const expected = arrays.documentedStddev.data[0]
    const root = Math.sqrt(values.length)
    expect(Math.abs(mean)).toBeLessThan((4 * expected) / root)
    // The deviation of a sample's deviation is at most that of a normal, σ / √(2n).
    expect(Math.abs(stddev - expected)).toBeLessThan((4 * expected) / (Math.SQRT2 * root))
    const limit = arrays.documentedLimit?.data[0]
    if (limit === undefined) return
    expect(largest).toBeLessThanOrEqual(limit * (1 + 1e-6))
    expect(largest).toBeGreaterThan(0.99 * limit)
  })
})

describe('a seed of its own', () => {
  it.each([
    randomUniform,
    randomNormal,
    truncatedNormal,
    glorotUniform,
    glorotNormal,
    heUniform,
    heNormal,
    lecunUniform,
    lecunNormal,
    varianceScaling,
    orthogonal,
  ])('gives the same numbers whatever the model draws: %#', (make) => {
    const shape = [5, 4]
    const first = draw(make({ seed: 3 }), shape, truth, 1)
    expect(draw(make({ seed: 3 }), shape, truth, 2)).toEqual(first)
    expect(draw(make({ seed: 4 }), shape, truth, 1)).not.toEqual(first)
    const config = initializerConfig(make({ seed: 3 }))
    expect(config.seed).toBe(3)
    expect(draw(resolveInitializer('a file', config), shape, truth, 5)).toEqual(first)
    expect(initializerConfig(make())).not.toHaveProperty('seed')
  })

  it('keeps the other options, and is a whole number', () => {
    const options = { minval: 2, maxval: 3, seed: 1 }
    expect(draw(randomUniform(options), [50]).every((x) => x >= 2 && x <= 3)).toBe(true)
    expectError(
      () => randomNormal({ seed: 0.5 }),
      'BAD_ARGUMENT',
      "randomNormal 'seed': expected a whole number of at least 0, got 0.5",
    )
  })
})

describe('fixed and given values', () => {
  it('zeros, ones, constant', () => {
    expect(draw(zeros(), [3])).toEqual(Float32Array.of(0, 0, 0))
    expect(draw(ones(), [3])).toEqual(Float32Array.of(1, 1, 1))
    expect(draw(constant({ value: 0.5 }), [2])).toEqual(Float32Array.of(0.5, 0.5))
    expect(draw(constant(), [2])).toEqual(Float32Array.of(0, 0))
  })

  it('options', () => {
    const uniform = draw(randomUniform({ minval: 2, maxval: 3 }), [10_000])
    expect(uniform.every((x) => x >= 2 && x <= 3)).toBe(true)
    expect(statistics(uniform).mean).toBeCloseTo(2.5, 1)
    const normal = statistics(draw(randomNormal({ mean: 5, stddev: 2 }), [10_000]))
    expect(normal.mean).toBeCloseTo(5, 0)
    expect(normal.stddev).toBeCloseTo(2, 0)
  })

  it('fans: one dimension, and more than two', () => {
    const limit = (shape: number[]) =>
      statistics(draw(resolveInitializer('test', 'glorotUniform'), shape)).largest
    // Keras: [n] has fans n, n; [k, i, o] has fans k·i, k·o.
    expect(limit([3000])).toBeCloseTo(Math.sqrt(6 / 6000), 4)
    expect(limit([3, 40, 60])).toBeCloseTo(Math.sqrt(6 / (3 * 40 + 3 * 60)), 3)
  })

  it('the same seed gives the same values', () => {
    const values = draw(resolveInitializer('test', 'heNormal'), [4, 5])
    expect(draw(resolveInitializer('test', 'heNormal'), [4, 5])).toEqual(values)
    expect(draw(resolveInitializer('test', 'heNormal'), [4, 5], truth, 2)).not.toEqual(values)
  })
})

describe('identity', () => {
  it('has the gain on its diagonal and nothing else', () => {
    expect([...draw(identity(), [2, 2])]).toEqual([1, 0, 0, 1])
    expect([...draw(identity({ gain: 0.5 }), [2, 3])]).toEqual([0.5, 0, 0, 0, 0.5, 0])
    expect([...draw(identity({ gain: -2 }), [3, 2])]).toEqual([-2, 0, 0, -2, 0, 0])
  })

  it('is a matrix', () => {
    for (const shape of [[4], [2, 2, 2]]) {
      expectError(
        () => draw(identity(), shape),
        'BAD_SHAPE',
        `identity: expected 2 dimensions, got [${shape.join(', ')}]`,
      )
    }
    expectError(
      () => identity({ seed: 1 } as never),
      'UNKNOWN_OPTION',
      "identity: unknown option 'seed'; known: gain",
    )
  })
})

describe('varianceScaling', () => {
  const scaled = fixture.cases.filter(({ options }) => options.initializer === 'variance_scaling')
  it('has its cases', () => expect(scaled).toHaveLength(14))

  it('is what glorot, he and lecun are', () => {
    const same: [Initializer, Initializer][] = [
      [glorotUniform(), varianceScaling({ mode: 'fanAvg', distribution: 'uniform' })],
      [glorotNormal(), varianceScaling({ mode: 'fanAvg' })],
      [heUniform(), varianceScaling({ scale: 2, distribution: 'uniform' })],
      [heNormal(), varianceScaling({ scale: 2 })],
      [lecunUniform(), varianceScaling({ distribution: 'uniform' })],
      [lecunNormal(), varianceScaling()],
    ]
    for (const [known, general] of same) {
      expect(draw(general, [6, 5])).toEqual(draw(known, [6, 5]))
    }
  })

  it('of an untruncated normal goes beyond two deviations', () => {
    const values = draw(varianceScaling({ distribution: 'untruncatedNormal' }), [100, 200])
    const beyond = values.filter((x) => Math.abs(x) > 0.2).length / values.length
    // 4.55 % of a normal's draws.
    expect(beyond).toBeCloseTo(0.0455, 2)
  })

  it('checks its options', () => {
    const bad: [object, string][] = [
      [{ scale: 0 }, "varianceScaling 'scale': expected a finite number of at least 1e-9, got 0"],
      [{ mode: 'fan_in' }, "varianceScaling 'mode': unknown 'fan_in'; did you mean 'fanIn'?"],
      [
        { distribution: 'normal' },
        "varianceScaling 'distribution': unknown 'normal'; " +
          'known: truncatedNormal, untruncatedNormal, uniform',
      ],
      [{ mod: 'fanIn' }, "varianceScaling: unknown option 'mod'; did you mean 'mode'?"],
    ]
    for (const [options, message] of bad) {
      expect(() => varianceScaling(options)).toThrow(message)
    }
  })
})

/** The largest element of |Q·Qᵀ - I| over the fewer of rows and columns. */
function orthogonalityError(q: Float32Array, rows: number, columns: number, gain = 1) {
  const wide = rows <= columns
  const [short, long] = wide ? [rows, columns] : [columns, rows]
  const at = (i: number, k: number) => (wide ? q[i * columns + k] : q[k * columns + i]) / gain
  let error = 0
  for (let i = 0; i < short; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0
      for (let k = 0; k < long; k++) sum += at(i, k) * at(j, k)
      error = Math.max(error, Math.abs(sum - (i === j ? 1 : 0)))
    }
  }
  return error
}

eachKindOfBackend((backend) => {
  it.each([
    [1, 1],
    [1, 7],
    [7, 1],
    [5, 5],
    [31, 33],
    [64, 64],
    [65, 65],
    [100, 100],
    [64, 256],
    [256, 64],
    [70, 90],
    [90, 70],
    [100, 200],
  ])('orthogonal, %i by %i', (rows, columns) => {
    const q = draw(orthogonal(), [rows, columns], backend)
    expect(orthogonalityError(q, rows, columns)).toBeLessThan(1e-5)
  })

  it('orthogonal with gain, and of three dimensions', () => {
    const q = draw(orthogonal({ gain: 2 }), [3, 4, 20], backend)
    expect(orthogonalityError(q, 12, 20, 2)).toBeLessThan(1e-5)
  })
})

describe('orthogonal', () => {
  // The trace of a random rotation of n dimensions has mean 0 and variance 1 (Haar measure); an R
  // whose diagonal is not made positive would show here.
  it('prefers no orientation', () => {
    const draws = 400
    const traces = Array.from({ length: draws }, (_, seed) => {
      const q = draw(orthogonal(), [6, 6], truth, seed)
      return [0, 1, 2, 3, 4, 5].reduce((sum, i) => sum + q[i * 7], 0)
    })
    const mean = traces.reduce((sum, x) => sum + x, 0) / draws
    const variance = traces.reduce((sum, x) => sum + x * x, 0) / draws
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(draws))
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / draws))
  })

  it('has the mean and deviation of Keras', () => {
    for (const { options, arrays } of fixture.cases) {
      if (options.initializer !== 'orthogonal') continue
      const [rows, columns] = options.shape as number[]
      const { mean, stddev } = statistics(draw(orthogonal(), [rows, columns]))
      expect(stddev).toBeCloseTo(arrays.measuredStddev.data[0], 4)
      expect(Math.abs(mean)).toBeLessThan((4 * stddev) / Math.sqrt(rows * columns))
    }
  })

  it('needs two dimensions', () => {
    expectError(
      () => draw(orthogonal(), [5]),
      'BAD_SHAPE',
      'orthogonal: expected at least 2 dimensions, got [5]',
    )
  })
})

describe('by name and configuration', () => {
  const names = [
    ...['zeros', 'ones', 'constant', 'randomUniform', 'randomNormal', 'truncatedNormal'],
    ...['glorotUniform', 'glorotNormal', 'heUniform', 'heNormal', 'lecunUniform', 'lecunNormal'],
    ...['varianceScaling', 'orthogonal', 'identity'],
  ] as InitializerName[]

  it.each(names)('%s comes back from its configuration', (name) => {
    const initializer = resolveInitializer('test', name)
    const config = JSON.parse(JSON.stringify(initializerConfig(initializer)))
    expect(config.name).toBe(name)
    const again = resolveInitializer('test', config)
    expect(initializerConfig(again)).toEqual(initializerConfig(initializer))
    expect(draw(again, [4, 4])).toEqual(draw(initializer, [4, 4]))
  })

  it('options come back too', () => {
    const config = initializerConfig(orthogonal({ gain: 0.5 }))
    expect(config).toEqual({ name: 'orthogonal', gain: 0.5 })
    const q = draw(resolveInitializer('test', config), [3, 3])
    expect(orthogonalityError(q, 3, 3, 0.5)).toBeLessThan(1e-5)
  })

  it.each([
    [
      'glorot_uniform',
      'UNKNOWN_OPTION',
      "dense 'kernelInitializer': unknown initializer 'glorot_uniform'; " +
        "did you mean 'glorotUniform'?",
    ],
    [
      'constructor',
      'UNKNOWN_OPTION',
      `dense 'kernelInitializer': unknown initializer 'constructor'; known: ${names.join(', ')}`,
    ],
    [
      null,
      'UNKNOWN_OPTION',
      `dense 'kernelInitializer': unknown initializer null; known: ${names.join(', ')}`,
    ],
    [
      { name: 'randomNormal', stdev: 0.1 },
      'UNKNOWN_OPTION',
      "randomNormal: unknown option 'stdev'; did you mean 'stddev'?",
    ],
    [
      { name: 'heNormal', scale: 2 },
      'UNKNOWN_OPTION',
      "heNormal: unknown option 'scale'; it takes seed alone",
    ],
    [
      { name: 'constant', value: 'one' },
      'BAD_ARGUMENT',
      "constant 'value': expected a finite number, got 'one'",
    ],
    [
      { name: 'orthogonal', gain: Number.NaN },
      'BAD_ARGUMENT',
      "orthogonal 'gain': expected a finite number, got NaN",
    ],
  ] as const)('%j', (wanted, code, message) => {
    expectError(
      () => resolveInitializer("dense 'kernelInitializer'", wanted as never),
      code,
      message,
    )
  })
})
