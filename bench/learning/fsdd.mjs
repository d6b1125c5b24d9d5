/**
 * The Free Spoken Digit Dataset: ten digits by six speakers, 50 recordings each, 8 kHz. The official
 * split (recordings 0 to 4 of each to test), and leaving one speaker out.
 *
 *   node bench/learning/fsdd.mjs [--dev] [--seeds 3] [--speakers] [--options '{"units":96}']
 *
 * --speakers: train on five speakers and test on the sixth, each in turn.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { decodeWav } from '../../dist/data/index.js'
import { choose, measure, readFlags, sharedData } from './classification.mjs'

/** The files of a tar archive: blocks of 512 bytes, a header (name, size in octal) before each. */
function* untar(/** @type {Buffer} */ tar) {
  const text = (/** @type {number} */ at, /** @type {number} */ length) =>
    tar.toString('latin1', at, at + length).replace(/\0.*$/s, '')
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    yield { name: text(at, 100), bytes: tar.subarray(at + 512, at + 512 + size) }
    at += 512 + Math.ceil(size / 512) * 512
  }
}

/** @param {string[]} args */
export default async function fsdd(args = []) {
  const folder = sharedData('fsdd')
  if (!folder) return
  const files = []
  const tar = gunzipSync(readFileSync(join(folder, 'fsdd-recordings.tar.gz')))
  for (const { name, bytes } of untar(tar)) {
    const [, digit, speaker, number] = /(\d)_([a-z]+)_(\d+)\.wav$/.exec(name) ?? []
    if (digit) files.push({ sound: decodeWav(bytes, name), digit, speaker, number: Number(number) })
  }
  const all = { sounds: files.map(({ sound }) => sound), labels: files.map(({ digit }) => digit) }
  const part = (/** @type {(file: any) => boolean} */ belongs) =>
    choose(
      all,
      [...files.keys()].filter((i) => belongs(files[i])),
    )
  const flags = readFlags(args.filter((arg) => arg !== '--speakers'))
  if (!args.includes('--speakers')) {
    const train = part(({ number }) => number >= 5)
    return measure(
      'fsdd',
      train,
      part(({ number }) => number < 5),
      flags,
    )
  }
  const results = []
  for (const left of new Set(files.map(({ speaker }) => speaker))) {
    const train = part(({ speaker, number }) => speaker !== left && number >= 5)
    const test = part(({ speaker, number }) => speaker === left && (flags.dev ? number >= 5 : true))
    results.push(await measure(`fsdd without ${left}`, train, test, { ...flags, dev: false }))
  }
  const mean = results.reduce((sum, { accuracy }) => sum + accuracy, 0) / results.length
  console.log(`fsdd, leaving one speaker out: mean accuracy ${(100 * mean).toFixed(2)} %`)
  return { accuracy: mean, results }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await fsdd(process.argv.slice(2))
