/**
 * npm's install script of the published package: compiles the native kernels where there is a C++
 * compiler. It never fails: without them the library runs on WebAssembly. In the repository it does
 * nothing; `npm run build` compiles there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(fileURLToPath(import.meta.url), '../..')

if (!existsSync(resolve(root, 'src'))) {
  // npm and pnpm say where their own node-gyp is; with NODE_PATH the build script finds it.
  const gyp = process.env.npm_config_node_gyp
  const env = { ...process.env }
  if (gyp) env.NODE_PATH = resolve(dirname(gyp), '../..')
  spawnSync(process.execPath, [resolve(root, 'scripts/build-native.mjs')], {
    cwd: root,
    env,
    stdio: 'inherit',
    timeout: 300_000,
  })
}
