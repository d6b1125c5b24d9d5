/**
 * Japanese Vowels (Kudo, Toyama & Shimbo 1999): nine speakers told apart by 12 cepstral coefficients a
 * frame, 7 to 29 frames; 270 series to train on, 370 to test. Published: LSTM 79.7 %, Rocket 96.2 %
 * (Zerveas et al. 2021).
 *
 *   node bench/learning/japanese-vowels.mjs [--dev] [--seeds 3] [--options '{"units":32}']
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { measure, readFlags, sharedData } from './classification.mjs'

/**
 * Chosen by cross-validation in five parts of the training data, two seeds: 99.3 %; with the defaults, which
 * keep a tenth of them for validation, 98.2 %.
 */
const settings = { validation: 0, epochs: 60 }

const testCounts = [31, 35, 88, 44, 29, 24, 40, 50, 29]

/**
 * Series are closed by a line of ones and stand in the order of their speakers.
 *
 * @param {string} path
 * @param {number[]} counts series of each speaker
 */
function read(path, counts) {
  const labels = counts.flatMap((count, i) => Array(count).fill(`speaker ${i + 1}`))
  const series = [[]]
  const lines = readFileSync(path, 'utf8').split('\n')
  for (const line of lines.map((text) => text.trim()).filter((text) => text !== '')) {
    const step = line.split(/\s+/).map(Number)
    if (step.every((x) => x === 1)) series.push([])
    else series.at(-1).push(step)
  }
  return { series: series.filter((steps) => steps.length > 0), labels }
}

/** @param {string[]} args */
export default async function japaneseVowels(args = []) {
  const folder = sharedData('japanese-vowels')
  if (!folder) return
  const train = read(join(folder, 'ae.train'), Array(9).fill(30))
  const test = read(join(folder, 'ae.test'), testCounts)
  const flags = readFlags(args)
  return measure('japanese-vowels', train, test, {
    ...flags,
    options: { ...settings, ...flags.options },
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await japaneseVowels(process.argv.slice(2))
