/**
 * What `npm start`, `npm test` and `npm run build` share: install, generate, compile; each stage is
 * skipped when its result is there already. Only Node's built-ins, as nothing may be installed yet.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const root = resolve(fileURLToPath(import.meta.url), '../..')
export const at = (...parts) => join(root, ...parts)

/** A program that failed; `output` is what it printed. */
class ProgramError extends Error {
  constructor(command, status, output) {
    super(`${command} ended with ${status}`)
    this.output = output
  }
}

/** Runs a program in the root and resolves to what it printed. */
export function run(command, args, { inherit = false, shell = false } = {}) {
  return new Promise((done, fail) => {
    const stdio = inherit ? 'inherit' : ['ignore', 'pipe', 'pipe']
    const child = spawn(command, args, { cwd: root, stdio, shell })
    let output = ''
    const collect = (chunk) => {
      output += chunk
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    child.on('error', fail)
    child.on('close', (code, signal) => {
      if (code === 0) done(output.trimEnd())
      else fail(new ProgramError([command, ...args].join(' '), signal ?? `status ${code}`, output))
    })
  })
}

/** Runs a script of the repository, or of an installed package, with this Node. */
export const node = (file, args = [], options = {}) =>
  run(process.execPath, [at(file), ...args], options)

/**
 * Runs one stage and prints a line with its seconds and the remark that the action returns, or what
 * went wrong. Resolves to whether it succeeded.
 */
export async function attempt(name, action) {
  const start = performance.now()
  const report = (mark, remark) => {
    const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6)
    console.log(`${mark} ${name.padEnd(16)}${seconds} s${remark ? `  ${remark}` : ''}`)
  }
  try {
    report('✓', await action())
    return true
  } catch (error) {
    report('✗')
    if (error.output?.trim()) console.error(error.output.trimEnd())
    console.error(error instanceof ProgramError ? error.message : error)
    return false
  }
}

/** As `attempt`, but a failure ends the process with status 1. */
export async function stage(name, action) {
  if (!(await attempt(name, action))) process.exit(1)
}

const lastLine = (output) => output.split('\n').at(-1)

/** Whether node_modules holds just the versions that package-lock.json asks for. */
function isInstalled() {
  const hidden = at('node_modules/.package-lock.json')
  if (!existsSync(hidden)) return false
  const installed = JSON.parse(readFileSync(hidden, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, optional, peer, link }]) => {
    if (!path.includes('node_modules/') || link) return true
    if (!installed[path]) return optional || peer
    return installed[path].version === version && existsSync(at(path))
  })
}

/** Installs what package-lock.json names. No package needs its install script. */
export async function install() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Refrain needs Node 20.19 or newer; this is ${process.versions.node}`)
    process.exit(1)
  }
  if (isInstalled()) return
  console.log('  installing the packages of package-lock.json')
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund']
  const npm = process.env.npm_execpath ?? ''
  await stage('npm ci', async () => {
    if (npm.endsWith('npm-cli.js')) await run(process.execPath, [npm, ...args])
    else await run('npm', args, { shell: process.platform === 'win32' })
  })
}

/** The files under a folder, as paths relative to the root, sorted. */
function filesUnder(folder) {
  return readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort()
}

/** Compiles src/ to dist/ with tsc and removes what deleted sources left there. */
async function compile() {
  const sources = filesUnder('src').filter((file) => !/\.(test|case)\.ts$/.test(file))
  const hash = createHash('sha256')
  const settings = [
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
    'scripts/bundle.mjs',
  ]
  for (const file of [...sources, ...settings]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(at(file)))
      .update('\0')
  }
  const key = hash.digest('hex')
  const stamp = at('.build/library.sha256')
  const outputs = sources
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const base = file.replace(/^src/, 'dist').replace(/\.ts$/, '')
      return file.endsWith('.d.ts') ? [] : [`${base}.js`, `${base}.js.map`, `${base}.d.ts`]
    })
  const bundles = ['page', 'tunes', 'module'].map((name) => `dist/page/bundles/${name}.js`)
  const complete = () => [...outputs, ...bundles].every((file) => existsSync(at(file)))
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key && complete()) return 'up to date'

  if (!complete()) rmSync(at('dist/.tsbuildinfo'), { force: true })
  await node('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json'])
  const expected = new Set(outputs.map((file) => join(file)))
  for (const file of filesUnder('dist')) {
    if (/\.(js|js\.map|d\.ts)$/.test(file) && !expected.has(file)) rmSync(at(file))
  }
  // With the bundler, which may just have been installed.
  const { bundlePages } = await import('./bundle.mjs')
  await bundlePages()
  if (existsSync(at('dist/cli/main.js'))) chmodSync(at('dist/cli/main.js'), 0o755)
  writeFileSync(stamp, key)
}

/** Waits until no other process builds in this folder, then runs the action. */
async function alone(action) {
  const lock = at('.build/lock')
  mkdirSync(at('.build'), { recursive: true })
  const take = () => {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return true
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      return false
    }
  }
  const isStale = () => {
    try {
      if (Date.now() - statSync(lock).mtimeMs > 600_000) return true
      const owner = Number(readFileSync(lock, 'utf8'))
      if (owner > 0) process.kill(owner, 0)
      return false
    } catch (error) {
      return error.code === 'ESRCH'
    }
  }
  for (let waits = 0; !take(); waits++) {
    if (isStale()) rmSync(lock, { force: true })
    else {
      if (waits === 0) console.log('  waiting for another build in this folder')
      await setTimeout(200)
    }
  }
  const release = () => rmSync(lock, { force: true })
  process.once('exit', release)
  try {
    await action()
  } finally {
    release()
    process.off('exit', release)
  }
}

/** Runs a script that skips what is up to date and says in its last line what it did. */
const kernelScript = async (file) => lastLine(await node(file))

/** Installs, then makes everything that git ignores and the library needs: kernels and dist/. */
export async function build() {
  await install()
  await alone(async () => {
    await stage('exports', () => kernelScript('scripts/generate-exports.mjs'))
    await Promise.all([
      stage('native kernels', () => kernelScript('scripts/build-native.mjs')),
      stage('wasm kernels', () => kernelScript('scripts/build-wasm.mjs')).then(() =>
        stage('library', compile),
      ),
    ])
  })
}
