/**
 * `npm run bench learning -- NAME [--seeds 3] [options of its own]`: how well a task learns real data.
 * Each script of learning/ exports a function of its arguments whose result is an object of numbers, or
 * nothing if its data are not there; it is called with `--seed 0`, `--seed 1`, … A script without that
 * option runs its seeds itself. What has been measured is kept after each seed: a run that was stopped
 * goes on with the next one.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeMachine } from './machine.mjs'
import { writeResults } from './results.mjs'

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))

/**
 * @param {string[]} args
 * @param {{ scripts?: string, results?: string }} [folders]
 * @returns {Promise<number>} exit status
 */
export async function main(
  [name, ...args],
  { scripts = here('learning/'), results = here('results/') } = {},
) {
  const names = benchmarksIn(scripts)
  if (!names.includes(name)) {
    const wrong = name !== undefined && name !== '--help'
    if (wrong) console.error(`bench learning: no benchmark '${name}'`)
    console.log(`npm run bench learning -- NAME [--seeds 3]\n${names.join(', ')}`)
    return wrong ? 1 : 0
  }
  const { own, seeds } = readSeeds(args)
  const { default: measure } = await import(new URL(`file://${scripts}${name}.mjs`).href)
  const partial = `${results}learning-${name}.partial.json`
  const key = JSON.stringify(own)
  const kept = existsSync(partial) ? JSON.parse(readFileSync(partial, 'utf8')) : undefined
  /** @type {{ seed: number | null, seconds: number, result: Record<string, unknown> }[]} */
  const runs = kept?.key === key ? kept.runs : []
  if (runs.length > 0) console.log(`goes on after ${runs.length} of ${seeds}`)
  for (let seed = runs.length; seed < seeds; seed++) {
    const start = performance.now()
    const answer = await measureOne(measure, own, seed, seeds)
    if (!answer.result || answer.result.skipped) {
      if (answer.result) console.log(`skipped: ${answer.result.skipped}`)
      return 0
    }
    const seconds = Number(((performance.now() - start) / 1000).toFixed(1))
    runs.push({ seed: answer.all ? null : seed, seconds, result: answer.result })
    if (answer.all) break
    mkdirSync(results, { recursive: true })
    writeFileSync(partial, JSON.stringify({ key, runs }))
  }
  const result = {
    name,
    date: new Date().toISOString(),
    args: own,
    seeds,
    mean: meansOf(runs.map((run) => run.result)),
    seconds: runs.map((run) => run.seconds),
    machine: describeMachine(),
    versions: await versions(),
    runs,
  }
  writeResults(`learning-${name}`, result, undefined, results)
  rmSync(partial, { force: true })
  return 0
}

/** The scripts that measure; the others are what some of them share. @param {string} folder */
function benchmarksIn(folder) {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.mjs'))
    .filter((file) => readFileSync(folder + file, 'utf8').includes('export default'))
    .map((file) => file.slice(0, -'.mjs'.length))
}

/** --seeds, by default 3, and the other arguments. @param {string[]} args */
function readSeeds(args) {
  const at = args.indexOf('--seeds')
  if (at < 0) return { own: args, seeds: 3 }
  const seeds = Number(args[at + 1])
  if (!Number.isInteger(seeds) || seeds < 1) {
    throw new Error(`--seeds: expected a whole number of at least 1, got '${args[at + 1]}'`)
  }
  return { own: args.toSpliced(at, 2), seeds }
}

/**
 * The script's result for one seed, or for all of them if it takes no --seed.
 *
 * @param {(args: string[]) => Promise<Record<string, unknown>>} measure @param {string[]} own
 * @param {number} seed @param {number} seeds
 */
async function measureOne(measure, own, seed, seeds) {
  try {
    return { result: await measure([...own, '--seed', String(seed)]), all: false }
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error)
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' && message.includes("'--seed'")
    if (!unknown || seed > 0) throw error
  }
  return { result: await measure([...own, '--seeds', String(seeds)]), all: true }
}

/** The mean of each number that all results have. @param {Record<string, unknown>[]} results */
function meansOf(results) {
  const names = Object.keys(results[0]).filter((name) =>
    results.every((result) => typeof result[name] === 'number'),
  )
  const mean = (/** @type {string} */ name) =>
    results.reduce((sum, result) => sum + /** @type {number} */ (result[name]), 0) / results.length
  return Object.fromEntries(names.map((name) => [name, mean(name)]))
}

/** What computed: the package's version and commit, and its backend. */
async function versions() {
  const { version } = JSON.parse(readFileSync(here('../package.json'), 'utf8'))
  const git = ['-C', here('..'), 'rev-parse', '--short', 'HEAD']
  let commit = 'unknown'
  try {
    commit = execFileSync('git', git, { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  } catch {}
  const { REFRAIN_BACKEND: backend = 'default', REFRAIN_THREADS: threads = 'default' } = process.env
  return { refrain: version, commit, backend, threads }
}
