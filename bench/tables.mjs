/** From samples to medians, tables and panels of the plot. */
import { executedFlops, flopsOf } from './workloads.mjs'

/**
 * @typedef {{ median: number, min: number, max: number, samples: number[] }} Spread
 * @typedef {ReturnType<typeof summarize>} Measured
 */

/** @param {number[]} samples @returns {Spread} */
function spread(samples) {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) ?? median, samples }
}

/**
 * @param {import('./workloads.mjs').Workload} workload
 * @param {import('./contestants.mjs').Contestant} contestant
 * @param {import('./race.mjs').Sample[]} samples
 * @param {{ gflops: number }} [peak] GFLOP/s that its backend reaches with its threads
 */
export function summarize(workload, { name, rival, threads }, samples, peak) {
  /** @param {'train' | 'predict'} task */
  const timing = (task) => {
    const values = samples.flatMap((sample) => sample[task] ?? [])
    if (values.length === 0) return undefined
    const times = spread(values.map(round))
    return { ...times, gflops: round(flopsOf(workload, task) / times.median / 1e6) }
  }
  const train = timing('train')
  const share = (/** @type {number} */ flops) =>
    train && peak ? round(flops / train.median / 1e6 / peak.gflops) : 0
  return {
    workload,
    contestant: name,
    rival,
    threads,
    train,
    share:
      train && peak
        ? {
            nominal: share(flopsOf(workload, 'train')),
            executed: share(executedFlops(workload, 'train')),
          }
        : undefined,
    peak: peak && round(peak.gflops),
    predict: timing('predict'),
    peakMegabytes: Math.round(Math.max(...samples.map(({ peakMegabytes }) => peakMegabytes))),
    othersUsed: round(Math.max(...samples.map(({ others }) => others))),
    strength: round(Math.min(...samples.map(({ strength }) => strength))),
  }
}

const round = (/** @type {number} */ value) => Number(value.toPrecision(4))

/** Markdown tables of times and of ratios. @param {{ measured: Measured[] }} result */
export function printTables({ measured }) {
  for (const task of /** @type {const} */ (['train', 'predict'])) {
    const rows = measured.flatMap((row) => {
      const timing = row[task]
      return timing ? [{ ...row, timing }] : []
    })
    if (rows.length === 0) continue
    console.log(`\n${task === 'train' ? 'Training step' : 'Prediction of a batch'}\n`)
    const head = ['workload', 'B×T, I→U', 'program', 'threads', 'ms', 'min–max', 'GFLOP/s']
    const shares = task === 'train' ? ['of peak', 'executed'] : []
    table([
      [...head, ...shares, 'peak MB', 'used by others', 'cores'],
      ...rows.map(({ workload, contestant, threads, timing, share, ...row }) => {
        const { B, T, I, U, layers, name } = workload
        const { median, min, max, gflops } = timing
        return [
          name,
          `${B}×${T}, ${I}→${U}${layers > 1 ? ` (${layers})` : ''}`,
          contestant,
          String(threads),
          short(median),
          `${short(min)}–${short(max)}`,
          short(gflops),
          ...shares.map((_, i) => (share ? percent(i === 0 ? share.nominal : share.executed) : '')),
          String(row.peakMegabytes),
          percent(row.othersUsed),
          // Files from before it was measured have none.
          row.strength === undefined ? '' : percent(row.strength),
        ]
      }),
    ])
    printRatios(rows)
  }
}

/**
 * How many times as fast as each rival: as the rival's fastest run with at most as many threads.
 *
 * @param {{ workload: { name: string }, contestant: string, rival: boolean, threads: number,
 *   timing: Spread }[]} rows
 */
function printRatios(rows) {
  const rivals = [...new Set(rows.flatMap(({ rival, contestant }) => (rival ? contestant : [])))]
  if (rivals.length === 0) return
  console.log('\nTimes as fast as each rival with at most as many threads\n')
  table([
    ['workload', 'program', 'threads', ...rivals],
    ...rows
      .filter(({ rival }) => !rival)
      .map(({ workload, contestant, threads, timing }) => {
        const ratios = rivals.map((name) => {
          const times = rows
            .filter((row) => row.contestant === name && row.workload.name === workload.name)
            .flatMap((row) => (row.threads <= threads ? row.timing.median : []))
          return times.length > 0 ? `${short(Math.min(...times) / timing.median)}×` : ''
        })
        return [workload.name, contestant, String(threads), ...ratios]
      }),
  ])
}

/** Figures to reach, and whether this run did. @param {import('./figures.mjs').Figure[]} figures */
export function printFigures(figures) {
  if (figures.length === 0) return
  console.log('\nFigures to reach, where this run holds what they need\n')
  table(
    [
      ['what', 'against', 'to reach', 'measured', 'at the peak', 'met'],
      ...figures.map(({ what, against, target, measured, limit = '', met, beyond }) => [
        what,
        against,
        target,
        measured,
        limit,
        met === undefined ? '–' : met ? 'yes' : beyond ? 'no, nor could it be' : 'no',
      ]),
    ],
    6,
  )
}

/** Bars for the plot: the fastest of each rival over our fastest native run. @param {Measured[]} measured */
export function panelsOf(measured) {
  return /** @type {const} */ (['train', 'predict']).map((task) => {
    const names = [...new Set(measured.map(({ workload }) => workload.name))]
    const groups = names.map((name) => {
      const rows = measured.filter((row) => row.workload.name === name && row[task])
      const median = (/** @type {Measured} */ row) => row[task]?.median ?? Infinity
      const ours = rows.filter(({ contestant }) => contestant === 'Refrain native').map(median)
      const rivals = [...new Set(rows.flatMap((row) => (row.rival ? [row.contestant] : [])))]
      const bars = rivals.map((rival) => ({
        name: rival,
        value:
          Math.min(...rows.filter((row) => row.contestant === rival).map(median)) /
          Math.min(...ours),
      }))
      return { name, bars: bars.filter(({ value }) => value > 0 && value < Infinity) }
    })
    const title = `${task === 'train' ? 'Training step' : 'Prediction'}: times as fast as each rival, Refrain native, each at its best number of threads`
    return { title, groups: groups.filter(({ bars }) => bars.length > 0) }
  })
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`

/** Three digits. @param {number} value */
function short(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(digits)
}

/** Columns from `threads` on hold numbers. @param {string[][]} rows */
function table(rows, texts = rows[0].indexOf('threads')) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const line = (/** @type {string[]} */ cells) =>
    `| ${cells.map((cell, i) => (i < texts ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`
  const [head, ...body] = rows
  console.log(line(head))
  console.log(line(widths.map((width, i) => '-'.repeat(width - 1) + (i < texts ? '-' : ':'))))
  for (const row of body) console.log(line(row))
}
