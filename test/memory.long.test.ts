/** What loading takes at most: each file in a process of its own, whose peak is compared with what it was before. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dense, embedding, lstm } from '../src/layers/index.ts'
import { sequential } from '../src/model/sequential.ts'
import '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'refrain-memory-'))
const at = (name: string) => join(folder, name)

/** 6 million weights. */
const weights = 4 * (40_000 * 128 + (128 + 448 + 1) * 4 * 448 + 449 * 20)
/** Programs that are loaded with the first file, and what the garbage collector leaves. */
const slack = 12e6

/** Loads a small file of the format, then the large one; prints by how many bytes the peak grew. */
const program = `
import { readFileSync, writeFileSync } from 'node:fs'
import { loadModel } from ${JSON.stringify(pathToFileURL('dist/index.js').href)}
const [small, large] = process.argv.slice(1)
await loadModel(small)
gc()
// From here on the kernel notes the highest number of resident bytes anew (proc(5), clear_refs).
writeFileSync('/proc/self/clear_refs', '5')
const peak = () => 1024 * /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]
const before = peak()
await loadModel(large)
console.log(peak() - before)
`

const make = (words: number, units: number) =>
  sequential([
    embedding({ inputDim: words, outputDim: 128 }),
    lstm({ units, returnSequences: true }),
    dense({ units: 20 }),
  ]).build([null, null])

beforeAll(async () => {
  const models = { small: make(10, 16), large: make(40_000, 448) }
  for (const [size, model] of Object.entries(models)) {
    for (const ending of ['refrain', 'keras', 'h5', 'json', 'safetensors', 'onnx']) {
      await model.save(at(`${size}.${ending}`))
    }
    for (const dtype of ['float16', 'int8'] as const) {
      await model.save(at(`${size}-${dtype}.refrain`), { dtype })
    }
  }
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true }))

test.skipIf(process.platform !== 'linux').each([
  ['.refrain', 1],
  // The file and what it holds: three times as much as the file, and five times.
  ['-float16.refrain', 1 / 2, 1.5],
  ['-int8.refrain', 1 / 4, 1.25],
  ['.keras', 1],
  ['.h5', 1],
  ['.json', 1],
  ['.safetensors', 1],
  ['.onnx', 1],
])(
  'a model in %s takes at most four times its weights, less from fewer bytes',
  (ending, share, most = 4) => {
    const file = at(`large${ending}`)
    const size = statSync(ending === '.json' ? at('large.bin') : file).size
    expect(size).toBeGreaterThan(0.95 * share * weights)
    expect(size).toBeLessThan(1.1 * share * weights)
    const args = ['--expose-gc', '--input-type=module', '-e', program, at(`small${ending}`), file]
    const grown = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
    console.log(
      `large${ending}: ${(grown / 1e6).toFixed(0)} MB for ${(weights / 1e6).toFixed(0)} of weights`,
    )
    // The weights at least are new.
    expect(grown).toBeGreaterThan(0.9 * weights)
    expect(grown).toBeLessThan(most * weights + slack)
  },
  60_000,
)
