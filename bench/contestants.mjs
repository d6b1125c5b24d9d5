/**
 * Who is compared. A contestant is a program that reads a job from its last argument and prints the
 * result as its last line, both JSON (`worker.mjs`); so it may be written in any language.
 *
 * @typedef {import('./workloads.mjs').Workload} Workload
 * @typedef {object} Contestant
 * @property {string} product whose version is reported
 * @property {string} name
 * @property {number} threads
 * @property {boolean} rival
 * @property {string[]} command the program and its first arguments
 * @property {Record<string, string>} env
 * @property {Record<string, unknown>} engine which engine the worker opens, and its options
 * @property {boolean} [predictOnly] it cannot train
 * @property {number} [rounds] it is run no oftener than this, as it takes long to start
 * @property {boolean} [other] it computes another network, so its numbers are not compared
 * @property {string} [missing] why it cannot run here, and the command that changes that
 * @property {(workload: Workload) => boolean} runs
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { availableBackends } from '../dist/index.js'
import {
  compilerMissing,
  npmMissing,
  oneDnnMissing,
  oneDnnProgram,
  python,
  pythonMissing,
} from './rivals.mjs'
import { flopsOf } from './workloads.mjs'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))
const relaxedFlag = '--experimental-wasm-relaxed-simd'

/** Node 20 has relaxed SIMD behind a flag that later versions do not know. */
function relaxedFlags() {
  const { status } = spawnSync(process.execPath, [relaxedFlag, '-e', ''], { stdio: 'ignore' })
  return status === 0 ? [relaxedFlag] : []
}

const always = () => true
/** Whole models are compared with PyTorch alone. @param {Workload} workload */
const layersOnly = ({ model }) => !model

/**
 * @param {string} backend @param {number} threads @param {(workload: Workload) => boolean} runs
 * @param {string[]} flags @returns {Contestant}
 */
function refrain(backend, threads, runs = always, flags = []) {
  const info = availableBackends().find(({ name, variant, available }) =>
    backend === 'native' ? name === backend && available : `${name}:${variant}` === backend,
  )
  const behindFlag = flags.length > 0
  const available = behindFlag || info?.available
  return {
    product: 'Refrain',
    name: `Refrain ${backend.replace(':', ' ')}`,
    threads,
    rival: false,
    command: [process.execPath, ...flags, worker],
    env: { REFRAIN_BACKEND: backend, REFRAIN_THREADS: String(threads) },
    engine: { module: 'refrain' },
    missing: available
      ? undefined
      : `${info?.reason ?? 'not built'}; refrain doctor says what helps`,
    runs,
  }
}

/**
 * The native kernels without what `fit` does around them: what oneDNN's harness times of oneDNN.
 *
 * @param {number} threads @param {boolean} dx whether the first input gets a gradient
 * @returns {Contestant}
 */
const refrainKernels = (threads, dx) => ({
  ...refrain('native', threads, (workload) => layersOnly(workload) && !workload.predictOnly),
  name: dx ? 'Refrain kernels' : 'Refrain kernels, no dx',
  engine: { module: 'refrain-kernels', dx },
})

/** @param {'wasm' | 'cpu'} backend @param {(workload: Workload) => boolean} runs @returns {Contestant} */
const tfjs = (backend, runs) => ({
  product: 'TensorFlow.js',
  name: `TensorFlow.js ${backend}`,
  threads: 1,
  rival: true,
  command: [process.execPath, worker],
  env: {},
  engine: { module: 'tfjs', backend },
  missing: npmMissing('@tensorflow/'),
  runs: (workload) => layersOnly(workload) && runs(workload),
})

/** @param {number} threads @param {boolean} compile @returns {Contestant} */
const pytorch = (threads, compile) => ({
  product: 'PyTorch',
  name: compile ? 'PyTorch compiled' : 'PyTorch',
  threads,
  rival: true,
  command: [python, fileURLToPath(new URL('engines/pytorch.py', import.meta.url))],
  env: { OMP_NUM_THREADS: String(threads) },
  engine: { threads, compile },
  missing: pythonMissing('torch') ?? (compile ? compilerMissing() : undefined),
  runs: always,
})

/**
 * @param {'tensorflow' | 'jax'} backend @param {number} threads
 * @param {(workload: Workload) => boolean} runs @param {number} stepsPerExecution
 * @returns {Contestant}
 */
