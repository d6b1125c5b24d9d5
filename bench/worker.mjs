/**
 * One contestant in a process of its own: does the job in its last argument and prints the result as
 * its last line.
 *
 * @typedef {import('./workloads.mjs').Workload} Workload
 * @typedef {object} Engine
 * @property {string} runs backend and instruction set
 * @property {number} threads
 * @property {string} version
 * @property {(workload: Workload, data: import('./workloads.mjs').Data) => EngineModel | Promise<EngineModel>} make
 * @typedef {object} EngineModel
 * @property {(steps: number) => { steps: number, run(): Promise<void> }} [prepareTraining]
 *   gets the data ready, untimed; about that many steps. Missing where the engine only predicts
 * @property {() => void} [update] Adam, where steps of training are without
 * @property {() => Promise<ArrayLike<number>>} predict the last outputs [B,U]
 *
 * @typedef {object} Job
 * @property {{ module: string }} engine
 * @property {'check' | 'measure'} task
 * @property {Workload} workload
 * @property {number} seconds of measuring, training and prediction each; at least one step
 */
import { makeData } from './workloads.mjs'

const samples = 5

/** @param {EngineModel} model */
async function check(model) {
  const before = Array.from(await model.predict())
  if (!model.prepareTraining) return { before }
  const { run } = model.prepareTraining(model.update ? 1 : 5)
  for (let i = 0; i < (model.update ? 5 : 1); i++) {
    await run()
    model.update?.()
  }
  return { before, after: Array.from(await model.predict()) }
}

/**
 * Milliseconds a call, as the median of some samples of as many calls as fit into the time. Warms up
 * first, which also says how many calls that is. Unless a call takes very long, it warms up three times
 * and takes three samples at least: the first calls still lay out their memory.
 *
 * @param {number} seconds @param {(calls: number) => { steps: number, run(): Promise<void> }} prepare
 */
async function time(seconds, prepare) {
  const budget = seconds * 1000
  let calls = 1
  let spent = await clock(prepare(1))
  const least = spent < 4 * budget ? 3 : 1
  for (
    let warm = spent, round = 1;
    warm < budget / 2 || round < least;
    warm += spent * calls, round++
  ) {
    calls = Math.max(calls, Math.min(2 * calls, Math.ceil(budget / samples / spent)))
    spent = await clock(prepare(calls))
  }
  const each = Math.max(1, Math.round(budget / samples / spent))
  const prepared = prepare(each)
  const times = []
  const wanted = Math.min(samples, Math.max(least, Math.round(budget / (spent * each))))
  for (let i = 0; i < wanted; i++) times.push(await clock(prepared))
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length / 2)]
}

/** @param {{ steps: number, run(): Promise<void> }} job */
async function clock({ steps, run }) {
  const start = performance.now()
  await run()
  return (performance.now() - start) / steps
}

/** @type {Job} */
const job = JSON.parse(process.argv.at(-1) ?? '')
const { open } = await import(`./engines/${job.engine.module}.mjs`)
/** @type {Engine} */
const engine = await open(job.engine)
const model = await engine.make(job.workload, makeData(job.workload))
/** @type {Record<string, unknown>} */
const result = { runs: engine.runs, threads: engine.threads, version: engine.version }
if (job.task === 'check') Object.assign(result, await check(model))
else {
  const { prepareTraining } = model
  if (prepareTraining && !job.workload.predictOnly) {
    result.train = await time(job.seconds, prepareTraining)
  }
  result.predict = await time(job.seconds, (steps) => ({
    steps,
    async run() {
      for (let i = 0; i < steps; i++) await model.predict()
    },
  }))
}
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
result.cpuSeconds = (userCPUTime + systemCPUTime) / 1e6
result.peakMegabytes = maxRSS / 1024
console.log(JSON.stringify(result))
process.exit(0)
