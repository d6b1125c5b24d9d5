import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pick, split } from './split.ts'

test('shares by label', () => {
  const labels = Array.from({ length: 100 }, (_, i) => (i % 4 === 0 ? 'rare' : 'common'))
  const parts = split(labels, { validation: 0.2, test: 0.4, seed: 3 })
  const rare = (part: number[]) => pick(labels, part).filter((label) => label === 'rare').length
  expect([parts.train.length, parts.validation.length, parts.test.length]).toEqual([40, 20, 40])
  expect([rare(parts.train), rare(parts.validation), rare(parts.test)]).toEqual([10, 5, 10])
})

test('the seed decides', () => {
  const labels = Array.from({ length: 50 }, (_, i) => i % 2)
  const of = (seed: number) => split(labels, { test: 0.2, seed })
  expect(of(1)).toEqual(of(1))
  expect(of(1).test).not.toEqual(of(2).test)
})

test('every example is in one part, in order, and shares hold within one example a label', () => {
  const share = fc.double({ min: 0, max: 0.49, noNaN: true })
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1 }),
      share,
      share,
      fc.nat(),
      (labels, validation, test, seed) => {
        const parts = split(labels, { validation, test, seed })
        const all = [...parts.train, ...parts.validation, ...parts.test]
        expect(all.sort((a, b) => a - b)).toEqual(labels.map((_, i) => i))
        for (const label of new Set(labels)) {
          const total = labels.filter((other) => other === label).length
          const count = (part: number[]) => pick(labels, part).filter((l) => l === label).length
          expect(count(parts.train)).toBeGreaterThan(0)
          expect(count(parts.test)).toBeLessThanOrEqual(test * total + 1)
          expect(count(parts.validation)).toBeLessThanOrEqual(validation * total + 1)
        }
        for (const part of Object.values(parts)) {
          expect(part).toEqual([...part].sort((a: number, b: number) => a - b))
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('errors', () => {
  expect(() => split([1], { validation: 0.5, test: 0.5 })).toThrow(
    'split: expected validation and test to leave something for training, got 0.5 and 0.5',
  )
  expect(() => split([1], { validation: 2 })).toThrow(
    'split: validation: expected a finite number from 0 to 1, got 2',
  )
  expect(() => split([1], { sed: 2 } as object)).toThrow(
    "split: unknown option 'sed'; did you mean 'seed'?",
  )
})
