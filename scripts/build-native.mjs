// Builds the native addon into build/Release/refrain.node. Without a compiler it says so in one
// line and succeeds: WebAssembly serves then. Does nothing when the addon is up to date.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const output = join(root, 'build/Release/refrain.node')
const stamp = join(root, 'build/refrain.node.hash')

/** Hash of everything that the addon is made of. */
function hashSources() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  const folders = ['csrc', 'csrc/isa', 'csrc/generated'].map((folder) => join(root, folder))
  for (const folder of folders) {
    for (const name of readdirSync(folder).sort()) {
      if (/\.(h|cc)$/.test(name)) hash.update(name).update(readFileSync(join(folder, name)))
    }
  }
  return hash.update(readFileSync(join(root, 'binding.gyp'))).digest('hex')
}

/** node-gyp's script: a dependency's, else the one that npm and pnpm bring along and name here. */
function findGyp() {
  try {
    return createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
  } catch {
    const brought = process.env.npm_config_node_gyp
    return brought?.endsWith('.js') && existsSync(brought) ? brought : undefined
  }
}

/** node-gyp's arguments: headers beside the running Node spare it a download. */
function gypArguments() {
  const prefix = dirname(dirname(process.execPath))
  const found = existsSync(join(prefix, 'include/node/node.h'))
  return [
    'configure',
    'build',
    '--jobs=max',
    '--loglevel=error',
    ...(found ? [`--nodedir=${prefix}`] : []),
  ]
}

function skip(reason, help) {
  console.log(`refrain: no native addon (${reason}); WebAssembly is used. ${help}`)
}

function build() {
  if (process.platform === 'win32') return skip('not built on Windows', 'Nothing to do.')
  if (existsSync(join(root, 'scripts/generate-exports.mjs')) && existsSync(join(root, 'src'))) {
    const made = spawnSync(process.execPath, [join(root, 'scripts/generate-exports.mjs')])
    if (made.status !== 0) return skip(`generate-exports failed: ${made.stderr}`, '')
  }
  const hash = hashSources()
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  // Not an old addon beside new sources, should the build fail.
  rmSync(output, { force: true })
  const compiler = (process.env.CXX ?? (process.platform === 'darwin' ? 'c++' : 'g++')).split(
    ' ',
  )[0]
  const install =
    process.platform === 'darwin'
      ? 'To get it: xcode-select --install'
      : 'To get it: apt-get install g++ make python3, or the like'
  for (const program of [compiler, 'make', 'python3']) {
    if (spawnSync(program, ['--version']).status !== 0) return skip(`no ${program}`, install)
  }
  const gyp = findGyp()
  if (!gyp) {
    return skip('node-gyp is not installed', 'To get it: npm install node-gyp, then build again')
  }
  const run = spawnSync(process.execPath, [gyp, ...gypArguments()], { cwd: root, encoding: 'utf8' })
  if (run.status !== 0 || !existsSync(output)) {
    if (process.argv.includes('--verbose')) console.error(run.stdout + run.stderr)
    const error = `${run.stdout}\n${run.stderr}`.match(/^.*\berror\b.*$/im)?.[0].trim()
    return skip(`the build failed: ${error ?? `status ${run.status}`}`, install)
  }
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, hash)
}

try {
  build()
} catch (error) {
  skip(`the build failed: ${error.message}`, 'Please report it.')
}
