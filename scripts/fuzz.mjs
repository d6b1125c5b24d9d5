/**
 * `npm run fuzz [-- --minutes N] [--seed S] [--format text]`: damaged model files, for hours if you like, read in a process of
 * their own. A crash, a hang of more than ten seconds, an error that is not Refrain's, or a peak of memory of more
 * than 300 MB above that of whole files is a failure: the file and its case are kept.
 *
 * @typedef {import('./fuzz-cases.mjs').Seedling} Seedling
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { damaged, ownSeedlings, seedlings } from './fuzz-cases.mjs'

const self = fileURLToPath(import.meta.url)
const refrain = new URL('../dist/index.js', import.meta.url).href
/** Megabytes above what whole files take, which are of 100 kB at most. */
const mostMemory = 300
/** Cases that one process reads. */
const chunk = 400

/** @param {string} folder @returns {Promise<Seedling[]>} */
async function allSeedlings(folder) {
  const { dense, embedding, lstm, sequential } = await import(refrain)
  const model = sequential([
    embedding({ inputDim: 5, outputDim: 2 }),
    lstm({ units: 3 }),
    dense({ units: 2, activation: 'softmax' }),
  ]).build([null, null])
  return [...seedlings(), ...(await ownSeedlings(model, folder))]
}

/** Reads cases and says which it is at. @param {string} folder @param {number[]} cases @param {string} format */
async function work(folder, cases, format) {
  const { loadModel, RefrainError } = await import(refrain)
  const all = (await allSeedlings(folder)).filter(({ name }) => name.includes(format))
  const path = join(folder, 'model')
  for (const { bytes, options } of all) {
    writeFileSync(path, bytes)
    await loadModel(path, options).catch(() => {})
  }
  const base = process.resourceUsage().maxRSS / 1024
  for (const number of cases) {
    const seedling = all[number % all.length]
    process.send?.({ number, name: seedling.name })
    writeFileSync(path, damaged(seedling, number))
    try {
      await loadModel(path, seedling.options)
    } catch (error) {
      if (!(error instanceof RefrainError)) {
        process.send?.({
          number,
          name: seedling.name,
          failure: String(/** @type {Error} */ (error).stack),
        })
      }
    }
    const grown = process.resourceUsage().maxRSS / 1024 - base
    if (grown > mostMemory) {
      process.send?.({
        number,
        name: seedling.name,
        failure: `${Math.round(grown)} MB above whole files`,
      })
      break
    }
  }
  process.disconnect?.()
}

/**
 * Runs a chunk in a process of its own.
 *
 * @param {string} folder @param {number[]} cases @param {string} format
 * @returns {Promise<{ number: number, name: string, failure: string }[]>}
 */
function runChunk(folder, cases, format) {
  return new Promise((done) => {
    const child = spawn(
      process.execPath,
      [self, '--work', JSON.stringify({ folder, cases, format })],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    )
    /** @type {{ number: number, name: string, failure: string }[]} */
    const failures = []
    let last = { number: cases[0], name: '' }
    let stderr = ''
    let hung = false
    // counted in ticks, so that a machine that was put to sleep in between does not count as a hang
    let ticks = 0
    const timer = setInterval(() => {
      if (++ticks < 10) return
      hung = true
      child.kill('SIGKILL')
    }, 1000)
    child.stderr?.on('data', (text) => {
      stderr = (stderr + text).slice(-2000)
    })
    child.on('message', (message) => {
      const one = /** @type {{ number: number, name: string, failure?: string }} */ (message)
      if (one.failure) failures.push({ ...one, failure: one.failure })
      last = one
      ticks = 0
    })
    child.on('close', (code) => {
      clearInterval(timer)
      if (hung) failures.push({ ...last, failure: 'hangs' })
      else if (code !== 0) failures.push({ ...last, failure: `ended with ${code}: ${stderr}` })
      done(failures)
    })
  })
}

async function main() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1000' },
      format: { type: 'string', default: '' },
      work: { type: 'string' },
    },
  })
  if (values.work) {
    const { folder, cases, format } = JSON.parse(values.work)
    return work(folder, cases, format)
  }
  const folder = mkdtempSync(join(tmpdir(), 'refrain-fuzz-'))
  const found = join(folder, 'failures')
  const all = (await allSeedlings(folder)).filter(({ name }) => name.includes(values.format))
  if (all.length === 0) throw new Error(`--format: no fixture has '${values.format}' in its name`)
  const start = performance.now()
  const end = start + Number(values.minutes) * 60_000
  let [read, failed] = [0, 0]
  for (let from = Number(values.seed); performance.now() < end; from += chunk) {
    const cases = Array.from({ length: chunk }, (_, i) => from + i)
    for (const { number, name, failure } of await runChunk(folder, cases, values.format)) {
      failed++
      mkdirSync(found, { recursive: true })
      const path = join(found, `${number}-${name.replaceAll('/', '-')}`)
      writeFileSync(path, damaged(all[number % all.length], number))
      console.log(`\ncase ${number} (${name}): ${failure}\n  kept as ${path}`)
    }
    read += chunk
    const seconds = (performance.now() - start) / 1000
    process.stdout.write(
      `\r${read} cases, ${Math.round(read / seconds)} a second, ${failed} failures`,
    )
  }
  console.log()
  process.exitCode = failed > 0 ? 1 : 0
}

await main()
