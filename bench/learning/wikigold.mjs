/**
 * Names in Wikipedia (WikiGold), five folds by document: the spans found in all five test parts are
 * scored together. No pretrained vectors. Beside it: a CRF with features made by hand.
 */
import { readTagged } from '../../dist/data/index.js'
import { entityScores } from '../../dist/index.js'
import { tag } from '../../dist/tasks/index.js'
import { main, readFlags, sharedData } from './tagging.mjs'

const folds = 5

/** @param {string[]} args */
export default async function wikigold(args = []) {
  const path = sharedData('wikigold/wikigold.conll.txt')
  if (!path) return null
  const { dev, seeds, options } = readFlags(args)
  const data = await readTagged(path)
  const part = (isIn) => {
    const indices = data.tokens.map((_, i) => i).filter((i) => isIn(data.documents[i] % folds))
    return {
      tokens: indices.map((i) => data.tokens[i]),
      tags: indices.map((i) => data.tags[i]),
    }
  }
  /** Trains on the other folds; with --dev it is the fold after the test's that is tried. */
  const crossValidate = async (name, train) => {
    const scores = entityScores()
    const start = performance.now()
    for (let fold = 0; fold < folds; fold++) {
      const next = (fold + 1) % folds
      const trained = await train(part((one) => one !== fold && !(dev && one === next)))
      const test = part((one) => one === (dev ? next : fold))
      scores.update(test.tags, await trained(test.tokens))
    }
    const { f1, precision, recall, types } = scores.report
    const seconds = (performance.now() - start) / 1000
    console.log(`${name}: entity F1 ${(100 * f1).toFixed(2)} %, ${seconds.toFixed(0)} s`)
    return { f1, precision, recall, types, seconds }
  }
  const baseline = await crossValidate('CRF with features made by hand', async (train) => {
    const crf = await tag.featureCrf(train)
    return (sentences) => crf.predict(sentences)
  })
  const runs = []
  for (const seed of seeds) {
    const run = await crossValidate(`wikigold, seed ${seed}`, async (train) => {
      const tagger = await tag.train(train, { seed, ...options })
      return async (sentences) => (await tagger.predict(sentences)).map(({ tags }) => tags)
    })
    runs.push({ seed, ...run })
  }
  const f1 = runs.reduce((sum, run) => sum + run.f1, 0) / runs.length
  console.log(`wikigold, mean of ${runs.length}: entity F1 ${(100 * f1).toFixed(2)} %`)
  return { name: 'wikigold', on: dev ? 'validation' : 'test', f1, options, runs, baseline }
}

await main(import.meta.url, wikigold)
