/**
 * The jobs that are timed: LSTM layers of I inputs and U units on a batch of B sequences of T steps, mean
 * squared error on the last output, Adam, in sizes of common uses; and whole models.
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {number} B @property {number} T @property {number} I @property {number} U
 * @property {number} layers
 * @property {boolean} [predictOnly] no training step is timed
 * @property {'classifier' | 'language-model'} [model] a whole one (models.mjs), of V words
 * @property {number} [V]
 * @property {number} [batches] of the whole model's epoch
 * @typedef {{ x: Float32Array, y: Float32Array, weights: Float32Array[][] }} Data
 */
import { makeModelData, modelFlops } from './models.mjs'
import { generator } from './random.mjs'

/** @type {Workload[]} */
export const workloads = [
  { name: 'seed-step', B: 1, T: 1, I: 50, U: 10, layers: 1 },
  { name: 'small', B: 32, T: 50, I: 32, U: 64, layers: 1 },
  { name: 'medium', B: 32, T: 100, I: 128, U: 128, layers: 1 },
  { name: 'char-rnn', B: 64, T: 100, I: 128, U: 256, layers: 1 },
  { name: 'ptb', B: 20, T: 35, I: 650, U: 650, layers: 2 },
  { name: 'wide', B: 64, T: 100, I: 512, U: 512, layers: 1 },
  { name: 'large', B: 128, T: 32, I: 256, U: 1024, layers: 1 },
  // One step of a stream. Rivals start from zeros each time, Refrain from where it was.
  { name: 'step-128', B: 1, T: 1, I: 128, U: 128, layers: 1, predictOnly: true },
  { name: 'step-512', B: 1, T: 1, I: 512, U: 512, layers: 1, predictOnly: true },
  {
    name: 'classifier',
    model: 'classifier',
    B: 32,
    T: 60,
    I: 64,
    U: 64,
    V: 20_000,
    layers: 1,
    batches: 20,
  },
  {
    name: 'language-model',
    model: 'language-model',
    B: 20,
    T: 35,
    I: 200,
    U: 200,
    V: 10_000,
    layers: 2,
    batches: 5,
  },
]

/** What `--quick` runs. */
export const quick = ['small', 'medium', 'step-128']

/** Odd sizes, on which everyone must compute the same numbers before anything is timed. */
const probes = [
  { name: 'probe', B: 3, T: 7, I: 5, U: 9, layers: 2 },
  {
    name: 'small classifier',
    model: 'classifier',
    B: 3,
    T: 9,
    I: 5,
    U: 7,
    V: 23,
    layers: 1,
    batches: 5,
  },
  {
    name: 'small language model',
    model: 'language-model',
    B: 3,
    T: 7,
    I: 5,
    U: 9,
    V: 23,
    layers: 2,
    batches: 5,
  },
]

/** The probes of the kinds of workloads chosen. @param {Workload[]} chosen @returns {Workload[]} */
export const probesOf = (chosen) =>
  probes.filter(({ model }) => chosen.some((workload) => workload.model === model))

/** Inputs of layer `k`. @param {Workload} workload @param {number} k */
export const inputsOf = ({ I, U }, k) => (k === 0 ? I : U)

/**
 * Floating-point operations of the matrix products: 2·B·T·4U·(I+U) a layer forward, three times that
 * for a training step. Nominal: nobody computes the gradient to the first layer's input.
 *
 * @param {Workload} workload @param {'train' | 'predict'} task
 */
export function flopsOf(workload, task) {
  const { model, B, T, U, layers } = workload
  let forward = model ? modelFlops(workload) : 0
  for (let k = 0; !model && k < layers; k++)
    forward += 2 * B * T * 4 * U * (inputsOf(workload, k) + U)
  return task === 'train' ? 3 * forward : forward
}

/**
 * Those that Refrain computes: without the gradient to the first layer's input, which nobody needs, and
 * without the products with the zeros before the first step; a stream has a state there.
 *
 * @param {Workload} workload @param {'train' | 'predict'} task
 */
export function executedFlops(workload, task) {
  const { model, B, T, I, U, layers, predictOnly } = workload
  const passes = task === 'train' ? 3 : 1
  const starts = predictOnly ? 0 : model === 'classifier' ? 2 : layers
  const first = starts * passes * 2 * B * 4 * U * U
  // The embedding of a whole model does need the gradient.
  const unneeded = task === 'train' && !model ? 2 * B * T * 4 * U * I : 0
  return flopsOf(workload, task) - first - unneeded
}

/** Input [B,T,I], target [B,U], weights in Keras's order. @param {Workload} workload @returns {Data} */
function makeLayerData(workload) {
  const { B, T, I, U, layers } = workload
  const uniform = generator(1)
  const weights = Array.from({ length: layers }, (_, k) => {
    const inputs = inputsOf(workload, k)
    return [
      uniform(inputs * 4 * U, Math.sqrt(3 / inputs)),
      uniform(U * 4 * U, Math.sqrt(3 / U)),
      uniform(4 * U, 0.5),
    ]
  })
  return { weights, x: uniform(B * T * I, 1), y: uniform(B * U, 1) }
}

/** @param {Workload} workload @returns {any} */
export const makeData = (workload) =>
  workload.model ? makeModelData(workload) : makeLayerData(workload)
