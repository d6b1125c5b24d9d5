/** ONNX files of public projects, beside outputs that were computed independently. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readOnnx } from './read.ts'

const root = fileURLToPath(new URL('../../../../shared/models/', import.meta.url))

interface Expected {
  inputs: { shape: number[]; data: number[] }[]
  outputs: { shape: number[]; data: number[] }[]
}

/** [T,B,I] as [B,T,I]. */
function batchFirst({ shape: [steps, rows, width], data }: Expected['inputs'][number]) {
  const turned = Float32Array.from(data, (_, i) => {
    const [row, step] = [Math.floor(i / (steps * width)), Math.floor(i / width) % steps]
    return data[(step * rows + row) * width + (i % width)]
  })
  return { shape: [rows, steps, width], data: turned }
}

describe.skipIf(!existsSync(root))('a file from the wild', () => {
  it.each([
    // PyTorch 1.3, set 9: time in front, weights behind Slice and Concat.
    ['ox-pt13-op9', 'lstm.onnx', batchFirst],
    // tf2onnx 1.17, set 13: the last 30 of 120 steps, a dense layer unrolled over them.
    ['ox-tf2onnx-lstm13', 'lstm_model.onnx', (input: Expected['inputs'][number]) => input],
  ] as const)('%s gives the outputs expected of it', async (id, name, turn) => {
    const model = await readOnnx(readFileSync(`${root}${id}/${name}`), name, {})
    for (const expected of ['expected.json', 'expected2.json']) {
      const { inputs, outputs } = JSON.parse(
        readFileSync(`${root}${id}/${expected}`, 'utf8'),
      ) as Expected
      const found = await model.predict(turn(inputs[0]))
      const [{ shape, data }] = outputs
      expect(found.shape).toEqual(shape)
      const values = await found.data()
      const worst = Math.max(
        ...data.map((value, i) => Math.abs(values[i] - value) - 1e-5 - 1e-4 * Math.abs(value)),
      )
      expect(worst).toBeLessThanOrEqual(0)
    }
  })

  it('a GRU that tf2onnx wrote as loops is refused by their names', async () => {
    const file = readFileSync(`${root}ox-tf2onnx-gruloop/gru_model.onnx`)
    await expect(readOnnx(file, 'gru_model.onnx', {})).rejects.toThrow(
      /^gru_model\.onnx: cannot be read: .*the operator Loop '.*gru_3_1.*' has no layer.*the operator Loop '.*gru_4_1/,
    )
  })
})
