/**
 * One suite for every backend: each kernel, on random and on awkward arguments, against the float64
 * reference, within a stated tolerance. What the reference itself is worth, `reference.test.ts` says.
 */
import { describe, expect, it } from 'vitest'
import {
  checkerOf,
  eachBackend,
  expectSameBits,
  flags,
  sizes,
  start,
  truth,
} from './backends.case.ts'
import {
  type Argument,
  blank,
  elementwise,
  exact,
  expectClose,
  floats,
  floatsOut,
  ints,
  intsOut,
  Random,
  run,
  type Tolerance,
  updates,
} from './kernels.case.ts'
import { activationCodes, type Backend, type Floats, type Kernels, lossCodes } from './kernels.ts'
import { referenceBackend } from './reference.ts'

describe('run', () => {
  const backend = referenceBackend()
  /** The reference with an `addScaled` that also writes what it should not. */
  const careless = (damage: (x: Floats, out: Floats) => void): Backend => ({
    ...backend,
    kernels: { ...backend.kernels, addScaled: (x, out) => damage(x, out) },
  })
  const call = (damaged: Backend) =>
    run(damaged, 'addScaled', [floats([1, 2]), floatsOut([3, 4]), 1, 2])

  it('notices a write past either end', () => {
    for (const at of [-1, 2]) {
      const damaged = careless((_x, out) => {
        new Float32Array(out.buffer)[out.byteOffset / 4 + at] = 0
      })
      expect(() => call(damaged)).toThrow(`addScaled wrote outside of argument 1, byte ${at * 4}`)
    }
  })

  it('notices a write to what is only read', () => {
    const damaged = careless((x) => {
      x[1] = 5
    })
    expect(() => call(damaged)).toThrow('addScaled wrote to argument 0, byte 4')
  })
})

