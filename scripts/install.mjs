/**
 * npm's install script of the published package: compiles the native kernels where there is a C++
 * compiler. It never fails: without them the library runs on WebAssembly. In the repository it does
 * nothing; `npm run build` compiles there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(fileURLToPath(import.meta.url), '../..')

if (!existsSync(resolve(root, 'src'))) {
  spawnSync(process.execPath, [resolve(root, 'scripts/build-native.mjs')], {
    cwd: root,
    stdio: 'inherit',
    timeout: 300_000,
  })
}
