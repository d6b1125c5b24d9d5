/**
 * Intents of SNIPS (Coucke et al. 2018, as cut by Goo et al. 2018): 13,084 requests to train on, 700 to
 * test, seven labels. Published: 97.43 % (E et al. 2019), 97.0 % (Goo et al. 2018).
 *
 *   node bench/learning/snips-intents.mjs [--dev] [--seeds 3] [--options '{"units":32}']
 *
 * --dev: the 700 requests of the validation part instead of the test.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { measure, readFlags, sharedData } from './classification.mjs'

const lines = (/** @type {string} */ path) => readFileSync(path, 'utf8').trim().split('\n')

/** @param {string[]} args */
export default async function snipsIntents(args = []) {
  const folder = sharedData('snips')
  if (!folder) return
  const [train, valid, test] = ['train', 'valid', 'test'].map((part) => ({
    texts: lines(join(folder, part, 'seq.in')),
    labels: lines(join(folder, part, 'label')).map((label) => label.trim()),
  }))
  const flags = readFlags(args)
  return measure('snips-intents', train, flags.dev ? valid : test, { ...flags, dev: false })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await snipsIntents(process.argv.slice(2))
