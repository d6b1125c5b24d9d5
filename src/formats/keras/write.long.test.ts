/** Random models, opened by Keras itself where the benchmarks' Python is installed. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { it } from 'vitest'
import { expectClose, randomModels } from '../random-model.case.ts'

const folder = mkdtempSync(join(tmpdir(), 'refrain-keras-'))

const python = fileURLToPath(new URL('../../../bench/.venv/bin/python', import.meta.url))

/** Opens models and writes their predictions beside them. */
const opens = `
import sys, json, numpy as np, keras
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    x = np.array(json.load(open(path + '.x')), dtype='float32')
    json.dump(np.asarray(model.predict(x, verbose=0)).reshape(-1).tolist(), open(path + '.y', 'w'))
`

it.skipIf(!existsSync(python))(
  'Keras opens .keras and .h5 and predicts the same',
  async () => {
    const models = randomModels(12, 3)
    const paths: string[] = []
    for (const [i, { model, x }] of models.entries()) {
      for (const ending of ['keras', 'h5']) {
        const path = join(folder, `python${i}.${ending}`)
        await model.save(path)
        writeFileSync(`${path}.x`, JSON.stringify(x))
        paths.push(path)
      }
    }
    const env = { ...process.env, KERAS_BACKEND: 'jax', TF_CPP_MIN_LOG_LEVEL: '3' }
    execFileSync(python, ['-c', opens, ...paths], { env, stdio: 'pipe' })
    for (const [i, path] of paths.entries()) {
      await expectClose(models[Math.floor(i / 2)], JSON.parse(readFileSync(`${path}.y`, 'utf8')))
    }
  },
  120_000,
)
