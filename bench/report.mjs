/** From samples to medians, tables and the results' file. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { flopsOf } from './workloads.mjs'

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
 * @param {import('./speed.mjs').Sample[]} samples
 */
export function summarize(workload, { name, threads }, samples) {
  /** @param {'train' | 'predict'} task */
  const timing = (task) => {
    const times = spread(samples.map((sample) => round(sample[task])))
    return { ...times, gflops: round(flopsOf(workload, task) / times.median / 1e6) }
  }
  return {
    workload,
    contestant: name,
    threads,
    train: timing('train'),
    predict: timing('predict'),
    peakMegabytes: Math.round(Math.max(...samples.map(({ peakMegabytes }) => peakMegabytes))),
    othersUsed: round(Math.max(...samples.map(({ others }) => others))),
  }
}

const round = (/** @type {number} */ value) => Number(value.toPrecision(4))

/** Markdown tables. @param {{ measured: Measured[], yardstick: string }} result */
export function printTables({ measured, yardstick }) {
  for (const task of /** @type {const} */ (['train', 'predict'])) {
    console.log(`\n${task === 'train' ? 'Training step' : 'Prediction of a batch'}\n`)
    const head = ['workload', 'B×T, I→U', 'program', 'threads', 'ms', 'min–max', 'GFLOP/s']
    table([
      [...head, `against ${yardstick}`, 'peak MB', 'used by others'],
      ...measured.map((row) => {
        const { workload, contestant, threads, peakMegabytes, othersUsed } = row
        const { B, T, I, U, layers, name } = workload
        const { median, min, max, gflops } = row[task]
        const rival = measured.find(
          (other) => other.workload.name === name && other.contestant === yardstick,
        )
        return [
          name,
          `${B}×${T}, ${I}→${U}${layers > 1 ? ` (${layers})` : ''}`,
          contestant,
          String(threads),
          short(median),
          `${short(min)}–${short(max)}`,
          short(gflops),
          rival ? `${short(rival[task].median / median)}×` : '',
          String(peakMegabytes),
          `${Math.round(100 * othersUsed)} %`,
        ]
      }),
    ])
  }
}

/** Three digits. @param {number} value */
function short(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(digits)
}

/** @param {string[][]} rows */
function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const line = (/** @type {string[]} */ cells) =>
    `| ${cells.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`
  const [head, ...body] = rows
  console.log(line(head))
  console.log(line(widths.map((width, i) => '-'.repeat(width - 1) + (i < 3 ? '-' : ':'))))
  for (const row of body) console.log(line(row))
}

/**
 * Writes results/NAME-DATE.json, or NAME-DATE-2.json if that exists, and returns its name.
 *
 * @param {string} name @param {{ date: string }} result
 */
export function writeResults(name, result) {
  const folder = new URL('results/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  const day = result.date.slice(0, 10)
  let file = `${name}-${day}.json`
  for (let i = 2; existsSync(new URL(file, folder)); i++) file = `${name}-${day}-${i}.json`
  // Samples stand in one line.
  const text = JSON.stringify(result, null, 2).replace(/\[[-\d.e+,\s]+\]/g, (list) =>
    list.replace(/\s+/g, '').replaceAll(',', ', '),
  )
  writeFileSync(new URL(file, folder), `${text}\n`)
  return file
}
