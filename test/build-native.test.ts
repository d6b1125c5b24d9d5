/** Where the native build finds node-gyp. What it builds, `src/kernels/native/native.test.ts` runs. */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** The package as npm unpacks it, where no node-gyp is to be found, and programs to `--version`. */
function unpack(): string {
  const folder = mkdtempSync(join(tmpdir(), 'build-native-'))
  folders.push(folder)
  for (const path of ['csrc', 'scripts', 'binding.gyp', 'package.json']) {
    cpSync(join(root, path), join(folder, path), { recursive: true })
  }
  mkdirSync(join(folder, 'bin'))
  for (const program of ['g++', 'c++', 'make', 'python3']) {
    symlinkSync(process.execPath, join(folder, 'bin', program))
  }
  return folder
}

function plant(path: string, says: string): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(
    path,
    `const { mkdirSync, writeFileSync } = require('node:fs')
    mkdirSync('build/Release', { recursive: true })
    writeFileSync('build/Release/refrain.node', ${JSON.stringify(says)})`,
  )
  return path
}

function run(folder: string, script: string, gyp?: string) {
  const environment = { PATH: join(folder, 'bin'), npm_config_node_gyp: gyp }
  const { stdout, status } = spawnSync(process.execPath, [join(folder, 'scripts', script)], {
    encoding: 'utf8',
    env: environment,
  })
  expect(status).toBe(0)
  const addon = join(folder, 'build/Release/refrain.node')
  return { stdout, built: existsSync(addon) ? readFileSync(addon, 'utf8') : '' }
}

describe.skipIf(process.platform === 'win32')('the native build', () => {
  test.each(['build-native.mjs', 'install.mjs'])('%s takes the node-gyp npm names', (script) => {
    const folder = unpack()
    // Not in a folder called node-gyp/bin: nothing but the path itself counts.
    const gyp = plant(join(folder, 'npm/node_modules/gyp/bin.js'), 'by npm')
    expect(run(folder, script, gyp)).toEqual({ stdout: '', built: 'by npm' })
  })

  test('prefers a node-gyp that is installed', () => {
    const folder = unpack()
    plant(join(folder, 'node_modules/node-gyp/bin/node-gyp.js'), 'by the dependency')
    const gyp = plant(join(folder, 'npm/node_modules/gyp/bin.js'), 'by npm')
    expect(run(folder, 'build-native.mjs', gyp).built).toBe('by the dependency')
  })

  test.each([undefined, '', '/nowhere/node-gyp.js', '/bin/sh'])('says so without: %s', (gyp) => {
    expect(run(unpack(), 'build-native.mjs', gyp)).toEqual({
      stdout:
        'refrain: no native addon (node-gyp is not installed); WebAssembly is used. ' +
        'To get it: npm install node-gyp, then build again\n',
      built: '',
    })
  })
})
