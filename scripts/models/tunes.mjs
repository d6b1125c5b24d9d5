/** Irish tunes in ABC notation. */
import { abcProblems, pick, readAbc, split, tuneText } from '../../dist/data/index.js'
import { generate } from '../../dist/tasks/index.js'
import { percent } from './card.mjs'
import { shared } from './data.mjs'
import { ngrams } from './ngrams.mjs'

export const { load } = generate
export const title = 'Irish tunes'
export const most = 2_000_000
/** The format lets the command check that tunes parse, and make MIDI of them. */
export const training = {
  format: 'abc',
  data: '804 Irish tunes in ABC, a tenth of them to decide when to stop',
}
export const example = ['generate', 'tunes', '--seed', '1']

const seed = 0

/** A tenth of the tunes decides when to stop, those that the task draws by the seed. */
export async function read() {
  const texts = []
  for await (const tune of readAbc(shared('irish-abc/irish.abc'))) {
    texts.push(tuneText(tune, { fields: 'ML' }))
  }
  const parts = split(new Array(texts.length).fill(0), { validation: 0.1, seed })
  return { texts, train: pick(texts, parts.train), held: pick(texts, parts.validation) }
}

export const train = ({ texts }, options) =>
  generate.train(
    { texts },
    {
      seed,
      epochs: 40,
      batchSize: 12,
      units: 256,
      layers: 2,
      dropout: 0.3,
      learningRate: 0.004,
      ...options,
    },
  )

const temperature = 0.7
const wanted = 400

export async function measure(shipped, { train, held }) {
  const { bitsPerCharacter } = await shipped.evaluate({ texts: held })
  const made = await shipped.samples('', { count: wanted, length: 2000, temperature })
  const problems = await Promise.all(made.map((tune) => abcProblems(tune)))
  const parse = problems.filter((list) => list.length === 0).length / wanted
  const music = (/** @type {string} */ tune) => tune.split('\n').slice(-1)[0]
  const known = new Set(train.flatMap((tune) => tune.split('\n')))
  const copied = made.filter((tune) => known.has(music(tune))).length / wanted
  const order = ngrams(train, 5)
  return {
    text: `Bits that a character of the ${held.length} tunes takes that only decided when to stop (ends of tunes included), and of ${wanted}
tunes written at temperature ${temperature} the share that abcjs reads without a complaint. ${percent(copied)} of them end in a line
that stands in the training data.`,
    rows: [
      ['', 'bits a character', 'tunes that parse'],
      [
        'characters in context, up to 4 before (interpolated Witten–Bell)',
        order.bits(held).toFixed(3),
        '–',
      ],
      ['**tunes**', bitsPerCharacter.toFixed(3), percent(parse)],
    ],
  }
}

export const what = `
Writes tunes in ABC notation, character by character, with two LSTMs. The command gives only tunes that parse, and
makes MIDI of them: \`refrain generate tunes --out tune.mid\`, \`--plot tune.svg\` for a piano roll.`

export const data = `
804 Irish folk tunes in ABC (github.com/aamini/introtodeeplearning, MIT licence; the tunes are traditional, in
the public domain), with the fields M (metre), L (length of a note) and K (key); titles are left out.`

export const limits = `
- One voice; jigs, reels and hornpipes in the keys of Irish dance music.
- A tune's parts are of its kind, but it does not plan: parts seldom answer one another.`
