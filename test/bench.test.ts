/** The benchmark's own arithmetic: figures to reach, from rows whose ratios are known. */
import { describe, expect, it } from 'vitest'
import { figures } from '../bench/figures.mjs'
import { summarize } from '../bench/tables.mjs'
import { executedFlops, workloads } from '../bench/workloads.mjs'

type Row = Parameters<typeof summarize>

const contestant = (name: string, threads: number, rival: boolean) =>
  ({ name, threads, rival }) as Row[1]
const sample = (train: number, predict: number) => ({
  train,
  predict,
  peakMegabytes: 100,
  others: 0,
  strength: 1,
})
const lstms = workloads.filter(({ layers, predictOnly, model, B }) => {
  return layers > 0 && !predictOnly && !model && B > 1
})

/** Refrain takes 2 ms at 100 GFLOP/s of peak for each thread; PyTorch so many times as long. */
function run(times: (workload: string) => number) {
  return lstms.flatMap((workload) => {
    const slower = times(workload.name)
    const ours = [sample(3, 1), sample(2, 1), sample(1, 1)]
    return [
      summarize(workload, contestant('Refrain native', 2, false), ours, { gflops: 200 }),
      summarize(workload, contestant('Refrain native', 1, false), [sample(4, 2)], { gflops: 100 }),
      summarize(workload, contestant('PyTorch', 2, true), [sample(2 * slower, slower)]),
      summarize(workload, contestant('PyTorch', 1, true), [sample(9 * slower, 2 * slower)]),
    ]
  })
}

const find = (measured: ReturnType<typeof run>, what: string, against: string) => {
  const found = figures(measured).find((figure) => {
    return figure.what === what && figure.against.startsWith(against)
  })
  if (!found) throw new Error(`no figure ${what} against ${against}`)
  return found
}

describe('figures to reach', () => {
  it('are ratios of medians, geometric means and the least', () => {
    const two = find(
      run((name) => (name === 'wide' ? 2 : 1.6)),
      'training',
      'PyTorch',
    )
    const mean = (2 * 1.6 ** (lstms.length - 1)) ** (1 / lstms.length)
    expect(two.measured).toBe(
      `${lstms.length} workloads, mean ${mean.toFixed(2)}×, least 1.60× (small)`,
    )
    expect(two.met).toBe(true)
    const one = find(
      run(() => 1.25),
      'prediction, 1 thread',
      'PyTorch',
    )
    expect(one.measured).toContain('mean 1.25×, least 1.25×')
    expect(one.met).toBe(true)
  })

  it('one workload below its floor is enough to miss', () => {
    const missed = find(
      run((name) => (name === 'large' ? 1.1 : 9)),
      'training',
      'PyTorch',
    )
    expect(missed.met).toBe(false)
    expect(missed.measured).toContain('least 1.10× (large)')
  })

  it('a missed one says what the peak allows, and whether that would do', () => {
    const measured = run(() => 1.01)
    const missed = find(measured, 'training', 'PyTorch')
    // At the peak a step takes its multiply-adds at 200 GFLOP/s.
    const limits = lstms.map((workload) => 2.02 / (executedFlops(workload, 'train') / 200 / 1e6))
    const mean = Math.exp(limits.reduce((sum, limit) => sum + Math.log(limit), 0) / limits.length)
    expect(missed.limit).toContain(
      `mean ${mean.toFixed(2)}×, least ${Math.min(...limits).toFixed(2)}×`,
    )
    expect(missed.beyond).toBe(Math.min(...limits) < 1.15 || mean < 1.5)
    expect(
      find(
        run(() => 100),
        'training',
        'PyTorch',
      ).beyond,
    ).toBeUndefined()
  })

  it("the multiply-adds that are done: no product with a state of zeros, but with a stream's", () => {
    const named = (name: string) => workloads.find((workload) => workload.name === name)!
    // 8·U·(I + U) a step of one row.
    expect(executedFlops(named('step-128'), 'predict')).toBe(8 * 128 * 256)
    expect(executedFlops(named('seed-step'), 'predict')).toBe(8 * 10 * 50)
    // Of small's 50 steps the first has no R in forward, in its gradient and in that of h.
    const [B, T, I, U] = [32, 50, 32, 64]
    const all = 8 * B * U * T * (3 * U + 2 * I)
    expect(executedFlops(named('small'), 'train')).toBe(all - 8 * B * U * 3 * U)
  })
})
