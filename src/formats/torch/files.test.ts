import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import { loadModel } from '../load.ts'
import type { ArchitectureStep } from './read.ts'

const at = (name: string) =>
  fileURLToPath(new URL(`../../../test/fixtures/pytorch/files/${name}.pt`, import.meta.url))

const architectures: Record<string, ArchitectureStep[]> = {
  tagger: ['emb', { module: 'rnn', returnSequences: true }, 'norm', 'out'],
  last: [{ module: 'gru', returnSequences: true }, 'rnn', { module: 'fc', activation: 'sigmoid' }],
  projected: [{ module: 'lstm', returnSequences: true }],
}

describe.each(loadFixture('pytorch/files.json').cases)('PyTorch 2.13 $name', ({ name, arrays }) => {
  it.each(['', '-old', '-checkpoint', '-module'])('predicts the same from %s.pt', async (end) => {
    const model = await loadModel(at(name + end), { architecture: architectures[name] })
    const y = await model.predict(arrays.x)
    expect([y].flat()[0].shape).toEqual(arrays.y.shape)
    const found = await [y].flat()[0].data()
    arrays.y.data.forEach((value, i) => {
      expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(value))
    })
  })

  it('says what it holds where nobody says what it computes', async () => {
    await expect(loadModel(at(name))).rejects.toThrow(/It has .*architecture: \[/)
  })
})

it('names the module that there is', async () => {
  await expect(loadModel(at('tagger'), { architecture: ['rmn'] })).rejects.toThrow(
    "no module 'rmn'; did you mean 'rnn'?",
  )
})
