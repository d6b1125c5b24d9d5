/**
 * `npm run bench curves`: a training step and a prediction of one LSTM layer against B, T and U, the
 * other sizes as in medium: cost must grow as the work does.
 */
import { parseArgs } from 'node:util'
import { describeMachine, waitForCalm } from './machine.mjs'
import { linePlot } from './plot.mjs'
import { writeResults } from './report.mjs'
import { flopsOf, workloads } from './workloads.mjs'

const help = `npm run bench curves -- [options]
  --threads 1,2   threads of our backends; default 1,2
  --rounds N      processes for each point, of which the fastest counts; default 2
  --no-build      takes dist/ as it is`

const options = /** @type {const} */ ({
  threads: { type: 'string', default: '1,2' },
  rounds: { type: 'string', default: '2' },
  'no-build': { type: 'boolean' },
  help: { type: 'boolean' },
})

/** Sizes, medium's among them. @type {Record<'B' | 'T' | 'U', number[]>} */
const axes = { B: powers(1, 512), T: powers(1, 1024), U: powers(8, 1024) }

/** A step of more would take seconds in WebAssembly. */
const mostWasmFlops = 3e10
const seconds = 0.3

/** @param {string[]} args @returns {Promise<number>} exit status */
export async function main(args) {
  const { values } = parseArgs({ args, options })
  if (values.help) {
    console.log(help)
    return 0
  }
  if (!values['no-build']) await (await import('../scripts/stages.mjs')).build()
  const { allContestants } = await import('./contestants.mjs')
  const { work } = await import('./speed.mjs')
  const threads = values.threads.split(',').map(Number)
  const ours = allContestants(threads, { compile: false }).filter(
    ({ rival, missing, name }) => !rival && !missing && !name.includes('simd128'),
  )
  const [medium] = workloads.filter(({ name }) => name === 'medium')
  const points = []
  const patience = { seconds: 300 }
  for (const [axis, sizes] of Object.entries(axes)) {
    for (const size of sizes) {
      const workload = { ...medium, name: `${axis} ${size}`, [axis]: size }
      for (const contestant of ours) {
        const { name } = contestant
        if (name.includes('wasm') && flopsOf(workload, 'train') > mostWasmFlops) continue
        const samples = []
        for (let round = 0; round < Number(values.rounds); round++) {
          await waitForCalm(0.1, patience)
          samples.push(await work(contestant, 'measure', workload, seconds))
        }
        const train = Math.min(...samples.map((sample) => sample.train))
        const predict = Math.min(...samples.map((sample) => sample.predict))
        points.push({ axis, size, program: name, threads: samples[0].threads, train, predict })
        const speed = (/** @type {'train' | 'predict'} */ task, /** @type {number} */ time) =>
          `${task} ${time.toPrecision(3)} ms, ${(flopsOf(workload, task) / time / 1e6).toFixed(1)} GFLOP/s`
        const who = `${name}, ${samples[0].threads} threads`
        console.log(
          `${workload.name}: ${who}: ${speed('train', train)}; ${speed('predict', predict)}`,
        )
      }
    }
  }
  const result = { date: new Date().toISOString(), machine: describeMachine(), medium, points }
  const file = writeResults('curves', result, linePlot(panelsOf(points)))
  console.log(`\nWritten to bench/results/${file}`)
  return 0
}

/** @param {{ axis: string, size: number, program: string, threads: number, train: number, predict: number }[]} points */
function panelsOf(points) {
  const lines = [...new Set(points.map(({ program, threads }) => `${program}, ${threads}`))]
  return /** @type {const} */ (['train', 'predict']).flatMap((task) =>
    Object.keys(axes).map((axis) => ({
      title: `${task === 'train' ? 'Training step' : 'Prediction'}, ms, against ${axis}`,
      lines: lines.map((name) => ({
        name,
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
