/** Which rivals are installed, and the commands that install the others. */
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const windows = process.platform === 'win32'
const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))

/** The bench's own Python. */
export const python = here(windows ? '.venv/Scripts/python.exe' : '.venv/bin/python')
export const oneDnnProgram = here('.build/onednn')
const oneDnnSource = here('engines/onednn.cc')

const packages = [
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-backend-wasm',
  'brain.js',
  'onnxruntime-node',
  'onnxruntime-web',
]

/** @param {string} name */
const isThere = (name) => existsSync(here(`node_modules/${name}/package.json`))

/** npm packages that are not installed. */
export const missingPackages = () => packages.filter((name) => !isThere(name))

/** Whether node_modules is a link: npm ci would empty the folder that it leads to. */
export const packagesAreLinked = () =>
  lstatSync(here('node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false

/** @param {string} prefix of the packages' names @returns {string | undefined} */
export const npmMissing = (prefix) =>
  packages.every((name) => !name.startsWith(prefix) || isThere(name))
    ? undefined
    : 'not installed; npm ci --prefix bench --ignore-scripts installs it'

/** Whether a program ends well. @param {string} program @param {string[]} args */
const succeeds = (program, args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0

/** @param {string} name a Python package @returns {string | undefined} */
export function pythonMissing(name) {
  const find = `import importlib.util as u, sys; sys.exit(u.find_spec('${name}') is None)`
  if (existsSync(python) && succeeds(python, ['-c', find])) return undefined
  return 'not installed; npm run bench speed -- --install installs it'
}

/** @returns {string | undefined} */
export function compilerMissing() {
  if (['g++', 'clang++', 'cl'].some((name) => succeeds(name, ['--version']))) return undefined
  return 'no C++ compiler; apt-get install g++ installs one'
}

/** @returns {string | undefined} */
export const oneDnnMissing = () =>
  existsSync(oneDnnProgram)
    ? undefined
    : 'not built; apt-get install g++ libdnnl-dev installs what npm run bench speed builds it with'

/** Whether the compiler and the header are there, and the harness not yet, or no longer. */
export function oneDnnToBuild() {
  const old =
    !existsSync(oneDnnProgram) || statSync(oneDnnProgram).mtimeMs < statSync(oneDnnSource).mtimeMs
  return old && succeeds('g++', ['-E', '-x', 'c++', '-include', 'dnnl.hpp', '/dev/null'])
}

/** What runs to build it. @returns {[string, string[]]} */
export function oneDnnBuild() {
  mkdirSync(here('.build'), { recursive: true })
  return ['g++', ['-std=c++17', '-O3', oneDnnSource, '-o', oneDnnProgram, '-ldnnl']]
}

/** What the bench's Python is given, and what of it a rival imports. */
const linux = process.platform === 'linux'
const pythonPackages = [
  { name: 'PyTorch', imports: ['torch', 'numpy'], wanted: ['torch>=2.13', 'numpy'] },
  {
    name: 'Keras TensorFlow',
    imports: ['keras', 'tensorflow'],
    wanted: ['keras>=3', linux ? 'tensorflow-cpu' : 'tensorflow'],
  },
  { name: 'Keras JAX', imports: ['keras', 'jax'], wanted: ['keras>=3', 'jax'] },
]

/**
 * For each rival in Python that is not there, the programs that install it.
 *
 * @returns {{ name: string, programs: [string, string[]][] }[]}
 */
export function pythonInstalls() {
  /** @type {[string, string[]]} */
  const environment = [windows ? 'python' : 'python3', ['-m', 'venv', here('.venv')]]
  // One try: a machine without access should hear so at once.
  const install = ['-m', 'pip', 'install', '--retries', '0']
  return pythonPackages
    .filter(({ imports }) => imports.some(pythonMissing))
    .map(({ name, wanted }, i) => ({
      name,
      programs: [
        ...(existsSync(python) || i > 0 ? [] : [environment]),
        [python, [...install, ...wanted]],
      ],
    }))
}
