/** The beam against all hypotheses that there are. */
import { expect, test } from 'vitest'
import { Random } from '../../kernels/kernels.case.ts'
import { Beam } from './beam.ts'

const [size, end] = [6, 3]
const pieces = [3, 4, 5]

/** Log probabilities after a prefix, the same each time. */
function logsAfter(prefix: readonly number[], seed: number): number[] {
  const random = new Random(prefix.reduce((hash, id) => hash * 7 + id, seed))
  const scores = [...random.uniform(size)].map((x) => 3 * x)
  const total = Math.log(scores.reduce((sum, x) => sum + Math.exp(x), 0))
  return scores.map((x) => x - total)
}

/** Every hypothesis of at most `limit` pieces, best first. */
function all(limit: number, penalty: number, seed: number) {
  const found: { ids: number[]; score: number }[] = []
  const visit = (prefix: number[], sum: number) => {
    const logs = logsAfter(prefix, seed)
    for (const id of pieces) {
      const now = sum + logs[id]
      const length = prefix.length + 1
      const score = now / length ** penalty
      if (id === end) found.push({ ids: prefix, score })
      else if (length === limit) found.push({ ids: [...prefix, id], score })
      else visit([...prefix, id], now)
    }
  }
  visit([], 0)
  return found.sort((a, b) => b.score - a.score)
}

function search(seeds: number[], limits: number[], beam: number, penalty: number, nBest = 1) {
  const beams = new Beam(limits, { beam, lengthPenalty: penalty, nBest })
  const rows = seeds.length * beam
  const [ids, parents] = [new Int32Array(rows), new Int32Array(rows)]
  let prefixes: number[][] = Array.from({ length: rows }, () => [])
  while (beams.open) {
    const logs = prefixes.flatMap((prefix, row) => logsAfter(prefix, seeds[Math.floor(row / beam)]))
    beams.advance(logs, ids, parents)
    prefixes = [...ids].map((id, row) => [...prefixes[parents[row]], id])
  }
  return seeds.map((_, s) => beams.result(s))
}

test('a beam as wide as the tree finds the best of all hypotheses', () => {
  for (const penalty of [0, 0.7, 1]) {
    // 27 beams hold every hypothesis of three pieces.
    const found = search([1, 2, 3], [3, 4, 2], 27, penalty, 3)
    ;[3, 4, 2].forEach((limit, s) => {
      const best = all(limit, penalty, s + 1)
      found[s].forEach((one, i) => {
        expect(one.score).toBeCloseTo(best[i].score, 12)
        expect(one.ids).toEqual(best[i].ids)
      })
    })
  }
})

test('a beam of one takes the likeliest piece at each step', () => {
  for (let seed = 1; seed < 20; seed++) {
    const ids: number[] = []
    let next = -1
    while (ids.length < 8) {
      const logs = logsAfter(ids, seed)
      next = pieces.reduce((best, id) => (logs[id] > logs[best] ? id : best), end)
      if (next === end) break
      ids.push(next)
    }
    const [[found]] = search([seed], [8], 1, 1)
    expect(found.ids).toEqual(ids)
    expect(found.rows).toHaveLength(ids.length + (next === end ? 1 : 0))
  }
})

test('sentences do not look at one another', () => {
  const together = search([5, 6, 7], [6, 3, 5], 3, 1, 2)
  ;[6, 3, 5].forEach((limit, s) => {
    const [alone] = search([s + 5], [limit], 3, 1, 2)
    expect(together[s].map(({ ids, score }) => ({ ids, score }))).toEqual(
      alone.map(({ ids, score }) => ({ ids, score })),
    )
  })
})
