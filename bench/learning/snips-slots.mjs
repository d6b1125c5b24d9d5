/**
 * Slots of the SNIPS benchmark's spoken commands, official split. To reach: F1 ≥ 93 %; published:
 * 88.8 (slot-gated BiLSTM), 92.2 (SF-ID).
 */
import { readFileSync } from 'node:fs'
import { tag } from '../../dist/tasks/index.js'
import { main, measure, readFlags, scoreBaseline, sharedData } from './tagging.mjs'

/** @param {string[]} args */
export default async function snipsSlots(args = []) {
  const folder = sharedData('snips')
  if (!folder) return null
  const flags = readFlags(args)
  const rows = (path) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
  const read = (part) => ({
    tokens: rows(`${folder}/${part}/seq.in`),
    tags: rows(`${folder}/${part}/seq.out`),
  })
  const train = { ...read('train'), validation: read('valid') }
  const test = flags.dev ? train.validation : read('test')
  const baseline = await scoreBaseline(
    'most frequent tag of each word',
    tag.mostFrequentTags(train),
    test,
    true,
  )
  return { ...(await measure('snips-slots', train, test, flags)), target: 0.93, baseline }
}

await main(import.meta.url, snipsSlots)
