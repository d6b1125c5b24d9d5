/**
 * Whole models, trained through `fit` on fixed batches: their sizes, their data, and the same data for
 * every program (worker.py draws the same numbers). Words follow Zipf's law.
 *
 * classifier: embedding of V words that skips padding, bidirectional LSTM, dense 1 with a sigmoid, binary
 * cross-entropy. Sentences of 5 to T words, sorted by length, so that a batch holds similar ones; this is
 * what `fit` does when it shuffles, too.
 *
 * language-model: embedding, two LSTM layers, dense V with a softmax at each step, cross-entropy of the
 * next word, gradients clipped to the global norm 5. The state starts at zero with each batch.
 *
 * @typedef {object} Weight
 * @property {Float32Array} data
 * @property {number[]} shape
 * @typedef {object} ModelData
 * @property {Weight[][]} weights of each layer, in Keras's order
 * @property {Int32Array} lengths of the sequences
 * @property {Int32Array} words of all sequences, end to end
 * @property {Int32Array} targets a class for each sequence, or a word for each word
 */
import { generator } from './random.mjs'

/** @typedef {import('./workloads.mjs').Workload} Workload */

const shortest = 5

/** Lengths of all sequences, the longest first. @param {Workload} workload */
export function lengthsOf({ model, batches = 1, B, T }) {
  const rows = batches * B
  if (model === 'language-model') return new Int32Array(rows).fill(T)
  const u = generator(2)(rows, 1)
  const lengths = Int32Array.from(
    u,
    (value) => shortest + Math.floor(((value + 1) / 2) * (T + 1 - shortest)),
  )
  return lengths.sort().reverse()
}

/** @param {Workload} workload @returns {ModelData} */
export function makeModelData(workload) {
  const { model, I, U, V = 1, layers } = workload
  const uniform = generator(1)
  const weight = (/** @type {number[]} */ shape, /** @type {number} */ scale) => ({
    shape,
    data: uniform(
      shape.reduce((a, b) => a * b),
      scale,
    ),
  })
  const lstm = (/** @type {number} */ inputs) => [
    weight([inputs, 4 * U], Math.sqrt(3 / inputs)),
    weight([U, 4 * U], Math.sqrt(3 / U)),
    weight([4 * U], 0.5),
  ]
  const dense = (/** @type {number} */ inputs, /** @type {number} */ outputs) => [
    weight([inputs, outputs], Math.sqrt(3 / inputs)),
    weight([outputs], 0.1),
  ]
  const classifies = model === 'classifier'
  const weights = [
    [weight([V, I], 1)],
    ...(classifies
      ? [[...lstm(I), ...lstm(I)], dense(2 * U, 1)]
      : [...Array.from({ length: layers }, (_, k) => lstm(k === 0 ? I : U)), dense(U, V)]),
  ]
  const lengths = lengthsOf(workload)
  const count = lengths.reduce((a, b) => a + b)
  // P(k) falls as 1/k, from 1 to V - 1: 0 is padding.
  const words = Int32Array.from(uniform(count + 1, 1), (u) => Math.floor(V ** ((u + 1) / 2)))
  const targets = classifies
    ? Int32Array.from(uniform(lengths.length, 1), (u) => Number(u >= 0))
    : words.slice(1)
  return { weights, lengths, words: words.slice(0, -1), targets }
}

/**
 * Floating-point operations of the matrix products forward, padding not counted.
 *
 * @param {Workload} workload
 */
export function modelFlops(workload) {
  const { model, B, I, U, V = 1, layers, batches = 1 } = workload
  const lstm = (/** @type {number} */ inputs) => 2 * 4 * U * (inputs + U)
  const words = lengthsOf(workload).reduce((a, b) => a + b) / batches
  if (model === 'classifier') return words * 2 * lstm(I) + B * 4 * U
  return words * (lstm(I) + (layers - 1) * lstm(U) + 2 * U * V)
}
