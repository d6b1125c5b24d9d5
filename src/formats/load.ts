/** Loading a model from a file of any format that is known. */
import { readForeign, readWeights } from '#foreign'
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import { decodeModel } from '../model/load.ts'
import type { Model } from '../model/model.ts'
import type { ForeignOptions } from './foreign.ts'
import { type FileFormat, sniff } from './sniff.ts'

/**
 * Reads a model: Refrain's own `.refrain`; in Node also Keras's `.keras` and `.h5`, TensorFlow.js's
 * `model.json`, with the files of weights beside it, and PyTorch's `.pt`, `.pth` and `.safetensors`, with the
 * option `architecture`. The bytes say which it is, not the name.
 *
 * Throws `FILE_NOT_FOUND`, `BAD_FILE`, `BAD_ARGUMENT`, and `UNSUPPORTED` with all layers and options that a
 * foreign file has and Refrain has not.
 */
export async function loadModel(path: string, options: ForeignOptions = {}): Promise<Model> {
  if (typeof path !== 'string' || path === '') {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `expected the path of a model's file, got ${path === '' ? 'an empty string' : show(path)}`,
      "such as loadModel('reviews.refrain')",
    )
  }
  const bytes = await platform.readFile(path)
  const format = sniff(bytes)
  if (!isOther(bytes, format)) {
    const { architecture: _, ...own } = options
    return decodeModel(bytes, path, own).model
  }
  return readForeign(bytes, path, format, options)
}

/**
 * Puts weights into a model that is built, of a file that has weights alone, in Node: Keras's `.weights.h5`, and `.weights.json`
 * with the files that it names, PyTorch's `.pt`, `.pth` and `.safetensors`. Layers are found by their names (of `.weights.h5` from Keras 3 by kinds, in order);
 * those of a PyTorch stack `rnn` are `rnn_l0`, `rnn_l1`, …. Throws `BAD_FILE` if anything is missing or does not
 * fit, and then changes nothing.
 */
export async function loadWeights(model: Model, path: string): Promise<void> {
  const bytes = await platform.readFile(path)
  await readWeights(model, bytes, path, sniff(bytes))
}

/** Whether a file of this format is another program's. */
export function isOther(bytes: Uint8Array, format: FileFormat): boolean {
  return format !== 'unknown' && (format !== 'safetensors' || isForeign(bytes))
}

/** Whether a safetensors file is another program's: Refrain's say in their header what they are. */
function isForeign(bytes: Uint8Array): boolean {
  const header = new TextDecoder().decode(bytes.subarray(8, 1_000_000))
  return header.includes('"__metadata__"')
    ? !/"format"\s*:\s*"refrain"/.test(header)
    : header.includes('weight')
}
