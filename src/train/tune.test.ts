import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RefrainError } from '../errors.ts'
import { type TuneOptions, type TuneTrial, tune } from './tune.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-tune-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const space = {
  units: { choice: [32, 64, 128] },
  rate: { logUniform: [1e-4, 1e-2] },
  dropout: { uniform: [0.1, 0.5] },
  layers: { integer: [1, 3] },
} as const

describe('random search', () => {
  it('draws as the ranges say, each trial by its number alone', async () => {
    const { evaluations, best } = await tune(space, ({ rate }) => Math.abs(Math.log(rate / 1e-3)), {
      trials: 2000,
    })
    const share = (test: (values: (typeof evaluations)[number]['values']) => boolean) =>
      evaluations.filter(({ values }) => test(values)).length / evaluations.length
    for (const units of [32, 64, 128]) expect(share((v) => v.units === units)).toBeCloseTo(1 / 3, 1)
    for (const n of [1, 2, 3]) expect(share(({ layers }) => layers === n)).toBeCloseTo(1 / 3, 1)
    expect(share(({ rate }) => rate >= 1e-4 && rate < 1e-3)).toBeCloseTo(0.5, 1)
    expect(share(({ rate }) => rate >= 1e-3 && rate <= 1e-2)).toBeCloseTo(0.5, 1)
    expect(share(({ dropout }) => dropout >= 0.1 && dropout < 0.2)).toBeCloseTo(0.25, 1)
    expect(share(({ dropout }) => dropout >= 0.1 && dropout < 0.5)).toBe(1)
    expect(Math.min(...evaluations.map(({ score }) => score!))).toBe(best.score)
    const few = await tune(space, () => 0, { trials: 3 })
    expect(few.evaluations.map(({ values }) => values)).toEqual(
      evaluations.slice(0, 3).map(({ values }) => values),
    )
    expect(few.best.trial).toBe(0)
    const other = await tune(space, () => 0, { trials: 3, seed: 1 })
    expect(other.best.values).not.toEqual(few.best.values)
  })

  it('passes the budget and a seed for each trial', async () => {
    const seen: TuneTrial[] = []
    await tune(space, (_, trial) => seen.push(trial), { trials: 3, maxBudget: 7 })
    expect(seen.map(({ seed: _, ...rest }) => rest)).toEqual(
      [0, 1, 2].map((trial) => ({ trial, budget: 7, spent: 0 })),
    )
    expect(new Set(seen.map(({ seed }) => seed)).size).toBe(3)
  })

  it('puts trials without a number last', async () => {
    const scores = [Number.NaN, 5, Infinity, 3, new RefrainError('NOT_FINITE', 'training step 3')]
    const objective = (_: unknown, { trial }: TuneTrial) => {
      const score = scores[trial]
      if (score instanceof Error) throw score
      return score
    }
    const low = await tune(space, objective, { trials: 5 })
    expect(low.evaluations.map(({ score }) => score)).toEqual([null, 5, null, 3, null])
    expect(low.best).toMatchObject({ trial: 3, score: 3 })
    expect((await tune(space, objective, { trials: 5, goal: 'max' })).best.trial).toBe(1)
    await expect(tune(space, objective, { trials: 1 })).rejects.toThrow(
      'tune: none of 1 trials gave a finite score',
    )
  })
})

describe('successive halving', () => {
  // Table 1 of Li et al. 2018 (R = 81, η = 3), the bracket s = 3: 27 trials of 3, 9 of 9, 3 of 27, 1 of 81.
  const published = { method: 'halving', trials: 27, minBudget: 3, maxBudget: 81, eta: 3 } as const

  it("gives the published bracket's budgets to the best", async () => {
    const { evaluations, best } = await tune(
      space,
      ({ rate }, { budget }) => rate + 1 / budget,
      published,
    )
    const rounds = [3, 9, 27, 81].map((budget) =>
      evaluations.filter((one) => one.budget === budget),
    )
    expect(rounds.map(({ length }) => length)).toEqual([27, 9, 3, 1])
    for (const [i, round] of rounds.slice(1).entries()) {
      const sorted = rounds[i].map(({ values }) => values.rate).sort((a, b) => a - b)
      const rates = round.map(({ values }) => values.rate).sort((a, b) => a - b)
      expect(rates).toEqual(sorted.slice(0, round.length))
    }
    expect(best).toEqual(rounds[3][0])
  })

  it('ends at maxBudget, and says what has been spent', async () => {
    const seen: string[] = []
    const { best } = await tune(
      space,
      (_, { trial, budget, spent }) => {
        seen.push(`${trial}: ${spent} to ${budget}`)
        return -trial
      },
      { method: 'halving', trials: 5, eta: 2, maxBudget: 3 },
    )
    expect(seen).toEqual([
      ...[0, 1, 2, 3, 4].map((trial) => `${trial}: 0 to 1`),
      ...[3, 4].map((trial) => `${trial}: 1 to 2`),
      '4: 2 to 3',
    ])
    expect(best).toMatchObject({ trial: 4, budget: 3 })
  })
})

