import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { checkImports, show } from '../scripts/check-imports.mjs'

const script = fileURLToPath(new URL('../scripts/check-imports.mjs', import.meta.url))
const roots: string[] = []

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})

function plant(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'check-imports-'))
  roots.push(root)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

/** The problems as the script prints them. */
const check = (files: Record<string, string>) => checkImports(plant(files)).problems.map(show)

const sound = {
  'src/errors.ts': 'export class RefrainError extends Error {}\n',
  'src/util/check.ts': "import { RefrainError } from '../errors.ts'\nthrow new RefrainError()\n",
  'src/platform/node.ts': "import { cpus } from 'node:os'\nexport const cores = cpus().length\n",
  'src/kernels/wasm.ts': "import { cores } from '#platform'\nexport const threads = cores\n",
  'src/tensor/tensor.ts': "export { threads } from '../kernels/wasm.ts'\n",
  'src/data/batch.ts': "import { threads } from '../tensor/tensor.ts'\nexport const n = threads\n",
  'src/train/trainer.ts': "import { n } from '../data/batch.ts'\nexport const steps = n\n",
  'src/index.ts': "export { steps } from './train/trainer.ts'\n",
  'src/cli/main.ts':
    "import { steps } from '../index.ts'\nimport { readFileSync } from 'node:fs'\nconsole.log(steps, readFileSync)\n",
}

describe('import directions', () => {
  test('a sound tree passes', () => {
    const { status, stdout } = spawnSync(process.execPath, [script, plant(sound)], {
      encoding: 'utf8',
    })
    expect(stdout).toBe('imports of 9 files run one way\n')
    expect(status).toBe(0)
  })

  test('problems go to stderr and the exit status is 1', () => {
    const root = plant({ ...sound, 'src/errors.ts': "export * from './index.ts'\n" })
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
    expect(stderr).toBe(
      'src/errors.ts:1: errors imports index, which lies above it\n' +
        '  move the shared part down into errors, or pass it in as an argument\n',
    )
    expect(status).toBe(1)
  })

  test.each([
    ['static', "\nimport { fit } from '../model/fit.ts'\nfit()\n", 2],
    ['dynamic', "\n\nconst { fit } = await import('../model/fit.ts')\nfit()\n", 3],
    ['re-export', "export * from '../model/fit.ts'\n", 1],
    ['type', "import type { Fit } from '../model/fit.ts'\nexport type F = Fit\n", 1],
    ['inline type', "export type F = import('../model/fit.ts').Fit\n", 1],
  ])('a %s import upwards fails', (_, text, line) => {
    const problems = check({
      ...sound,
      'src/model/fit.ts': 'export function fit() {}\nexport type Fit = typeof fit\n',
      'src/layers/lstm.ts': text,
    })
    expect(problems).toEqual([
      `src/layers/lstm.ts:${line}: layers imports model, which lies above it\n` +
        '  move the shared part down into layers, or pass it in as an argument',
    ])
  })

  test('an import sideways fails', () => {
    const problems = check({
      ...sound,
      'src/layers/lstm.ts': "import { n } from '../data/batch.ts'\nexport const m = n\n",
    })
    expect(problems).toEqual([
      'src/layers/lstm.ts:1: layers imports data, which lies beside it\n' +
        '  move the shared part down into a layer below both, or pass it in as an argument',
    ])
  })

  test('a folder that is no layer fails', () => {
    const problems = check({ ...sound, 'src/helpers/a.ts': 'export const a = 1\n' })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain("src/helpers/a.ts:1: 'helpers' is no layer")
  })

  test('the library imports no test and nothing outside src', () => {
    const problems = check({
      ...sound,
      'test/helper.ts': 'export const h = 1\n',
      'src/tensor/tensor.test.ts': 'export const t = 1\n',
      'src/tensor/a.ts': "import { h } from '../../test/helper.ts'\nexport const a = h\n",
      'src/tensor/b.ts': "import { t } from './tensor.test.ts'\nexport const b = t\n",
    })
    expect(problems).toEqual([
      'src/tensor/a.ts:1: the library imports test/helper.ts, which is not published\n  move it into src/',
      'src/tensor/b.ts:1: the library imports the test src/tensor/tensor.test.ts\n  move the shared part into test/',
    ])
  })

  test('a test may use test/ and what lies below it, not what lies above', () => {
    const problems = check({
      ...sound,
      'test/helper.ts': 'export const h = 1\n',
      'src/util/check.test.ts':
        "import { h } from '../../test/helper.ts'\nimport { threads } from '../kernels/wasm.ts'\nimport { readFileSync } from 'node:fs'\nconsole.log(h, threads, readFileSync)\n",
      'src/tensor/tensor.test.ts': "import { steps } from '../index.ts'\nconsole.log(steps)\n",
    })
    expect(problems).toEqual([
      'src/tensor/tensor.test.ts:1: a test of tensor imports index, which lies above it\n' +
        '  move what it needs down into its layer or into test/, or move the test into test/',
    ])
  })
})

describe("what the browser's library may load", () => {
  test('no built-in of Node, not even later', () => {
    const problems = check({
      ...sound,
      'src/tensor/tensor.ts':
        "import 'node:fs'\nexport { threads } from '../kernels/wasm.ts'\nawait import('./late.ts')\n",
      'src/tensor/late.ts': "\nawait import('os')\n",
    })
    const chain = 'src/index.ts → src/train/trainer.ts → src/data/batch.ts → src/tensor/tensor.ts'
    const remedy = "  reach it through '#platform', whose Node half is src/platform/node.ts"
    expect(problems).toEqual([
      `src/tensor/late.ts:2: 'os' is Node's, and the browser loads this file (${chain} → src/tensor/late.ts)\n${remedy}`,
      `src/tensor/tensor.ts:1: 'node:fs' is Node's, and the browser loads this file (${chain})\n${remedy}`,
    ])
  })

  test('no npm package, unless it is loaded when first used', () => {
    const late = { ...sound, 'src/train/log.ts': "import { parse } from 'csv-parse'\nparse()\n" }
    const problems = check({
      ...late,
      'src/train/trainer.ts': "import './log.ts'\nexport const steps = 1\n",
    })
    expect(problems).toEqual([
      "src/train/log.ts:1: the npm package 'csv-parse' would be part of every browser bundle " +
        '(src/index.ts → src/train/trainer.ts → src/train/log.ts)\n' +
        "  load it when it is first used, with await import('csv-parse')",
    ])
    expect(check({ ...late, 'src/train/trainer.ts': "await import('./log.ts')\n" })).toEqual([])
  })
})
