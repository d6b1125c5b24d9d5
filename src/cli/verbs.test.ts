import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../test/cli/harness.ts'
import { dense } from '../layers/dense.ts'
import { sequential } from '../model/sequential.ts'
import * as classify from '../tasks/classify/index.ts'

const { at, refrain, prints, failure, remove } = new Workplace()
const model = at('reviews.refrain')

beforeAll(async () => {
  const texts = ['a fine film', 'a dull film', 'fine', 'dull']
  const labels = ['good', 'bad', 'good', 'bad']
  const size = { units: 2, embedding: 2, epochs: 1, validation: 0 }
  await (await classify.train({ texts, labels }, size)).save(model)
})
afterAll(remove)

describe('a verb on a model', () => {
  test("has the options of the model's task, before and behind the model", async () => {
    const args = ['predict', '--threads', '1', '--format', 'csv', model, '--text', 'review']
    const rows = jsonLines(await prints(args, { stdin: 'review,id\nfine,7\n' }))
    expect(rows).toMatchObject([{ review: 'fine', id: '7' }])
    expect(await failure(['predict', '--formt', 'csv', model, 'x'])).toBe(
      "unknown option '--formt'; did you mean '--format'?",
    )
    expect(await failure(['predict', model, 'x', '--format', 'xml'])).toContain('csv, tsv')
    expect(await failure(['predict', '--format'])).toContain('argument missing')
  })

  test("explains the model's task, or without a model all of them", async () => {
    const own = await prints(['predict', model, '--help'])
    expect(own).toContain('refrain predict [options] <model> [texts...]')
    expect(own).toContain('Prints the label, its probability and the text')
    expect(own).not.toContain('For models of')
    const all = await prints(['predict', '--help'])
    expect(all).toMatch(/For models of classify.*:\n {2}--/)
    expect(all).toContain('  $ refrain predict reviews.refrain')
  })

  test('takes what follows -- as it stands', async () => {
    expect(await prints(['predict', model, '--', '--help'])).toMatch(/\t--help\n$/)
  })

  test('says what a model cannot do', async () => {
    expect(await failure(['generate', model])).toBe(
      'reviews.refrain: a model for classify, which has no refrain generate. ' +
        'It has: evaluate, predict',
    )
    const path = at('plain.refrain')
    await sequential([dense({ units: 1, inputShape: [2] })]).save(path)
    expect(await failure(['predict', path, 'x'])).toMatch(
      /^plain\.refrain: expected a model of classify.*, got a model for no task; refrain train makes one; refrain inspect shows any$/,
    )
    expect((await refrain(['inspect', path])).stdout).toContain('Not trained.')
    expect(await failure(['evaluate'])).toBe(
      "missing required argument 'model'. See: refrain evaluate --help",
    )
  })
})