eachBackend((backend) => {
  const check = checkerOf(backend)

  describe('products', () => {
    const triples = sizes.flatMap((m) => sizes.flatMap((k) => sizes.map((n) => [m, k, n])))
    const long = [
      [40, 70, 130],
      [5, 600, 9],
      [257, 2, 19],
      // One row that streams, few rows in place, several groups of panels.
      [1, 270, 1100],
      [7, 270, 1056],
      [70, 20, 1100],
    ]
    const empty = [
      [0, 3, 2],
      [3, 0, 2],
      [3, 2, 0],
      [0, 0, 0],
    ]
    it.each([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ])('matmul, transposeA %i, transposeB %i', (transposeA, transposeB) => {
      const random = new Random(1)
      for (const [m, k, n] of [...triples, ...long, ...empty]) {
        for (const accumulate of flags) {
          const [a, b] = [floats(random.uniform(m * k)), floats(random.uniform(k * n))]
          for (const bias of [null, floats(random.uniform(n))]) {
            const out = start(random, m * n, accumulate)
            check('matmul', [a, b, bias, out, m, k, n, transposeA, transposeB, accumulate])
          }
        }
      }
    })

    it('weightGradients', () => {
      const random = new Random(31)
      for (const [inputs, rows, units] of [...triples, ...long, ...empty]) {
        const [x, dy] = [
          floats(random.uniform(rows * inputs)),
          floats(random.uniform(rows * units)),
        ]
        for (const adds of [0, 1, 2, 3]) {
          const dKernel = start(random, inputs * units, adds & 1)
          for (const dBias of [null, start(random, units, adds >> 1)]) {
            check('weightGradients', [x, dy, dKernel, dBias, rows, inputs, units, adds])
          }
        }
      }
    })

    it('gives a row the same bits alone as among others', () => {
      const random = new Random(2)
      for (const [m, k, n] of [
        [43, 70, 33],
        [43, 600, 32],
      ]) {
        const [a, b] = [random.uniform(m * k), random.uniform(k * n)]
        const bias = floats(random.uniform(n))
        const multiply = (from: number, count: number, transposeB: number) => {
          const rows = floats(a.slice(from * k, (from + count) * k))
          const out = blank(count * n)
          const sizes = [count, k, n, 0, transposeB, 0]
          return run(backend, 'matmul', [rows, floats(b), bias, out, ...sizes])[0]
        }
        for (const transposeB of flags) {
          const all = multiply(0, m, transposeB)
          for (const row of [0, 1, 7, 30]) {
            for (const count of [1, 5, 13]) {
              const some = multiply(row, count, transposeB)
              const same = all.slice(row * n, (row + count) * n)
              expectClose(some, same, exact, `${count} rows from ${row} on`)
            }
          }
        }
      }
    })

    it('sumRows', () => {
      const random = new Random(3)
      for (const rows of [0, ...sizes]) {
        for (const cols of [0, ...sizes]) {
          const x = random.uniform(rows * cols)
          const vector = random.uniform(cols)
          check('sumRows', [floats(x), floatsOut(vector), rows, cols, 1])
          check('sumRows', [floats(x), blank(cols), rows, cols, 0])
        }
      }
      check('sumRows', [floats(random.uniform(5000 * 3)), floatsOut([1, 2, 3]), 5000, 3, 1])
    })
  })

  describe('element by element', () => {
    it('fill', () => {
      for (const n of [0, ...sizes]) check('fill', [blank(n), 0.75, n], exact)
      check('fill', [blank(3), -Infinity, 3], exact)
    })

    it('addScaled, multiply', () => {
      const random = new Random(4)
      for (const n of [0, ...sizes, 5000]) {
        const [a, b] = [floats(random.uniform(n)), floats(random.uniform(n))]
        check('addScaled', [a, start(random, n, 1), -1.7, n], elementwise)
        for (const accumulate of flags) {
          check('multiply', [a, b, start(random, n, accumulate), n, accumulate], elementwise)
        }
      }
    })

    it('multiply and addScaled into an argument', () => {
      const random = new Random(5)
      const [a, b] = [floatsOut(random.uniform(17)), floats(random.uniform(17))]
      check('multiply', [a, b, a, 17, 0], elementwise)
      check('addScaled', [a, a, 0.5, 17], elementwise)
    })

    it('multiplyRepeated', () => {
      const random = new Random(6)
      for (const [outer, repeat, inner] of [
        ...[0, 1, 3].flatMap((o) => [0, 1, 5].flatMap((r) => sizes.map((i) => [o, r, i]))),
        [40, 7, 20],
        [2, 3, 0],
      ]) {
        for (const accumulate of flags) {
          const n = outer * repeat * inner
          const [x, scale] = [floats(random.uniform(n)), floats(random.uniform(outer * inner))]
          const out = start(random, n, accumulate)
          check('multiplyRepeated', [x, scale, out, outer, repeat, inner, accumulate], elementwise)
        }
      }
    })

    it('copyBlock', () => {
      const random = new Random(7)
      const [x, out] = [random.uniform(2000), random.uniform(2000)]
      for (const rows of [0, 1, 3, 17]) {
        for (const cols of [0, ...sizes]) {
          for (const [xOffset, xExtra, outOffset, outExtra] of [
            [0, 0, 0, 0],
            [5, 3, 0, 0],
            [0, 0, 7, 1],
            [1, 20, 33, 13],
          ]) {
            if (rows * (cols + 20) > 1900) continue
            const [xStride, outStride] = [cols + xExtra, cols + outExtra]
            for (const accumulate of flags) {
              check(
                'copyBlock',
                [
                  ...[floats(x), xOffset, xStride, floatsOut(out), outOffset, outStride],
                  ...[rows, cols, accumulate],
                ],
                accumulate ? elementwise : exact,
              )
            }
          }
        }
      }
    })

    it('reverseTime', () => {
      const random = new Random(8)
      for (const b of [0, 1, 3]) {
        for (const t of [0, 1, 2, 5]) {
          for (const f of [0, ...sizes]) {
            const x = floats(random.uniform(b * t * f))
            check('reverseTime', [x, blank(b * t * f), b, t, f, 0], exact)
            check('reverseTime', [x, start(random, b * t * f, 1), b, t, f, 1], elementwise)
          }
        }
      }
    })
  })

  describe('activations', () => {
    /** Dense around zero, sparse to where float32 overflows in exp, without the kinks. */
    const grid = Float64Array.from({ length: 403 }, (_, i) => {
      const u = (i - 201.37) / 201
      return Math.fround(Math.sign(u) * (3 * Math.abs(u) + 80 * u ** 8))
    })
    const awkward = [0, -0, 1e-30, -1e-30, 1e-4, -1e-4, 100, -100, 1e4, -1e4, 3e38, -3e38]

    describe.each(Object.entries(activationCodes))('%s', (name, code) => {
      it('on a grid', () => {
        check('activate', [code, floats(grid), blank(403), 403], elementwise)
        for (const n of [0, ...sizes])
          check('activate', [code, floats(grid.slice(0, n)), blank(n), n], elementwise)
      })

      it('in place', () => {
        const x = floatsOut(grid.slice(150, 190))
        check('activate', [code, x, x, 40], elementwise)
      })

      it('on zero, tiny and huge numbers', () => {
        const x = awkward.map(Math.fround)
        const [y] = run(backend, 'activate', [code, floats(x), blank(x.length), x.length])
        // The float32 reference overflows where float32 does.
        const [expected] = run(referenceBackend(), 'activate', [
          code,
          floats(x),
          blank(x.length),
          x.length,
        ])
        expectClose(y, expected, elementwise, name)
      })

      it('keeps NaN', () => {
        const x = Float64Array.from({ length: 35 }, (_, i) => (i % 3 === 1 ? Number.NaN : 0.5))
        check('activate', [code, floats(x), blank(35), 35], elementwise)
      })

      it('has its limits at the infinities', () => {
        // x · 0 at -∞ is NaN by arithmetic and 0 by its limit; either will do.
        const limitOnly = ['gelu', 'silu', 'mish'].includes(name)
        // ∞ / ∞ has a limit, too, but no arithmetic gives it.
        if (name === 'softsign') return
        const x = limitOnly ? [Infinity, Infinity] : [Infinity, -Infinity]
        check('activate', [code, floats(x), blank(2), 2], elementwise)
      })

      it('backward', () => {
        const random = new Random(9)
        const [y] = run(referenceBackend(), 'activate', [code, floats(grid), blank(403), 403])
        const finite = y.map((value) => (Number.isFinite(value) ? value : 1e30))
        for (const n of [0, ...sizes, 403]) {
          const dy = floats(random.uniform(n))
          const dx = start(random, n, 1)
          const [x, value] = [floats(grid.slice(0, n)), floats(finite.slice(0, n))]
          const near = { relative: 2e-6, absolute: 3e-7 }
          check('activateBackward', [code, x, value, dy, dx, n, 1], near)
          check('activateBackward', [code, x, value, dy, blank(n), n, 0], near)
        }
      })
    })
  })

  describe('softmax', () => {
    it.each([
      ['softmax', 0],
      ['log-softmax', 1],
    ])('%s and its gradient', (_name, log) => {
      const random = new Random(10)
      for (const rows of [0, 1, 3, 17]) {
        for (const cols of [...sizes, 130]) {
          const n = rows * cols
          const x = floats(random.uniform(n, -8, 8))
          const [y] = check('softmax', [x, blank(n), rows, cols, log], elementwise)
          const dy = floats(random.uniform(n))
          check('softmaxBackward', [floats(y), dy, start(random, n, 1), rows, cols, log])
        }
      }
      check('softmax', [blank(0), blank(0), 3, 0, log], elementwise)
      const x = floatsOut(random.uniform(51))
      check('softmax', [x, x, 3, 17, log], elementwise)
    })

    it('takes large and masked logits', () => {
      const rows = [
        [1e4, 1e4 - 1, -1e4],
        [3e38, 0, -3e38],
        [-Infinity, 0, 1],
        [-1e30, -1e30, -1e30],
        [Number.NaN, 0, 1],
        [0, 1, Number.NaN],
      ]
      for (const row of rows) {
        for (const cols of [3, 19]) {
          const x = Array.from({ length: cols }, (_, c) => Math.fround(row[c] ?? -Infinity))
          check('softmax', [floats(x), blank(cols), 1, cols, 0], elementwise, row.join(' '))
        }
      }
      const x = [1e4, 1e4 - 1, -1e4]
      check('softmax', [floats(x), blank(3), 1, 3, 1], elementwise)
    })
  })

  it('swapAxes', () => {
    const random = new Random(40)
    for (const [a, b, c] of [
      [1, 1, 1],
      [2, 3, 4],
      [1, 17, 5],
      [3, 2, 33],
      [2, 0, 3],
    ]) {
      for (const d of sizes.slice(0, 6)) {
        const n = a * b * c * d
        const x = floats(random.uniform(n))
        check('swapAxes', [x, blank(n), a, b, c, d, 0], exact)
        check('swapAxes', [x, start(random, n, 1), a, b, c, d, 1], elementwise)
      }
    }
  })

  it('normalizeRows and its gradient', () => {
    const random = new Random(41)
    for (const rows of [0, 1, 3, 17]) {
      for (const cols of [...sizes, 130].filter((n) => n > 0)) {
        const n = rows * cols
        const x = floats(random.uniform(n, -3, 5))
        const [gamma, beta, dy] = [cols, cols, n].map((size) => floats(random.uniform(size)))
        for (const [scale, shift] of [
          [gamma, beta],
          [null, null],
        ]) {
          const made = [blank(n), blank(rows), blank(rows), rows, cols]
          const [, mean, factor] = check('normalizeRows', [x, scale, shift, ...made, 1e-3])
          const given = [x, scale, floats(mean), floats(factor), dy]
          check('normalizeRowsBackward', [...given, blank(n), blank(n), rows, cols, 0])
          check('normalizeRowsBackward', [...given, start(random, n, 1), null, rows, cols, 1])
          check('normalizeRowsBackward', [...given, null, blank(n), rows, cols, 0])
        }
      }
    }
  })

  describe('dropout', () => {
    const seeds = [
      [0, 0, 0, 0],
      [0x12345678, -2, 77, 0],
      [-1, -1, -1, -1],
    ]
    it('keeps exactly the elements that Philox says', () => {
      for (const seed of seeds) {
        for (const n of [0, ...sizes, 5001]) {
          for (const rate of [0, 0.1, 0.5, 0.9]) {
            const [mask] = check('dropout', [null, blank(n), n, rate, ...seed, 0], elementwise)
            const [expected] = run(truth, 'dropout', [null, blank(n), n, rate, ...seed, 0])
            expectClose(mask.map(Math.sign), expected.map(Math.sign), exact, 'kept')
            if (n > 5000) expect(mask.filter((m) => m === 0).length / n).toBeCloseTo(rate, 1)
          }
        }
      }
    })

    it('scales, adds, works in place, and drops NaN', () => {
      const random = new Random(11)
      for (const n of sizes) {
        const [x, seed] = [random.uniform(n), seeds[1]]
        check('dropout', [floats(x), blank(n), n, 0.3, ...seed, 0], elementwise)
        check('dropout', [floats(x), start(random, n, 1), n, 0.3, ...seed, 1], elementwise)
        check('dropout', [null, start(random, n, 1), n, 0.3, ...seed, 1], elementwise)
        const inPlace = floatsOut(x)
        check('dropout', [inPlace, inPlace, n, 0.3, ...seed, 0], elementwise)
        const nan = floats(new Float64Array(n).fill(Number.NaN))
        check('dropout', [nan, blank(n), n, 0.3, ...seed, 0], elementwise)
      }
    })
  })

  describe('embedding and pooling', () => {
    it('gather', () => {
      const random = new Random(12)
      for (const n of [0, ...sizes]) {
        for (const dim of sizes) {
          const [table, ids] = [random.uniform(11 * dim), ints(random.integers(n, 11))]
          check('gather', [floats(table), ids, blank(n * dim), n, dim], exact)
          const dOut = floats(random.uniform(n * dim))
          check('gatherBackward', [dOut, ids, floatsOut(table), n, dim])
        }
      }
    })

    const shapes = [0, 1, 3].flatMap((b) =>
      [1, 2, 7].flatMap((t) => [...sizes.map((f) => [b, t, f])]),
    )
    const larger = [...shapes, [40, 5, 19], [2, 0, 3]]
    /** Flags with a row of ones, a row of zeros where there are two, and gaps. */
    function masks(random: Random, b: number, t: number) {
      const valid = random.integers(b * t, 2)
      valid.fill(1, 0, t)
      if (b > 1) valid.fill(0, (b - 1) * t)
      return ints(valid)
    }

    it('poolMean', () => {
      const random = new Random(13)
      for (const [b, t, f] of larger) {
        for (const valid of [null, masks(random, b, t)]) {
          const x = floats(random.uniform(b * t * f))
          check('poolMean', [x, valid, blank(b * f), b, t, f])
          const dOut = floats(random.uniform(b * f))
          check('poolMeanBackward', [dOut, valid, start(random, b * t * f, 1), b, t, f])
        }
      }
    })

    it('poolMax', () => {
      const random = new Random(14)
      for (const [b, t, f] of larger) {
        for (const valid of [null, masks(random, b, t)]) {
          // Few different numbers, so that maxima tie; all negative, so that zero would show.
          const x = Array.from(random.integers(b * t * f, 4), (value) => value - 5)
          const indices = intsOut(new Int32Array(b * f).fill(99))
          const [, argmax] = check(
            'poolMax',
            [floats(x), valid, blank(b * f), indices, b, t, f],
            exact,
          )
          const dOut = floats(random.uniform(b * f))
          const dx = start(random, b * t * f, 1)
          check('poolMaxBackward', [dOut, ints(argmax), dx, b, t, f], elementwise)
        }
      }
      const x = floats([-Infinity, -Infinity, -Infinity])
      check('poolMax', [x, null, blank(1), intsOut([9]), 1, 3, 1], exact)
    })

    it('holdMasked', () => {
      const random = new Random(15)
      for (const [b, t, f] of larger) {
        const valid = masks(random, b, t)
        for (const reverse of flags) {
          for (const zero of flags) {
            const y = floatsOut(random.uniform(b * t * f))
            check('holdMasked', [y, valid, b, t, f, reverse, zero], exact)
            check('holdMaskedBackward', [y, valid, b, t, f, reverse, zero])
          }
        }
      }
    })
  })

  // Arrays large enough to be worth several threads.
  it.skipIf(backend.threads === 1)('gives the same bits whatever the number of threads', () => {
    const random = new Random(30)
    const n = 50_001
    const [rows, cols] = [2381, 21]
    const [a, b] = [floats(random.uniform(n)), floats(random.uniform(n))]
    const weights = floats(random.uniform(cols * 50))
    const ids = ints(random.integers(rows, 300))
    const add = start(random, n, 1)
    const calls: [keyof Kernels, (Argument | number | null)[], Tolerance?][] = [
      ['matmul', [a, weights, null, blank(rows * 50), rows, cols, 50, 0, 0, 0]],
      ['matmul', [a, b, null, blank(cols * cols), cols, rows, cols, 1, 0, 0]],
      ['weightGradients', [a, b, blank(cols * cols), blank(cols), rows, cols, cols, 0]],
      ['matmul', [a, floats(random.uniform(500 * 3000)), add, blank(3000), 1, 500, 3000, 0, 0, 0]],
      ['matmul', [a, b, add, blank(90 * 500), 90, 100, 500, 0, 1, 0]],
      ['addScaled', [a, add, 0.3, n], elementwise],
      ['multiply', [a, b, add, n, 1], elementwise],
      ['sumRows', [a, floatsOut(random.uniform(cols)), rows, cols, 1]],
      ['activate', [activationCodes.gelu, a, blank(n), n], elementwise],
      ['activateBackward', [activationCodes.gelu, a, a, b, add, n, 1], elementwise],
      ['softmax', [a, blank(n), rows, cols, 0], elementwise],
      ['softmaxBackward', [a, b, add, rows, cols, 0]],
      ['swapAxes', [a, blank(n), 1, rows, 7, 3, 0], exact],
      ['normalizeRows', [a, null, null, blank(n), blank(rows), blank(rows), rows, cols, 1e-3]],
      ['dropout', [a, blank(n), n, 0.4, 1, 2, 3, 4, 0], elementwise],
      ['gather', [a, ids, blank(n), rows, cols], exact],
      ['gatherBackward', [b, ids, add, rows, cols]],
      [
        'scatter',
        [b, ints(Int32Array.from({ length: rows }, (_, i) => rows - 1 - i)), ...[add, rows, cols]],
        exact,
      ],
      ['poolMean', [a, null, blank(1000 * 10), 1000, 5, 10]],
      ['poolMeanBackward', [a, null, add, 1000, 5, 10]],
      ['poolMax', [a, null, blank(1000 * 10), intsOut(new Int32Array(10_000)), 1000, 5, 10], exact],
      [
        'loss',
        [
          lossCodes.categoricalCrossentropyLogits,
          a,
          b,
          null,
          b,
          null,
          blank(rows),
          blank(n),
          rows,
          cols,
        ],
      ],
      ['sumSquares', [a, n], { relative: 1e-6 }],
      ['clipValue', [add, 0.5, n], exact],
      ['sgd', [add, a, floatsOut(random.uniform(n)), n, 1, 0.1, 0.9, 1, 0.01], updates],
      [
        'adam',
        [
          ...[add, a, floatsOut(random.uniform(n)), floatsOut(random.uniform(n, 0, 1)), null, n],
          ...[1, 0.1, 0.9, 0.999, 1e-7, 0],
        ],
        updates,
      ],
      [
        'rmsprop',
        [add, a, floatsOut(random.uniform(n, 0, 1)), null, null, n, 1, 0.1, 0.9, 0, 1e-7, 0],
        updates,
      ],
    ]
    for (const [kernel, args, tolerance] of calls) {
      expectSameBits(backend, () => {
        const results = run(backend, kernel, args)
        return Object.fromEntries(results.map((values, i) => [`${kernel} ${i}`, values]))
      })
      check(kernel, args, tolerance, 'large')
    }
  })

  describe('heap', () => {
    it('gives zeroed, aligned memory and counts it', () => {
      const { heap } = backend
      const before = heap.bytesInUse
      for (let round = 0; round < 3; round++) {
        const blocks = [1, 64, 100, 5000, 0].map((bytes) => heap.allocate(bytes))
        for (const block of blocks) {
          expect(block.byteOffset % 64).toBe(0)
          const words = heap.ints(block, 0, block.byteLength >> 2)
          expect(words.every((word) => word === 0)).toBe(true)
          words.fill(-1)
        }
        expect(heap.bytesInUse).toBeGreaterThanOrEqual(before + 5165)
        for (const block of blocks) heap.free(block)
        expect(heap.bytesInUse).toBe(before)
      }
    })

    it('shows one memory to both views', () => {
      const { heap } = backend
      const block = heap.allocate(64)
      heap.ints(block, 16, 1)[0] = 0x3fc00000
      expect(heap.floats(block, 16, 1)[0]).toBe(1.5)
      heap.free(block)
    })
  })
})
