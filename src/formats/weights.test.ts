import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { dense, embedding, gru, lstm } from '../layers/index.ts'
import { sequential } from '../model/sequential.ts'
import { loadModel, loadWeights } from './load.ts'
import { sameWeights } from './random-model.case.ts'

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/fixtures/${name}`, import.meta.url))

it.each(['words', 'graph', 'repeated'])('of Keras 3.15.1: %s.weights.h5', async (name) => {
  const whole = await loadModel(fixture(`keras/files/${name}.keras`))
  const other = await loadModel(fixture(`keras/files/${name}.keras`))
  other.setWeights(
    other.getWeights().map(({ shape, data }) => ({ shape, data: data.map(() => 0) })),
  )
  expect(sameWeights(whole, other)).toBe(false)
  await loadWeights(other, fixture(`keras/files/${name}.weights.h5`))
  expect(sameWeights(whole, other)).toBe(true)
})

it('of a whole .h5, by the names of layers', async () => {
  const whole = await loadModel(fixture('keras/files/words.keras'))
  const other = await loadModel(fixture('keras/files/words.keras'))
  other.setWeights(
    other.getWeights().map(({ shape, data }) => ({ shape, data: data.map(() => 0) })),
  )
  await loadWeights(other, fixture('keras/files/words.h5'))
  expect(sameWeights(whole, other)).toBe(true)
})

it("of PyTorch's files, by the names of modules", async () => {
  const given = { architecture: ['gru', { module: 'rnn' }, 'fc'] }
  given.architecture[0] = { module: 'gru', returnSequences: true } as never
  const whole = await loadModel(fixture('pytorch/files/last.pt'), given as never)
  const other = await loadModel(fixture('pytorch/files/last-old.pt'), given as never)
  other.setWeights(
    other.getWeights().map(({ shape, data }) => ({ shape, data: data.map(() => 0) })),
  )
  await loadWeights(other, fixture('pytorch/files/last-checkpoint.pt'))
  expect(sameWeights(whole, other)).toBe(true)
})

it('what does not fit changes nothing, and is named', async () => {
  const model = sequential([
    embedding({ inputDim: 3, outputDim: 2 }),
    gru({ units: 4, name: 'gru' }),
    dense({ units: 2, name: 'fc' }),
  ]).build([null, null])
  const before = model.getWeights()
  await expect(loadWeights(model, fixture('pytorch/files/last.pt'))).rejects.toThrow(
    "no module for the layer 'embedding'",
  )
  await expect(loadWeights(model, fixture('keras/files/words.weights.h5'))).rejects.toThrow(
    'for embedding/',
  )
  const path = join(mkdtempSync(join(tmpdir(), 'refrain-weights-')), 'm.json')
  await sequential([lstm({ units: 1 })])
    .build([null, null, 1])
    .save(path)
  await expect(loadWeights(model, path)).rejects.toThrow('a json file is none of weights')
  model.getWeights().forEach(({ data }, i) => {
    expect(data).toEqual(before[i].data)
  })
})
