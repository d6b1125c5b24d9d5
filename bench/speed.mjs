/**
 * `npm run bench speed`: training steps and predictions of LSTM layers, ours and the rivals', in fresh
 * processes that take turns. First everyone has to compute the same numbers on a small model.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { figures } from './figures.mjs'
import { describeMachine, waitForCalm, watch } from './machine.mjs'
import { barPlot } from './plot.mjs'
import { panelsOf, printFigures, printTables, summarize, writeResults } from './report.mjs'
import { probesOf, quick, workloads } from './workloads.mjs'

/**
 * @typedef {import('./contestants.mjs').Contestant} Contestant
 * @typedef {import('./workloads.mjs').Workload} Workload
 * @typedef {{ train?: number, predict: number, peakMegabytes: number, others: number }} Sample
 *   milliseconds; `others`: share of the machine that other programs used meanwhile
 */

const help = `npm run bench speed -- [options]
  --quick              ${quick.join(', ')}: one process each, short
  --workload a,b       of ${workloads.map(({ name }) => name).join(', ')}; default all
  --threads 1,2        threads of native programs; default 1,2
  --rounds N           processes for each contestant; default 3
  --patience N         seconds to wait, in all, for others to leave the machine alone; default 300
  --install            also tries to install PyTorch and Keras into bench/.venv
  --compile            PyTorch also with torch.compile, where there is a C++ compiler
  --no-build           takes dist/ and the installed rivals as they are`

const options = /** @type {const} */ ({
  quick: { type: 'boolean' },
  workload: { type: 'string' },
  threads: { type: 'string', default: '1,2' },
  rounds: { type: 'string' },
  patience: { type: 'string', default: '300' },
  install: { type: 'boolean' },
  compile: { type: 'boolean' },
  'no-build': { type: 'boolean' },
  help: { type: 'boolean' },
})

/** Share of the machine that others may use while something is timed. */
const calm = 0.1
/** A rival that takes so many times as long as the slowest of ours in the first round is done. */
const farBehind = 2
/** How often to time again if it did not last, as long as patience lasts. */
const retries = 3

/** A forward pass, and one after five steps of Adam, may differ by rounding alone. */
const tolerance = 1e-4

