/**
 * `npm run bench report -- A.json B.json …`: joins runs of one machine and one day, as one long run would
 * have been, and prints and writes the whole: of `speed`, or of `curves`.
 *
 * A workload is taken from the last file that has it, with everyone who ran there: ratios are of programs
 * that took turns.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { publishCurves } from './curves.mjs'
import { figures } from './figures.mjs'
import { barPlot } from './plot.mjs'
import { writeResults } from './results.mjs'
import { panelsOf, printFigures, printTables } from './tables.mjs'
import { workloads } from './workloads.mjs'

/** @param {string[]} args files @returns {Promise<number>} exit status */
export async function main(args) {
  if (args.length === 0 || args.includes('--help')) {
    console.log('npm run bench report -- bench/results/A.json bench/results/B.json …')
    return args.length === 0 ? 1 : 0
  }
  try {
    const runs = args.map(read)
    checkTogether(args, runs)
    if (runs[0].points)
      publishCurves(
        join(
          runs,
          (run) => run.points,
          ({ axis }) => axis,
        ),
      )
    else publish('speed', joinSpeed(runs))
    return 0
  } catch (error) {
    console.error(`bench report: ${/** @type {Error} */ (error).message}`)
    return 1
  }
}

/** Prints the tables and the figures to reach, and writes all with the plot. @param {string} name @param {any} result */
export function publish(name, result) {
  const whole = { ...result, figures: figures(result.measured, result.bundle) }
  printTables(whole)
  printFigures(whole.figures)
  writeResults(name, whole, barPlot(panelsOf(whole.measured)))
}

/** @param {string} file as given: npm starts in the root @returns {any} */
function read(file) {
  try {
    return JSON.parse(readFileSync(resolve(process.env.INIT_CWD ?? '.', file), 'utf8'))
  } catch (error) {
    throw new Error(`${file}: ${/** @type {Error} */ (error).message}`)
  }
}

/** @param {string[]} files @param {any[]} runs */
function checkTogether(files, [first, ...others]) {
  const facts = (/** @type {any} */ { machine, date, versions, points }) =>
    /** @type {const} */ ([
      ['benchmark', points ? 'curves' : 'speed'],
      ['machine', JSON.stringify(machine)],
      ['day', date.slice(0, 10)],
      ...Object.entries(versions ?? {}),
    ])
  const wanted = new Map(facts(first))
  others.forEach((run, i) => {
    for (const [name, value] of facts(run)) {
      const other = wanted.get(name) ?? value
      if (other === value) continue
      throw new Error(
        `expected runs that agree in everything; ${name}: ${files[0]} has ${other}, ${files[i + 1]} has ${value}`,
      )
    }
  })
}

/**
 * The items of all runs, each kind of them from the last run that has it.
 *
 * @template T @param {any[]} runs @param {(run: any) => T[]} items @param {(item: T) => string} kind
 */
function join(runs, items, kind) {
  const home = new Map(runs.flatMap((run) => items(run).map((item) => [kind(item), run])))
  const joined = runs.flatMap((run) => items(run).filter((item) => home.get(kind(item)) === run))
  return { ...head(runs), ...(runs[0].points ? { points: joined } : { measured: joined }) }
}

/** What describes all of them. @param {any[]} runs */
function head(runs) {
  const last = runs.at(-1)
  return {
    ...last,
    command: runs.flatMap(({ command }) => command),
    versions: Object.assign({}, ...runs.map(({ versions }) => versions)),
    interrupted: runs.some(({ interrupted }) => interrupted) || undefined,
  }
}

/** @param {any[]} runs */
function joinSpeed(runs) {
  const joined = join(
    runs,
    ({ measured }) => measured,
    ({ workload }) => workload.name,
  )
  const order = workloads.map(({ name }) => name)
  const byKey = (/** @type {any[]} */ list, /** @type {(item: any) => string} */ key) => [
    ...new Map(list.map((item) => [key(item), item])).values(),
  ]
  return {
    ...joined,
    minutes: Math.round(10 * runs.reduce((sum, { minutes }) => sum + minutes, 0)) / 10,
    check: {
      ...joined.check,
      largestDifference: Math.max(...runs.map(({ check }) => check.largestDifference)),
    },
    peaks: runs.flatMap(({ peaks }) => peaks),
    missing: byKey(
      runs.flatMap(({ missing }) => missing),
      ({ name }) => name,
    ),
    measured: joined.measured.sort(
      (/** @type {any} */ a, /** @type {any} */ b) =>
        order.indexOf(a.workload.name) - order.indexOf(b.workload.name),
    ),
  }
}