const keras = (backend, threads, runs, stepsPerExecution = 1) => {
  const name = `Keras ${backend === 'jax' ? 'JAX' : 'TensorFlow'}`
  const together = stepsPerExecution > 1
  return {
    product: name,
    name: together ? `${name}, ${stepsPerExecution} steps a call` : name,
    threads,
    rival: true,
    command: [python, fileURLToPath(new URL('engines/keras.py', import.meta.url))],
    env: {},
    engine: { backend, threads, stepsPerExecution },
    missing: pythonMissing('keras') ?? pythonMissing(backend),
    rounds: 2,
    runs,
  }
}

/** @returns {Contestant} */
const brainJs = () => ({
  product: 'brain.js',
  name: 'brain.js',
  threads: 1,
  rival: true,
  command: [process.execPath, worker],
  env: {},
  engine: { module: 'brainjs' },
  other: true,
  missing: npmMissing('brain.js'),
  runs: (workload) =>
    layersOnly(workload) && !workload.predictOnly && flopsOf(workload, 'train') < 3e8,
})

/** @param {'node' | 'web'} build @param {number} threads @returns {Contestant} */
const onnxRuntime = (build, threads) => ({
  product: 'ONNX Runtime',
  name: build === 'node' ? 'ONNX Runtime node' : 'ONNX Runtime wasm',
  threads,
  rival: true,
  command: [process.execPath, worker],
  env: {},
  engine: { module: 'onnxruntime', build, threads },
  predictOnly: true,
  missing: npmMissing('onnxruntime-'),
  runs: layersOnly,
})

/** @param {number} threads @returns {Contestant} */
const oneDnn = (threads) => ({
  product: 'oneDNN',
  name: 'oneDNN',
  threads,
  rival: true,
  command: [oneDnnProgram],
  env: { OMP_NUM_THREADS: String(threads) },
  engine: {},
  missing: oneDnnMissing(),
  runs: layersOnly,
})

/** @param {number[]} threads @param {{ compile: boolean }} options @returns {Contestant[]} */
export function allContestants(threads, { compile }) {
  const flags = relaxedFlags()
  const counts = [...new Set(threads)].sort((a, b) => b - a)
  // More would only make the run longer: the jobs in which these would not win, or take minutes.
  const wasm = (/** @type {number} */ count) => (/** @type {Workload} */ workload) =>
    count === counts.at(-1) || flopsOf(workload, 'train') > 1e8
  const trained = (/** @type {Workload} */ workload) =>
    layersOnly(workload) && !workload.predictOnly
  const tiny = (/** @type {Workload} */ workload) =>
    trained(workload) && workload.B * workload.T <= 50
  return [
    ...counts.map((count) => refrain('native', count)),
    ...counts.map((count) => refrainKernels(count, true)),
    ...counts.map((count) => refrainKernels(count, false)),
    ...counts.map((count) => refrain('wasm:relaxed', count, wasm(count), flags)),
    ...counts.map((count) => refrain('wasm:simd128', count, wasm(count))),
    ...counts.map((count) => oneDnn(count)),
    ...counts.map((count) => pytorch(count, false)),
    ...(compile ? counts.map((count) => pytorch(count, true)) : []),
    keras('tensorflow', counts[0], trained),
    keras('jax', counts[0], trained),
    ...(counts[0] > 1 ? [keras('jax', 1, tiny)] : []),
    keras('jax', 1, tiny, 20),
    ...counts.map((count) => onnxRuntime('node', count)),
    onnxRuntime('web', 1),
    tfjs('wasm', (workload) => flopsOf(workload, 'train') < 2e10),
    tfjs('cpu', (workload) => trained(workload) && flopsOf(workload, 'train') < 3e8),
    brainJs(),
  ]
}

/**
 * Those whose name or product contains one of the texts, in whatever case.
 *
 * @param {Contestant[]} contestants @param {string[]} texts
 * @throws {Error} where a text finds nobody
 */
export function only(contestants, texts) {
  const finds =
    (/** @type {string} */ text) =>
    (/** @type {Contestant} */ { name, product }) =>
      `${name}\n${product}`.toLowerCase().includes(text.toLowerCase())
  for (const text of texts) {
    if (contestants.some(finds(text))) continue
    const names = [...new Set(contestants.map(({ name }) => name))].join(', ')
    throw new Error(`--only: nobody is called '${text}'; there are ${names}`)
  }
  return contestants.filter((contestant) => texts.some((text) => finds(text)(contestant)))
}
