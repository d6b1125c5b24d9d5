/** Random numbers: reproducible, independent by purpose, and distributed as they say. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { philox4x32, philoxBlocks } from '../kernels/philox.ts'
import { hash32, Random } from './random.ts'

const n = 100_000
const draw = (next: () => number, count = n) => Float64Array.from({ length: count }, next)

const mean = (values: ArrayLike<number>) => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}
const moment = (values: Float64Array, power: number) => mean(values.map((x) => x ** power))

/** Within four standard deviations of the mean of n draws whose variance is this. */
const expectMean = (found: number, expected: number, variance: number, count = n) =>
  expect(Math.abs(found - expected)).toBeLessThan(4 * Math.sqrt(variance / count))

it('hash32 is FNV-1a', () => {
  // Fowler, Noll and Vo's test vectors.
  expect(hash32('')).toBe(0x811c9dc5)
  expect(hash32('a')).toBe(0xe40c292c)
  expect(hash32('foobar')).toBe(0xbf9cf968)
})

describe('Random', () => {
  it('is Philox, keyed by the seed and the purpose', () => {
    const random = new Random(7, 'foobar')
    const words = Array.from({ length: 150 }, (_, counter) => {
      const block = new Uint32Array(4)
      philox4x32(counter, 0, 0, 0, 7, 0xbf9cf968, block)
      return Array.from(block)
    }).flat()
    // An odd number of words before pairs of them, over the ends of what is drawn ahead.
    const drawn = [random.word()]
    while (drawn.length < 599) {
      const pair = random.uniform() * 2 ** 53
      drawn.push(Math.floor(pair / 2 ** 26), pair % 2 ** 26)
    }
    expect(drawn).toEqual(
      words.slice(0, 599).map((word, i) => (i === 0 ? word : word >>> (i % 2 === 1 ? 5 : 6))),
    )
  })

  it('makes many blocks as it makes one', () => {
    const blocks = new Uint32Array(64)
    const block = new Uint32Array(4)
    fc.assert(
      fc.property(fc.nat(), fc.nat(2 ** 21 - 1), fc.nat(), fc.nat(), (low, high, key0, key1) => {
        const [start, k0, k1] = [2 * (low - (low % 8)), 2 * key0 + 1, 2 * key1]
        philoxBlocks(high * 2 ** 32 + start, k0, k1, blocks)
        for (let i = 0; i < 16; i++) {
          philox4x32(start + i, high, 0, 0, k0, k1, block)
          expect(blocks.slice(4 * i, 4 * i + 4)).toEqual(block)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('repeats itself; other seeds and purposes differ', () => {
    const sequence = (seed: number, purpose: string) => {
      const random = new Random(seed, purpose)
      return draw(() => random.normal(), 50)
    }
    const first = sequence(1, 'init')
    expect(sequence(1, 'init')).toEqual(first)
    expect(sequence(2, 'init')).not.toEqual(first)
    expect(sequence(1, 'shuffle')).not.toEqual(first)
    const others = sequence(1, 'shuffle')
    expect(first.some((value) => others.includes(value))).toBe(false)
  })

  it('is uniform in [0, 1)', () => {
    const random = new Random(1, 'uniform')
    const values = draw(() => random.uniform())
    expect(values.every((u) => u >= 0 && u < 1)).toBe(true)
    expectMean(moment(values, 1), 1 / 2, 1 / 12)
    expectMean(moment(values, 2), 1 / 3, 4 / 45)
    const counts = new Array(20).fill(0)
    for (const u of values) counts[Math.floor(u * 20)]++
    const expected = n / 20
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // 99.9 % of a χ² of 19 degrees of freedom.
    expect(chiSquare).toBeLessThan(43.8)
    const product = values.map((u, i) => (u - 0.5) * (values[(i + 1) % n] - 0.5))
    expectMean(mean(product), 0, 1 / 144)
  })

  it('is normal', () => {
    const random = new Random(2, 'normal')
    const values = draw(() => random.normal())
    // The moments of a standard normal, and the variances of their powers: 1, 2, 15, 96.
    expectMean(moment(values, 1), 0, 1)
    expectMean(moment(values, 2), 1, 2)
    expectMean(moment(values, 3), 0, 15)
    expectMean(moment(values, 4), 3, 96)
    // Shares within 1, 2 and 3 standard deviations.
    for (const [limit, share] of [
      [1, 0.682689],
      [2, 0.9545],
      [3, 0.9973],
    ]) {
      const inside = mean(values.map((x) => (Math.abs(x) < limit ? 1 : 0)))
      expectMean(inside, share, share * (1 - share))
    }
    expectMean(mean(values.map((x, i) => x * values[(i + 1) % n])), 0, 1)
  })

  it('gives whole numbers below a limit', () => {
    const random = new Random(3, 'below')
    const counts = new Array(7).fill(0)
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]++
    for (const count of counts) expectMean(count / 70_000, 1 / 7, 6 / 49, 70_000)
    expect(random.below(1)).toBe(0)
  })

  it('shuffles to a permutation, each as likely', () => {
    const items = Int32Array.from({ length: 1000 }, (_, i) => i)
    const shuffled = new Random(4, 'shuffle').shuffle(items.slice())
    expect(shuffled).not.toEqual(items)
    expect(shuffled.slice().sort()).toEqual(items)
    expect(new Random(4, 'shuffle').shuffle(items.slice())).toEqual(shuffled)

    const random = new Random(5, 'shuffle')
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const key = random.shuffle(['a', 'b', 'c', 'd']).join('')
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    for (const count of counts.values()) expectMean(count / 24_000, 1 / 24, 23 / 576, 24_000)
  })

  it('takes empty and single lists', () => {
    const random = new Random(6, 'shuffle')
    expect(random.shuffle([])).toEqual([])
    expect(random.shuffle(['only'])).toEqual(['only'])
  })
})
