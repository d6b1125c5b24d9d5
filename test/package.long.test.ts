/** The package as its users get it: packed, installed in an empty project, imported, compiled. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'refrain-package-'))
const app = join(folder, 'app')
const windows = process.platform === 'win32'
let packed: string[]

const npm = (args: string[], cwd: string) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', shell: windows, stdio: 'pipe' })

/** Runs Node in the project and returns what it printed, parsed as JSON. */
function runScript(source: string, env: NodeJS.ProcessEnv = {}) {
  writeFileSync(join(app, 'script.mjs'), source)
  const { status, stdout, stderr } = spawnSync(process.execPath, ['script.mjs'], {
    cwd: app,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

const training = `
import { adam, bidirectional, defaultBackend, dense, embedding, loadModel, lstm, sequential } from 'refrain'

const model = sequential([
  embedding({ inputDim: 10, outputDim: 4, maskZero: true }),
  bidirectional(lstm({ units: 5 })),
  dense({ units: 1, activation: 'sigmoid' }),
])
model.compile({ optimizer: adam({ learningRate: 0.05 }), loss: 'binaryCrossentropy' })
const x = Array.from({ length: 32 }, (_, i) => [1 + (i % 9), 1 + (i % 2), 3])
const y = x.map((row) => [row[1] - 1])
const { history } = await model.fit(x, y, { epochs: 20, batchSize: 8 })
await model.save('m.refrain')
const again = await loadModel('m.refrain')
const p = Array.from(await (await model.predict(x)).data())
const q = Array.from(await (await again.predict(x)).data())
const { name } = defaultBackend()
console.log(JSON.stringify({ backend: name, first: history.loss[0], last: history.loss.at(-1), p, q }))
`

beforeAll(() => {
  const [{ filename, files }] = JSON.parse(
    npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root),
  )
  packed = files.map(({ path }: { path: string }) => path)
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }')
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  npm(['install', ...quiet, join(folder, filename)], app)
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the packed files', () => {
  test('are what runs, its types and what the addon is compiled from', () => {
    for (const path of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/platform/browser.js',
      'dist/kernels/wasm/kernels.generated.js',
      'csrc/addon.cc',
      'csrc/generated/exports.h',
      'binding.gyp',
      'scripts/build-native.mjs',
      'scripts/install.mjs',
      'package.json',
      'models/ner.refrain',
      'models/ner.md',
    ]) {
      expect(packed).toContain(path)
    }
  })

  test('are nothing else', () => {
    const known =
      /^(dist\/.*\.(js|js\.map|d\.ts)|csrc\/.*\.(h|cc)|scripts\/(install|build-native)\.mjs|binding\.gyp|package\.json|models\/[a-z-]+\.(refrain|md)|README\.md|LICENSE|NOTICE)$/
    expect(packed.filter((path) => !known.test(path))).toEqual([])
    expect(packed.filter((path) => /\.(test|case)\./.test(path))).toEqual([])
  })

  test('hold every file that package.json points to', () => {
    const { exports, bin, imports } = JSON.parse(
      execFileSync('node', ['-p', 'JSON.stringify(require("./package.json"))'], {
        cwd: join(app, 'node_modules/refrain'),
        encoding: 'utf8',
      }),
    )
    const targets: string[] = []
    JSON.stringify([exports, bin, imports], (_, value) => {
      if (typeof value === 'string') targets.push(value.replace(/^\.\//, ''))
      return value
    })
    expect(targets.filter((path) => !packed.includes(path))).toEqual([])
  })
})

describe('installed in an empty project', () => {
  test('only what runs is installed', () => {
    for (const name of ['vitest', 'typescript', 'node-gyp', '@yowasp/clang']) {
      expect(existsSync(join(app, 'node_modules', name))).toBe(false)
    }
  })

  test('trains on WebAssembly without the addon', () => {
    const { backend, first, last, p, q } = runScript(training, { REFRAIN_BACKEND: '' })
    expect(backend).toBe('wasm')
    expect(last).toBeLessThan(first / 2)
    expect(q).toEqual(p)
  })

  test('a model that comes with it answers by its name', () => {
    const answer = execFileSync(
      process.execPath,
      ['node_modules/refrain/dist/cli/main.js', 'predict', 'ner', 'Ada Lovelace lived in London'],
      { cwd: app, encoding: 'utf8' },
    )
    expect(answer).toBe('[Ada Lovelace PER] lived in [London LOC]\n')
  })

  test('the install script does not fail without a compiler', () => {
    const script = join(app, 'node_modules/refrain/scripts/install.mjs')
    const { status, stdout } = spawnSync(process.execPath, [script], {
      encoding: 'utf8',
      env: { PATH: folder },
    })
    expect(stdout).toMatch(/^refrain: no native addon \(.*\); WebAssembly is used\. .*\n$/)
    expect(status).toBe(0)
  })

  const compiler = process.platform === 'darwin' ? 'c++' : 'g++'
  test.skipIf(windows || spawnSync(compiler, ['--version']).status !== 0)(
    'npm compiles the addon where there is a compiler',
    { timeout: 300_000 },
    () => {
      npm(['rebuild', 'refrain'], app)
      const { backend, p, q } = runScript(training, { REFRAIN_BACKEND: '' })
      expect(backend).toBe('native')
      expect(q).toEqual(p)
    },
  )

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('its types compile strictly, module %s', (module, moduleResolution) => {
    writeFileSync(
      join(app, 'consumer.ts'),
      `import { type Backend, type Callback, defaultBackend, dense, type History, loadModel, lstm, type Model, sequential, type Tensor } from 'refrain'
const model: Model = sequential([lstm({ units: 3, inputShape: [null, 2] }), dense({ units: 1 })])
model.compile({ loss: 'meanSquaredError', metrics: ['meanAbsoluteError'] })
const log: Callback = { name: 'log', onEpochEnd: (run, logs) => console.log(run.epoch, logs.loss) }
export const history: History = await model.fit([[[1, 2]]], [[1]], { epochs: 1, callbacks: [log] })
export const output: Tensor = await (await loadModel('m.refrain')).predict([[[1, 2]]])
export const backend: Backend = defaultBackend()
// @ts-expect-error an option that does not exist
lstm({ unit: 3 })
// @ts-expect-error a loss that does not exist
model.compile({ loss: 'meanSquareError' })
`,
    )
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2022', 'dom'],
      module,
      moduleResolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      types: [],
      noEmit: true,
    }
    writeFileSync(
      join(app, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', app], { encoding: 'utf8' })
    expect(stdout).toBe('')
  })
})

test('the command makes a module that stands alone', () => {
  execFileSync('npx', ['refrain', 'convert', 'sentiment', 's.mjs', '--int8'], {
    cwd: app,
    stdio: 'pipe',
    shell: windows,
  })
  const { label, probability } = runScript(
    "import { predict } from './s.mjs'\nconsole.log(JSON.stringify(await predict('a fine film')))",
  )
  expect(label).toBe('positive')
  expect(probability).toBeGreaterThan(0.5)
}, 60_000)
