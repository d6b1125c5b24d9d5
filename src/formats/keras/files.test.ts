import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadFixture } from '../../../test/fixtures/load.ts'
import { loadModel } from '../load.ts'

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
