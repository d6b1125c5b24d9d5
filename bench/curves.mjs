/**
 * `npm run bench curves`: a training step and a prediction of one LSTM layer against B, T and U, the
 * other sizes as in medium: cost must grow as the work does.
 */
import { parseArgs } from 'node:util'
import { describeMachine, openMeter, waitForCalm } from './machine.mjs'
import { linePlot } from './plot.mjs'
import { stop, stopOnInterrupt } from './programs.mjs'
import { calm, measureCalmly } from './race.mjs'
import { writeResults } from './results.mjs'
import { flopsOf, workloads } from './workloads.mjs'

/**
 * @typedef {{ axis: string, size: number, program: string, threads: number, train: number,
 *   predict: number }} Point milliseconds
 */

const help = `npm run bench curves -- [options]
  --axis B,T,U    which sizes vary; default all
  --threads 1,2   threads of our backends; default 1,2
  --rounds N      processes for each point, of which the fastest counts; default 2
  --patience N    seconds to wait, in all, for others to leave the machine alone; default 300
  --no-build      takes dist/ as it is
Ctrl-C writes what has been measured. npm run bench report -- A.json B.json joins several runs.`

const options = /** @type {const} */ ({
  axis: { type: 'string', default: 'B,T,U' },
  threads: { type: 'string', default: '1,2' },
  rounds: { type: 'string', default: '2' },
  patience: { type: 'string', default: '300' },
  'no-build': { type: 'boolean' },
  help: { type: 'boolean' },
})

/** Sizes, medium's among them. @type {Record<string, number[]>} */
const axes = { B: powers(1, 512), T: powers(1, 1024), U: powers(8, 1024) }
const [medium] = workloads.filter(({ name }) => name === 'medium')

/** A step of more would take seconds in WebAssembly. */
const mostWasmFlops = 3e10
const seconds = 0.12
/** Where the time grows so many times as much as the work from one size to the next, it is listed. */
const steep = 1.25

/** @param {string[]} args @returns {Promise<number>} exit status */
export async function main(args) {
  const { values } = parseArgs({ args, options })
  if (values.help) {
    console.log(help)
    return 0
  }
  const chosen = values.axis.split(',')
  const unknown = chosen.find((axis) => !(axis in axes))
  if (unknown !== undefined) {
    console.error(`bench curves: --axis: expected some of B,T,U, got '${unknown}'\n${help}`)
    return 1
  }
  if (!values['no-build']) await (await import('../scripts/stages.mjs')).build()
  const { allContestants } = await import('./contestants.mjs')
  const ours = allContestants(values.threads.split(',').map(Number), { compile: false }).filter(
    ({ missing, name }) => !missing && ['Refrain native', 'Refrain wasm relaxed'].includes(name),
  )
  stopOnInterrupt()
  /** @type {Point[]} */
  const points = []
  const patience = { seconds: Number(values.patience) }
  const meter = await openMeter()
  await waitForCalm(calm, patience, meter, stop.signal)
  for (const axis of chosen) {
    for (const size of axes[axis]) {
      const workload = { ...medium, name: `${axis} ${size}`, [axis]: size }
      const field = ours
        .filter(({ name }) => !name.includes('wasm') || flopsOf(workload, 'train') <= mostWasmFlops)
        .map((contestant) => ({ contestant, train: Infinity, predict: Infinity }))
      try {
        for (let round = 0; round < Number(values.rounds); round++) {
          for (const entry of field) {
            const sample = await measureCalmly(entry.contestant, workload, seconds, patience, meter)
            entry.train = Math.min(entry.train, sample.train ?? Infinity)
            entry.predict = Math.min(entry.predict, sample.predict)
          }
        }
      } catch (error) {
        if (!stop.signal.aborted) throw error
        break
      }
      for (const { contestant, train, predict } of field) {
        const { name, threads } = contestant
        points.push({ axis, size, program: name, threads, train, predict })
        const speed = (/** @type {'train' | 'predict'} */ task, /** @type {number} */ time) =>
          `${task} ${time.toPrecision(3)} ms, ${(flopsOf(workload, task) / time / 1e6).toFixed(1)} GFLOP/s`
        const who = `${name}, ${threads} threads`
        console.log(
          `${workload.name}: ${who}: ${speed('train', train)}; ${speed('predict', predict)}`,
        )
      }
    }
  }
  publishCurves({
    command: ['npm run bench curves', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    date: new Date().toISOString(),
    machine: describeMachine(),
    medium,
    points,
  })
  return stop.signal.aborted ? 130 : 0
}

/** Prints the steps, and writes all with the plot. @param {any} result of a run */
export function publishCurves(result) {
  const { points } = result
  console.log(`\nWhere the time grows more than ${steep} times as much as the work`)
  for (const line of stepsOf(points)) console.log(line)
  writeResults('curves', result, linePlot(panelsOf(points)))
}

/** Neighbours on a curve between which the time grows faster than the work. @param {Point[]} points */
function stepsOf(points) {
  return /** @type {const} */ (['train', 'predict']).flatMap((task) =>
    points.flatMap((point) => {
      const { axis, size, program, threads } = point
      const next = points.find(
        (other) =>
          other.axis === axis &&
          other.size === 2 * size &&
          other.program === program &&
          other.threads === threads,
      )
      if (!next) return []
      const work = (/** @type {number} */ value) => flopsOf({ ...medium, [axis]: value }, task)
      const excess = next[task] / point[task] / (work(2 * size) / work(size))
      if (excess < steep) return []
      return `${task}, ${axis} ${size} → ${2 * size}: ${program}, ${threads} threads: ${point[task].toPrecision(3)} → ${next[task].toPrecision(3)} ms, ${excess.toFixed(2)} times the work's growth`
    }),
  )
}

/** @param {Point[]} points */
function panelsOf(points) {
  const lines = [...new Set(points.map(({ program, threads }) => `${program}, ${threads}`))]
  const there = Object.keys(axes).filter((axis) => points.some((point) => point.axis === axis))
  return /** @type {const} */ (['train', 'predict']).flatMap((task) =>
    there.map((axis) => ({
      title: `${task === 'train' ? 'Training step' : 'Prediction'}, ms, against ${axis}`,
      lines: lines.map((name) => ({
        name: `${name} ${name.endsWith(' 1') ? 'thread' : 'threads'}`,
        points: points
          .filter((point) => point.axis === axis && `${point.program}, ${point.threads}` === name)
          .map((point) => /** @type {[number, number]} */ ([point.size, point[task]])),
      })),
    })),
  )
}

/** @param {number} from @param {number} to */
function powers(from, to) {
  const sizes = []
  for (let size = from; size <= to; size *= 2) sizes.push(size)
  return sizes
}
