import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import { loadModel, loadWeights } from '../load.ts'

const at = (name: string) =>
  fileURLToPath(new URL(`../../../test/fixtures/keras/files/${name}`, import.meta.url))

describe.each(loadFixture('keras/files.json').cases)('Keras 3.15.1 $name', ({ name, arrays }) => {
  it.each(['keras', 'h5'])('predicts the same from .%s', async (end) => {
    const model = await loadModel(at(`${name}.${end}`))
    const inputs = model.inputNames.map((_, i) => arrays[`x${i}`])
    const outputs = [await model.predict(inputs.length === 1 ? inputs[0] : inputs)].flat()
    for (const [i, output] of outputs.entries()) {
      const { data, shape } = arrays[`y${i}`]
      expect(output.shape).toEqual(shape)
      const found = await output.data()
      data.forEach((value, j) => {
        expect(Math.abs(found[j] - value)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(value))
      })
    }
  })
})

const close = (found: ArrayLike<number>, expected: ArrayLike<number>) =>
  Array.from(expected).forEach((value, j) => {
    expect(Math.abs(found[j] - value)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(value))
  })

describe('weights of Keras 3.15.1 in other stores', () => {
  const stored = (name: string) => at(`../stores/${name}`)
  const [{ arrays }] = loadFixture('keras/stores.json').cases
  const { x, y } = arrays

  it.each(['jax', 'tensorflow', 'torch'])('NumPy archives, written with %s', async (backend) => {
    const model = await loadModel(stored(`${backend}.keras`))
    close(await (await model.predict(x)).data(), y.data)
  })

  it('several files behind an index', async () => {
    const model = await loadModel(stored('jax.keras'))
    const zeros = model.getWeights().map(({ shape, data }) => ({ shape, data: data.map(() => 0) }))
    model.setWeights(zeros)
    await loadWeights(model, stored('stored.weights.json'))
    close(await (await model.predict(x)).data(), y.data)
  })

  it('an index that leads elsewhere', async () => {
    const model = await loadModel(stored('jax.keras'))
    const folder = mkdtempSync(join(tmpdir(), 'refrain-shards-'))
    const path = join(folder, 'a.weights.json')
    for (const name of ['../x.h5', '/etc/x.h5', 'a\\x.h5', 'x.txt', 7]) {
      writeFileSync(path, JSON.stringify({ weight_map: { '/layers/dense/vars': name } }))
      await expect(loadWeights(model, path)).rejects.toThrow(
        'expected names of .h5 files beside it',
      )
    }
    writeFileSync(path, JSON.stringify({ weight_map: {} }))
    await expect(loadModel(path)).rejects.toThrow('weights without a model')
    await expect(loadWeights(model, path)).rejects.toThrow("the array 'layers/embedding/vars/0'")
  })
})

describe.each(loadFixture('keras/older.json').cases)(
  'as older versions wrote it: $name',
  ({ name, arrays }) => {
    it('predicts what its equations give', async () => {
      const model = await loadModel(at(`../older/${name}.h5`))
      close(await (await model.predict(arrays.x)).data(), arrays.y.data)
    })
  },
)
