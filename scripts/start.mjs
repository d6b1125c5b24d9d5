/**
 * `npm start`: from a fresh clone to a trained model. Installs, builds, then runs
 * examples/sentences.ts on the terminal; arguments are passed on to it.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { at, build, root, stage } from './stages.mjs'

const example = 'examples/sentences.ts'
const program = at('.build/examples/sentences.mjs')

await build()
if (!existsSync(at(example))) {
  console.error(`${example} is missing: there is nothing to start`)
  process.exit(1)
}

await stage('example', async () => {
  const { build: bundle } = await import('esbuild')
  await bundle({
    entryPoints: [at(example)],
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    sourcemap: 'inline',
    tsconfigRaw: {}, // its paths would lead to src/ instead of the built package
    logLevel: 'silent',
  })
})

const child = spawn(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
process.on('SIGINT', () => {}) // the terminal sends it to the child, too
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('close', (code) => process.exit(code ?? 1))
