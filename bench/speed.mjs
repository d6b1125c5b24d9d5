/**
 * `npm run bench speed`: training steps and predictions of LSTM layers, ours and the rivals', in fresh
 * processes that take turns. First everyone has to compute the same numbers on a small model.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkAll, tolerance } from './check.mjs'
import { describeMachine, openMeter, waitForCalm } from './machine.mjs'
import { run, stop, stopOnInterrupt } from './programs.mjs'
import { calm, race } from './race.mjs'
import { publish } from './report.mjs'
import { summarize } from './tables.mjs'
import { probesOf, quick, workloads } from './workloads.mjs'

/** @typedef {import('./contestants.mjs').Contestant} Contestant */

const help = `npm run bench speed -- [options]
  --quick              ${quick.join(', ')}: one process each, short
  --workload a,b       of ${workloads.map(({ name }) => name).join(', ')}; default all
  --only a,b           those whose name or product contains one of the texts, as in refrain,onednn
  --threads 1,2        threads of native programs; default 1,2
  --rounds N           processes for each contestant; default 3
  --patience N         seconds to wait, in all, for others to leave the machine alone; default 300
  --install            also tries to install PyTorch and Keras into bench/.venv
  --compile            PyTorch also with torch.compile, where there is a C++ compiler
  --no-build           takes dist/ and the installed rivals as they are
Ctrl-C writes what has been measured. npm run bench report -- A.json B.json joins several runs.`

const options = /** @type {const} */ ({
  quick: { type: 'boolean' },
  workload: { type: 'string' },
  only: { type: 'string' },
  threads: { type: 'string', default: '1,2' },
  rounds: { type: 'string' },
  patience: { type: 'string', default: '300' },
  install: { type: 'boolean' },
  compile: { type: 'boolean' },
  'no-build': { type: 'boolean' },
  help: { type: 'boolean' },
})

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
  const start = performance.now()
  if (settings.build) await prepare(settings)
  const { allContestants, only } = await import('./contestants.mjs')
  const everyone = allContestants(settings.threads, settings)
  let all = everyone
  try {
    if (settings.only) all = only(everyone, settings.only)
  } catch (error) {
    console.error(`bench speed: ${/** @type {Error} */ (error).message}`)
    return 1
  }
  stopOnInterrupt()
  try {
    return await measureAll(everyone[0], all, settings, { args, start })
  } catch (error) {
    if (!stop.signal.aborted) throw error
    console.error('Stopped before anything was timed')
    return 1
  }
}

/**
 * Checks, times, prints and writes.
 *
 * @param {Contestant} refrain @param {Contestant[]} all
 * @param {NonNullable<ReturnType<typeof readSettings>>} settings
 * @param {{ args: string[], start: number }} call
 */
async function measureAll(refrain, all, settings, { args, start }) {
  const wanted = all.filter(({ runs }) => settings.workloads.some(runs))
  const checked = await checkAll(refrain, wanted, probesOf(settings.workloads))
  const present = wanted.filter(({ missing }) => !missing)
  const missing = leftOut(wanted)
  for (const { name, why } of missing) console.log(`Left out: ${name}: ${why}`)
  if (checked.wrong.length > 0) {
    console.error(`Nothing is timed: ${checked.wrong.join('; ')}`)
    return 1
  }
  console.log(`Everyone computes the same within ${checked.largest.toExponential(1)}`)
  const patience = { seconds: settings.patience }
  const meter = await openMeter()
  const busy = await waitForCalm(calm, patience, meter, stop.signal)
  if (busy > calm.others)
    console.log(`Others use ${percent(busy)} of the machine: the figures will suffer`)

  /** @type {Map<Contestant, Peak>} */
  const peaks = new Map()
  const raced = []
  for (const workload of settings.workloads) {
    if (stop.signal.aborted) break
    const field = present.filter(({ runs }) => runs(workload))
    // Before each workload: the machine may be slow now and fast later.
    await measurePeaks(
      field.filter(({ rival }) => !rival),
      peaks,
    )
    const { timed, failed } = await race(workload, field, settings, patience, meter)
    for (const { contestant, samples } of timed) raced.push({ workload, contestant, samples })
    for (const { name } of failed)
      missing.push({ name: `${name} at ${workload.name}`, why: 'it failed' })
  }
  const measured = raced.map(({ workload, contestant, samples }) =>
    summarize(workload, contestant, samples, peaks.get(contestant)),
  )
  const { bundleForBrowser, smallProgram } = await import('../scripts/bundle.mjs')
  const { size, gzip } = await bundleForBrowser(smallProgram)
  publish(settings.quick ? 'speed-quick' : 'speed', {
    command: ['npm run bench speed', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    date: new Date().toISOString(),
    minutes: Math.round((performance.now() - start) / 6000) / 10,
    ...(stop.signal.aborted ? { interrupted: true } : {}),
    machine: describeMachine(),
    versions: checked.versions,
    settings: { rounds: settings.rounds, seconds: settings.seconds, calm },
    check: { tolerance, largestDifference: checked.largest },
    missing,
    peaks: [...new Set(peaks.values())],
    bundle: { size, gzip },
    measured,
  })
  return stop.signal.aborted ? 130 : 0
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
    only: values.only?.split(',').map((text) => text.trim()),
    threads: values.threads.split(',').map((text) => whole('--threads', text)),
    rounds: whole('--rounds', values.rounds ?? (short ? '1' : '3')),
    seconds: short ? 0.25 : 0.6,
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

/**
 * @typedef {{ backend: string, threads: number, gflops: number, product: number }} Peak GFLOP/s of a
 *   backend with its threads: in registers, and in one large product
 */

/**
 * Measures what our backends reach, once for all contestants on the same one, and keeps the best so far.
 *
 * @param {Contestant[]} ours @param {Map<Contestant, Peak>} peaks
 */
async function measurePeaks(ours, peaks) {
  const program = fileURLToPath(new URL('peak.mjs', import.meta.url))
  /** @type {Map<string, Peak>} */
  const found = new Map()
  for (const contestant of ours) {
    const { name, threads, env, command } = contestant
    const key = JSON.stringify(env)
    let peak = found.get(key)
    if (!peak) {
      const now = await run(`${name}, peak`, [...command.slice(0, -1), program], env)
      const best = peaks.get(contestant)
      const [gflops, product] = /** @type {const} */ (['gflops', 'product']).map((what) =>
        Math.max(now[what], best?.[what] ?? 0),
      )
      peak = { backend: env.REFRAIN_BACKEND, threads, gflops, product }
      found.set(key, peak)
    }
    peaks.set(contestant, peak)
  }
}

/**
 * Builds the library and installs the rivals, where that has not been done. What fails is left out.
 *
 * @param {{ install: boolean }} settings
 */
async function prepare({ install }) {
  const { attempt, build, run: runProgram } = await import('../scripts/stages.mjs')
  await build()
  const rivals = await import('./rivals.mjs')
  if (rivals.missingPackages().length > 0 && !rivals.packagesAreLinked()) {
    const args = ['ci', '--prefix', 'bench', '--ignore-scripts', '--no-audit', '--no-fund']
    await attempt('rivals', () => runProgram('npm', args, { shell: process.platform === 'win32' }))
  }
  if (rivals.oneDnnToBuild()) await attempt('oneDNN', () => runProgram(...rivals.oneDnnBuild()))
  for (const { name, programs } of install ? rivals.pythonInstalls() : []) {
    await attempt(name, async () => {
      for (const [program, args] of programs) await runProgram(program, args)
    })
  }
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`
