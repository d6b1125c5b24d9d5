/**
 * Polyphonic music, the official splits of JSB Chorales and Nottingham (Boulanger-Lewandowski et al. 2012):
 * negative log-likelihood of a step over 88 keys, every step of every piece, the first ones too.
 *
 *     node bench/learning/poly-music.mjs [jsb|nottingham] [--seed 0] [--epochs n] [--test] [--settings '{…}']
 *
 * Without --test the test part is not looked at.
 */
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { trainResumably } from './resuming.mjs'
import { settingsFrom, showing, testOption } from './writing.mjs'

/** Chosen on the validation parts. */
const sets = {
  jsb: {
    file: 'JSB_Chorales.json.gz',
    target: 8.4,
    chosen: {
      units: 384,
      dropout: 0.5,
      batchSize: 16,
      epochs: 30,
      learningRate: 6e-3,
      transpose: 5,
    },
  },
  nottingham: {
    file: 'Nottingham.json.gz',
    target: 3.2,
    chosen: {
      units: 256,
      dropout: 0.5,
      batchSize: 16,
      epochs: 40,
      learningRate: 4e-3,
      transpose: 5,
      // The learning rate falls to the last epoch; what is best comes late.
      patience: 40,
    },
  },
}

export default async function run(args = []) {
  const names = settingsFrom(args, {}, testOption).positionals
  const result = {}
  for (const name of names.length > 0 ? names : Object.keys(sets)) {
    const own = await runOne(name, args)
    if (own.skipped) return own
    for (const [key, value] of Object.entries(own)) result[`${name}: ${key}`] = value
  }
  return result
}

async function runOne(name, args) {
  if (!sets[name])
    throw new Error(`no data set '${name}'; there are ${Object.keys(sets).join(', ')}`)
  const { file, target, chosen } = sets[name]
  const { settings, test } = settingsFrom(args, chosen, testOption)
  const { generate } = await import('../../dist/tasks/index.js')
  const path = new URL(`../../../shared/data/poly-music/${file}`, import.meta.url)
  if (!existsSync(path)) return { skipped: `there is no ${path}` }
  const parts = JSON.parse(gunzipSync(readFileSync(path)))
  /** Indices of keys from 0 as MIDI numbers. */
  const rolls = (part) => parts[part].map((roll) => roll.map((step) => step.map((key) => key + 21)))
  const show = showing(({ valBinaryCrossentropy: nats }) => `${(88 * nats).toFixed(4)} nats a step`)
  const { trained: composer, seconds } = await trainResumably(
    name,
    { ...settings, callbacks: [show] },
    (all) => generate.trainRolls({ rolls: rolls('train'), validation: rolls('valid') }, all),
  )
  const best = 88 * Math.min(...composer.history.history.valBinaryCrossentropy)
  const tested = test ? await composer.evaluate({ rolls: rolls('test') }) : undefined
  return {
    settings,
    seconds,
    'validation, nats a step': best,
    'test, nats a step': tested?.loss,
    'to reach': target,
  }
}

if (process.argv[1] === import.meta.filename) console.log(await run(process.argv.slice(2)))
