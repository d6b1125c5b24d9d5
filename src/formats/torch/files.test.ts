import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import { loadModel } from '../load.ts'
import type { ArchitectureStep } from './read.ts'

const at = (name: string) =>
  fileURLToPath(new URL(`../../../test/fixtures/pytorch/files/${name}`, import.meta.url))

/** Beside PyTorch's own, what the Python package safetensors 0.8.0 wrote of the same state dictionary. */
const ends = ['.pt', '-old.pt', '-checkpoint.pt', '-module.pt', '.safetensors']

const architectures: Record<string, ArchitectureStep[]> = {
  tagger: ['emb', { module: 'rnn', returnSequences: true }, 'norm', 'out'],
  last: [{ module: 'gru', returnSequences: true }, 'rnn', { module: 'fc', activation: 'sigmoid' }],
  projected: [{ module: 'lstm', returnSequences: true }],
}

describe.each(loadFixture('pytorch/files.json').cases)('PyTorch 2.13 $name', ({ name, arrays }) => {
  it.each(ends)('predicts the same from %s', async (end) => {
    const model = await loadModel(at(name + end), { architecture: architectures[name] })
    const y = await model.predict(arrays.x)
    expect([y].flat()[0].shape).toEqual(arrays.y.shape)
    const found = await [y].flat()[0].data()
    arrays.y.data.forEach((value, i) => {
      expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(value))
    })
  })

  it('says what it holds where nobody says what it computes', async () => {
    await expect(loadModel(at(`${name}.pt`))).rejects.toThrow(/It has .*architecture: \[/)
  })
})

it('names the module that there is', async () => {
  await expect(loadModel(at('tagger.pt'), { architecture: ['rmn'] })).rejects.toThrow(
    "no module 'rmn'; did you mean 'rnn'?",
  )
})
