/**
 * `npm run bench encoding -- FILE`: what it takes to turn texts into ids, as a share of the first epoch
 * that trains on them. FILE holds labelled texts in any form that `refrain train classify` reads.
 */

import { resolve } from 'node:path'
import { readExamples } from '../dist/data/index.js'
import { classify } from '../dist/tasks/index.js'

/** @param {string[]} args the file @returns {Promise<number>} exit status */
export async function main([file]) {
  if (file === undefined || file === '--help') {
    console.log('npm run bench encoding -- examples.jsonl.gz')
    return file === undefined ? 1 : 0
  }
  // npm starts in the root.
  const examples = await readExamples(resolve(process.env.INIT_CWD ?? '.', file))
  const begin = performance.now()
  const times = [begin]
  const clock = {
    name: 'clock',
    onTrainBegin: () => void times.push(performance.now()),
    onEpochEnd: () => void times.push(performance.now()),
  }
  await classify.train(examples, { epochs: 2, patience: 1000, callbacks: [clock] })
  const [before, ...epochs] = times.slice(1).map((time, i) => time - times[i])
  const [first, second] = epochs
  console.log(`${examples.texts.length} texts, ${process.env.REFRAIN_THREADS ?? 'all'} threads`)
  const line = (/** @type {string} */ what, /** @type {number} */ ms, note = '') =>
    console.log(`${what.padEnd(30)}${ms.toFixed(0).padStart(8)} ms${note}`)
  const share = (100 * before) / first
  line('texts in memory to first step', before, `, ${share.toFixed(1)} % of the first epoch`)
  line('first epoch', first)
  line('second epoch', second)
  return 0
}