/** @param {string[]} args @returns {Promise<number>} exit status */
export async function main(args) {
  let settings
  try {
    settings = readSettings(args)
  } catch (error) {
    console.error(`bench speed: ${/** @type {Error} */ (error).message}\n${help}`)
    return 1
  }
  if (settings === null) {
    console.log(help)
    return 0
  }
  if (settings.build) await prepare(settings)
  const { allContestants } = await import('./contestants.mjs')
  const all = allContestants(settings.threads, settings)
  const checked = await checkAll(
    all.filter(({ missing }) => !missing),
    probesOf(settings.workloads),
  )
  const present = all.filter(({ missing }) => !missing)
  const missing = leftOut(all)
  for (const { name, why } of missing) console.log(`Left out: ${name}: ${why}`)
  if (checked.wrong.length > 0) {
    console.error(`Nothing is timed: ${checked.wrong.join('; ')}`)
    return 1
  }
  const patience = { seconds: settings.patience }
  const busy = await waitForCalm(calm, patience)
  if (busy > calm)
    console.log(`Others use ${percent(busy)} of the machine: the figures will suffer`)

  const peaks = await measurePeaks(present.filter(({ rival }) => !rival))
  const measured = []
  for (const workload of settings.workloads) {
    const field = present.filter(({ runs }) => runs(workload))
    for (const { contestant, samples } of await race(workload, field, settings, patience)) {
      measured.push(summarize(workload, contestant, samples, peaks.get(contestant)))
    }
  }
  const result = {
    command: ['npm run bench speed', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    date: new Date().toISOString(),
    machine: describeMachine(),
    versions: checked.versions,
    settings: { rounds: settings.rounds, seconds: settings.seconds, calm },
    check: { tolerance, largestDifference: checked.largest },
    missing,
    peaks: [...peaks].map(([{ name, threads }, gflops]) => ({ name, threads, gflops })),
    figures: figures(measured),
    measured,
  }
  printTables(result)
  printFigures(result.figures)
  const plot = barPlot(panelsOf(measured))
  const file = writeResults(settings.quick ? 'speed-quick' : 'speed', result, plot)
  console.log(`\nWritten to bench/results/${file}`)
  return 0
}

/** @param {string[]} args */
function readSettings(args) {
  const { values } = parseArgs({ args, options })
  if (values.help) return null
  const short = values.quick ?? false
  const names = values.workload?.split(',') ?? (short ? quick : workloads.map(({ name }) => name))
  const chosen = names.map((name) => {
    const found = workloads.find((workload) => workload.name === name)
    if (!found) throw new Error(`--workload: no workload '${name}'`)
    return found
  })
  const whole = (/** @type {string} */ option, /** @type {string} */ text, least = 1) => {
    const number = Number(text)
    if (text !== '' && Number.isInteger(number) && number >= least) return number
    throw new Error(`${option}: expected whole numbers from ${least}, got '${text}'`)
  }
  return {
    quick: short,
    workloads: chosen,
    threads: values.threads.split(',').map((text) => whole('--threads', text)),
    rounds: whole('--rounds', values.rounds ?? (short ? '1' : '3')),
    seconds: short ? 0.3 : 0.6,
    patience: whole('--patience', values.patience, 0),
    install: values.install ?? false,
    compile: values.compile ?? false,
    build: !values['no-build'],
  }
}

/** Those that cannot run here, each once unless its threads matter. @param {Contestant[]} contestants */
function leftOut(contestants) {
  const reasons = new Map()
  for (const { name, threads, missing, rival } of contestants) {
    if (missing) reasons.set(rival ? name : `${name}, ${threads} threads`, missing)
  }
  return [...reasons].map(([name, why]) => ({ name, why }))
}

/** GFLOP/s that our backends reach in registers, with their threads. @param {Contestant[]} ours */
async function measurePeaks(ours) {
  /** @type {Map<Contestant, number>} */
  const peaks = new Map()
  const program = fileURLToPath(new URL('peak.mjs', import.meta.url))
  for (const contestant of ours) {
    const command = [...contestant.command.slice(0, -1), program]
    const { gflops } = await run(contestant.name, command, contestant.env)
    peaks.set(contestant, gflops)
  }
  return peaks
}

/**
 * Builds the library and installs the rivals, where that has not been done. What fails is left out.
 *
 * @param {{ install: boolean }} settings
 */
async function prepare({ install }) {
  const { attempt, build, run } = await import('../scripts/stages.mjs')
  await build()
  const rivals = await import('./rivals.mjs')
  if (rivals.missingPackages().length > 0) {
    const args = ['ci', '--prefix', 'bench', '--ignore-scripts', '--no-audit', '--no-fund']
    await attempt('rivals', () => run('npm', args, { shell: process.platform === 'win32' }))
  }
  if (rivals.oneDnnToBuild()) await attempt('oneDNN', () => run(...rivals.oneDnnBuild()))
  for (const { name, programs } of install ? rivals.pythonInstalls() : []) {
    await attempt(name, async () => {
      for (const [program, args] of programs) await run(program, args)
    })
  }
}

/**
 * Has everyone compute the same models; rivals that fail become missing.
 *
 * @param {Contestant[]} contestants @param {Workload[]} probes
 */
async function checkAll(contestants, probes) {
  /** @type {Record<string, string>} */
  const versions = {}
  /** @type {string[]} */
  const wrong = []
  let largest = 0
  const reference = { ...contestants[0], env: { REFRAIN_BACKEND: 'reference:float64' } }
  for (const probe of probes) {
    /** @type {any} */
    let truth
    for (const contestant of [reference, ...contestants]) {
      if (contestant.missing || !contestant.runs(probe)) continue
      progress(`${probe.name}: ${contestant.name}`)
      /** @type {any} */
      let result
      try {
        result = await work(contestant, 'check', probe, 0)
      } catch (error) {
        if (!contestant.rival) throw error
        // The message may hold paths, which have no place in the results.
        console.error(/** @type {Error} */ (error).message.trimEnd())
        contestant.missing = 'it does not run'
        continue
      }
      versions[contestant.product] = result.version
      if (!contestant.rival && result.threads < contestant.threads) {
        contestant.missing = `it has ${result.threads} threads here`
        continue
      }
      if (contestant.other) continue
      truth ??= result
      for (const when of contestant.predictOnly ? ['before'] : ['before', 'after']) {
        const difference = Math.max(
          ...result[when].map((/** @type {number} */ value, /** @type {number} */ i) =>
            Math.abs(value - truth[when][i]),
          ),
        )
        // Also true of NaN.
        if (!(difference <= tolerance)) {
          wrong.push(
            `${contestant.name} differs by ${difference} at ${probe.name} ${when} training`,
          )
        }
        largest = Math.max(largest, difference)
      }
    }
  }
  progress('')
  console.log(`Everyone computes the same within ${largest.toExponential(1)}`)
  return { versions, wrong, largest }
}

/**
 * Everyone in turn, as many rounds as wanted: A B C A B C …
 *
 * @param {Workload} workload @param {Contestant[]} field
 * @param {{ rounds: number, seconds: number }} settings
 * @param {{ seconds: number }} patience what is left of it
 */
async function race(workload, field, { rounds, seconds }, patience) {
  const results = field.map((contestant) => ({
    contestant,
    samples: /** @type {Sample[]} */ ([]),
  }))
  const first = (/** @type {Sample[]} */ [{ train, predict }]) => train ?? predict
  const isNear = (/** @type {typeof results[number]} */ { contestant, samples }) =>
    !contestant.rival ||
    first(samples) <
      farBehind * Math.max(...results.map((our) => (our.contestant.rival ? 0 : first(our.samples))))
  for (let round = 1; round <= rounds; round++) {
    for (const { contestant, samples } of round === 1 ? results : results.filter(isNear)) {
      const who = `${contestant.name}, ${contestant.threads} threads`
      progress(`${workload.name}, round ${round} of ${rounds}: ${who}`)
      samples.push(await measureCalmly(contestant, workload, seconds, patience))
    }
  }
  progress('')
  return results
}

/**
 * The calmest of a few attempts; one if it is calm or patience is at its end.
 *
 * @param {Contestant} contestant @param {Workload} workload @param {number} seconds
 * @param {{ seconds: number }} patience
 */
async function measureCalmly(contestant, workload, seconds, patience) {
  /** @type {Sample | undefined} */
  let best
  for (let attempt = 0; attempt <= retries; attempt++) {
    await waitForCalm(calm, patience)
    const share = watch()
    const result = await work(contestant, 'measure', workload, seconds)
    const others = share(result.cpuSeconds)
    const { train, predict, peakMegabytes } = result
    if (!best || others < best.others) best = { train, predict, peakMegabytes, others }
    if (best.others <= calm || patience.seconds <= 0) break
    patience.seconds -= result.cpuSeconds
  }
  return /** @type {Sample} */ (best)
}

/**
 * Runs one job in a fresh process; what it prints as its last line.
 *
 * @param {Contestant} contestant @param {'check' | 'measure'} task @param {Workload} workload
 * @param {number} seconds @returns {Promise<any>}
 */
export function work({ name, command, env, engine }, task, workload, seconds) {
  const job = JSON.stringify({ engine, task, workload, seconds })
  return run(`${name} at ${workload.name}`, [...command, job], env)
}

/**
 * Runs a program to what it prints as its last line.
 *
 * @param {string} what @param {string[]} command @param {Record<string, string>} env
 * @returns {Promise<any>}
 */
function run(what, [program, ...args], env) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('error', fail)
    child.on('close', (status) => {
      if (status === 0) done(JSON.parse(output.trimEnd().split('\n').at(-1) ?? ''))
      else fail(new Error(`${what} failed with ${status}\n${errors}`))
    })
  })
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`

/** Rewrites one line on a terminal; silent elsewhere. @param {string} text */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
