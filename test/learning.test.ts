/** The runner of the learning benchmarks, on scripts that answer at once. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { trainResumably } from '../bench/learning/resuming.mjs'
import { main } from '../bench/learning.mjs'
import { classify } from '../src/tasks/index.ts'

let folder: string
let said: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-learning-'))
  mkdirSync(join(folder, 'scripts'))
  said = []
  for (const how of ['log', 'error'] as const) {
    vi.spyOn(console, how).mockImplementation((text) => said.push(String(text)))
  }
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

/** Runs a script whose body is given; its calls are in `calls.txt`. */
async function bench(name: string, body: string, ...args: string[]) {
  const script = `import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
export default async function (args) {
  const at = (name) => ${JSON.stringify(`${folder}/`)} + name
  appendFileSync(at('calls.txt'), args.join(' ') + '\\n')
  ${body}
}\n`
  writeFileSync(join(folder, 'scripts', `${name}.mjs`), script)
  writeFileSync(join(folder, 'scripts', 'shared.mjs'), 'export const shared = 1\n')
  return main([name, ...args], { scripts: `${folder}/scripts/`, results: `${folder}/results/` })
}
const calls = () => readFileSync(join(folder, 'calls.txt'), 'utf8').trim().split('\n')
function written() {
  const files = readdirSync(join(folder, 'results'))
  expect(files).toEqual([expect.stringMatching(/^learning-\w+-\d{4}-\d\d-\d\d\.json$/)])
  return JSON.parse(readFileSync(join(folder, 'results', files[0]), 'utf8'))
}

test('each seed in turn, means, machine and versions', async () => {
  const body = `return { accuracy: Number(args.at(-1)) + 1, name: 'x', unit: ['a'] }`
  expect(await bench('seeds', body, '--dev', '--seeds', '2')).toBe(0)
  expect(calls()).toEqual(['--dev --seed 0', '--dev --seed 1'])
  expect(written()).toMatchObject({
    name: 'seeds',
    args: ['--dev'],
    seeds: 2,
    mean: { accuracy: 1.5 },
    machine: { node: process.versions.node },
    versions: { refrain: expect.any(String), commit: expect.any(String) },
    runs: [
      { seed: 0, result: { accuracy: 1 } },
      { seed: 1, result: { accuracy: 2 } },
    ],
  })
})

test('stopped, it goes on with the seed that it was at', async () => {
  const body = `if (args.at(-1) === '1' && !existsSync(at('once'))) {
    writeFileSync(at('once'), '')
    throw new Error('stopped')
  }
  return { accuracy: Number(args.at(-1)) }`
  await expect(bench('stops', body)).rejects.toThrow('stopped')
  expect(await bench('stops', body)).toBe(0)
  expect(calls()).toEqual(['--seed 0', '--seed 1', '--seed 1', '--seed 2'])
  expect(written()).toMatchObject({ mean: { accuracy: 1 }, seeds: 3 })
})

test('stopped in the middle of a seed, training goes on from its checkpoint', async () => {
  const labels = Array.from({ length: 60 }, (_, i) => (i % 2 ? 'up' : 'down'))
  const series = labels.map((label, i) => [[i % 7], [(i % 7) + (label === 'up' ? 1 : -1)]])
  const settings = { epochs: 4, units: 4, seed: 3 }
  const steps: number[] = []
  /** Stops the process, as it were, at a step of the third epoch. */
  const run = (name: string, killedAt = Infinity) => {
    steps.length = 0
    const callback = {
      name: 'killer',
      onStepEnd: ({ iteration }: { iteration: number }) => {
        steps.push(iteration)
        if (iteration === killedAt) throw new Error('killed')
      },
    }
    return trainResumably(
      name,
      { ...settings, callbacks: [callback] },
      (all) => classify.train({ series, labels }, all),
      { folder: `${folder}/`, seconds: 0 },
    )
  }
  const whole = await run('whole')
  await expect(run('cut', 10)).rejects.toThrow('killed')
  const files = readdirSync(folder).filter((file) => file.endsWith('.refrain'))
  expect(files).toEqual([expect.stringMatching(/^learning-cut-[\da-f]{8}\.partial\.refrain$/)])
  const resumed = await run('cut')
  expect(steps[0]).toBe(10)
  expect(resumed.trained.history.history).toEqual(whole.trained.history.history)
  expect(resumed.seconds).toBeGreaterThan(0)
  expect(readdirSync(folder).filter((file) => file.endsWith('.refrain'))).toEqual([])
})

test('a script without --seed runs its seeds itself', async () => {
  const body = `const { values } = parseArgs({ args, options: { seeds: { type: 'string' } } })
  return { mase: Number(values.seeds) }`
  expect(await bench('own', body, '--seeds', '4')).toBe(0)
  expect(calls()).toEqual(['--seed 0', '--seeds 4'])
  expect(written()).toMatchObject({ mean: { mase: 4 }, runs: [{ seed: null }] })
})

test('without its data, or without such a script, nothing is written', async () => {
  expect(await bench('none', `return { skipped: 'there is no x' }`)).toBe(0)
  expect(await bench('none2', 'return')).toBe(0)
  expect(await main(['nope'], { scripts: `${folder}/scripts/`, results: folder })).toBe(1)
  expect(said).toEqual([
    'skipped: there is no x',
    "bench learning: no benchmark 'nope'",
    'npm run bench learning -- NAME [--seeds 3]\nnone, none2',
  ])
  expect(readdirSync(folder)).not.toContain('results')
})
