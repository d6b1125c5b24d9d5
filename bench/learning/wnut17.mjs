/**
 * Rare and emerging names in tweets, comments and posts (WNUT 2017), official split, no pretrained
 * vectors. Beside it: a CRF with features made by hand. Published, all with pretrained vectors: entity
 * F1 26.3 to 41.9.
 */
import { readTagged } from '../../dist/data/index.js'
import { tag } from '../../dist/tasks/index.js'
import { main, measure, readFlags, scoreBaseline, sharedData } from './tagging.mjs'

/** @param {string[]} args */
export default async function wnut17(args = []) {
  const folder = sharedData('wnut17')
  if (!folder) return null
  const flags = readFlags(args)
  const read = (name) => readTagged(`${folder}/${name}`, { format: 'conll' })
  const train = {
    ...(await read('wnut17train.conll')),
    validation: await read('emerging.dev.conll'),
  }
  const test = flags.dev ? train.validation : await read('emerging.test.annotated')
  const crf = await tag.featureCrf(train)
  const baseline = await scoreBaseline('CRF with features made by hand', crf, test, true)
  return { ...(await measure('wnut17', train, test, flags)), baseline }
}

await main(import.meta.url, wnut17)
