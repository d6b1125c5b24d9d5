/**
 * Who is compared. A contestant is a program that reads a job from its last argument and prints the
 * result as its last line, both JSON (`worker.mjs`); so it may be written in any language.
 *
 * @typedef {import('./workloads.mjs').Workload} Workload
 * @typedef {object} Contestant
 * @property {string} name
 * @property {number} threads
 * @property {boolean} rival
 * @property {string[]} command the program and its first arguments
 * @property {Record<string, string>} env
 * @property {Record<string, unknown>} engine which engine the worker opens, and its options
 * @property {string} [missing] why it cannot run here, and the command that changes that
 * @property {(workload: Workload) => boolean} runs
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { availableBackends } from '../dist/index.js'
import { flopsOf } from './workloads.mjs'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))
const relaxedFlag = '--experimental-wasm-relaxed-simd'

/** Node 20 has relaxed SIMD behind a flag that later versions do not know. */
function relaxedFlags() {
  const { status } = spawnSync(process.execPath, [relaxedFlag, '-e', ''], { stdio: 'ignore' })
  return status === 0 ? [relaxedFlag] : []
}

/** Rivals' packages that are not installed. */
export const missingPackages = () =>
  ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'].filter(
    (name) => !existsSync(new URL(`node_modules/${name}/package.json`, import.meta.url)),
  )

const always = () => true

/** @param {string} backend @param {number} threads @param {string[]} flags @returns {Contestant} */
function refrain(backend, threads, flags = []) {
  const info = availableBackends().find(({ name, variant, available }) =>
    backend === 'native' ? name === backend && available : `${name}:${variant}` === backend,
  )
  const behindFlag = flags.length > 0
  const available = behindFlag || info?.available
  return {
    name: `Refrain ${backend.replace(':', ' ')}`,
    threads,
    rival: false,
    command: [process.execPath, ...flags, worker],
    env: { REFRAIN_BACKEND: backend, REFRAIN_THREADS: String(threads) },
    engine: { module: 'refrain' },
    missing: available
      ? undefined
      : `${info?.reason ?? 'not built'}; refrain doctor says what helps`,
    runs: always,
  }
}

/** @param {'wasm' | 'cpu'} backend @param {(workload: Workload) => boolean} runs @returns {Contestant} */
function tfjs(backend, runs) {
  const missing = missingPackages()
  return {
    name: `TensorFlow.js ${backend}`,
    threads: 1,
    rival: true,
    command: [process.execPath, worker],
    env: {},
    engine: { module: 'tfjs', backend },
    missing: missing.length > 0 ? `not installed; npm ci --prefix bench installs it` : undefined,
    runs,
  }
}

/** The rival that ratios are taken against. */
export const yardstick = 'TensorFlow.js wasm'

/** @param {number[]} threads @returns {Contestant[]} */
export function allContestants(threads) {
  return [
    ...[...threads].sort((a, b) => b - a).map((count) => refrain('native', count)),
    refrain('wasm:relaxed', 1, relaxedFlags()),
    refrain('wasm:simd128', 1),
    // A step of more would take minutes.
    tfjs('wasm', (workload) => flopsOf(workload, 'train') < 3e10),
    tfjs('cpu', (workload) => flopsOf(workload, 'train') < 3e8),
  ]
}