describe('with a file', () => {
  const searches: [string, TuneOptions][] = [
    ['random', { trials: 8 }],
    ['halving', { method: 'halving', trials: 9, eta: 2 }],
  ]
  it.each(searches)('%s: goes on where it was interrupted', async (name, options) => {
    const objective = ({ rate }: { rate: number }, { budget }: TuneTrial) => rate / budget
    const whole = await tune(space, objective, options)
    const path = join(folder, `${name}.json`)
    let calls = 0
    const interrupted = (values: { rate: number }, trial: TuneTrial) => {
      if (calls === 5) throw new Error('power cut')
      calls++
      return objective(values, trial)
    }
    await expect(tune(space, interrupted, { ...options, path })).rejects.toThrow('power cut')
    const late: number[] = []
    const rest = await tune(space, objective, {
      ...options,
      path,
      onEvaluation: ({ score }) => void late.push(score!),
    })
    expect(rest).toEqual(whole)
    expect(late).toEqual(whole.evaluations.slice(5).map(({ score }) => score))
    // Finished: nothing is computed again.
    const again = await tune(
      space,
      () => {
        throw new Error('called')
      },
      { ...options, path },
    )
    expect(again).toEqual(whole)
  })

  it('random search takes more trials, but no other settings', async () => {
    const path = join(folder, 'more.json')
    await tune(space, ({ rate }) => rate, { trials: 2, path })
    let calls = 0
    await tune(space, () => calls++, { trials: 4, path })
    expect(calls).toBe(2)
    await expect(tune(space, () => 0, { trials: 4, seed: 3, path })).rejects.toThrow(
      "more.json' has seed 0, this one 3; go on with the same settings, or take another path",
    )
    await expect(tune({ a: { choice: [1] } }, () => 0, { trials: 4, path })).rejects.toThrow(
      'has space',
    )
    expect(JSON.parse(readFileSync(path, 'utf8')).evaluations).toHaveLength(4)
    for (const text of ['{}', 'no JSON']) {
      writeFileSync(path, text)
      await expect(tune(space, () => 0, { path })).rejects.toThrow('is not the file of a search')
    }
  })
})

it('says what is wrong', async () => {
  const fails = (given: unknown, options: object = {}) =>
    expect(tune(given as never, () => 0, options as never)).rejects
  await fails({ a: [1, 2] }).toThrow("tune 'a': expected { choice: […] } or uniform, logUniform")
  await fails({ a: { choice: [] } }).toThrow("tune 'a': expected { choice")
  await fails({ a: { uniform: [2, 1] } }).toThrow(
    "tune 'a': expected a finite number of at least 2, got 1",
  )
  await fails({ a: { logUniform: [0, 1] } }).toThrow(
    "tune 'a': expected a finite number of at least",
  )
  await fails({ a: { integer: [0.5, 1] } }).toThrow("tune 'a': expected a whole number")
  await fails({}, { trails: 3 }).toThrow("tune: unknown option 'trails'; did you mean 'trials'?")
  await fails({}, { method: 'grid' }).toThrow(
    "tune 'method': expected 'random' or 'halving', got 'grid'",
  )
  await fails({}, { maxBudget: 0.5 }).toThrow(
    "tune 'maxBudget': expected a finite number of at least 1",
  )
  await expect(tune({}, (() => 'low') as never)).rejects.toThrow(
    "tune: expected a number from the objective, got 'low'",
  )
})
