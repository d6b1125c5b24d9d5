/**
 * Parts of speech of the English Web Treebank (Universal Dependencies 2.16), official split, words as
 * the treebank has them, no pretrained vectors. To reach: accuracy of UPOS ≥ 94 %.
 */
import { readTagged } from '../../dist/data/index.js'
import { tag } from '../../dist/tasks/index.js'
import { main, measure, readFlags, scoreBaseline, sharedData } from './tagging.mjs'

/** @param {string[]} args */
export default async function udEnglishEwt(args = []) {
  const folder = sharedData('ud-english-ewt')
  if (!folder) return null
  const flags = readFlags(args)
  const read = (part) => readTagged(`${folder}/en_ewt-ud-${part}.conllu.gz`)
  const train = { ...(await read('train')), validation: await read('dev') }
  const test = flags.dev ? train.validation : await read('test')
  const baseline = await scoreBaseline(
    'most frequent tag of each word',
    tag.mostFrequentTags(train),
    test,
    false,
  )
  return { ...(await measure('ud-english-ewt', train, test, flags)), target: 0.94, baseline }
}

await main(import.meta.url, udEnglishEwt)
