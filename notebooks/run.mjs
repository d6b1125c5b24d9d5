/**
 * `npm run notebooks [-- NAME...]`: executes the notebooks whose names contain one of the texts, or all, with
 * Deno's kernel for Jupyter, and writes their outputs into them. Installs what is missing: Deno from npm,
 * Jupyter's client from Debian's packages.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { createInterface } from 'node:readline'
import { at, build, run, stage } from '../scripts/stages.mjs'

const help = `npm run notebooks [-- NAME...]
  executes all notebooks, or those whose file names contain one of the texts, as in: npm run notebooks -- 01 gait
  To work in one: npm run notebooks -- --kernel, then jupyter lab notebooks (or your editor) with the kernel "Deno"`

const wanted = process.argv.slice(2)
if (wanted.includes('--help')) {
  console.log(help)
  process.exit(0)
}
const names = readdirSync(at('notebooks'))
  .filter((name) => name.endsWith('.ipynb'))
  .filter((name) => wanted.length === 0 || wanted.some((text) => name.includes(text)))
const kernelOnly = wanted.includes('--kernel')
if (names.length === 0 && !kernelOnly) {
  console.error(`notebooks: no notebook is named like ${wanted.join(', ')}\n${help}`)
  process.exit(1)
}

await build()
await stage('deno', installDeno)
if (kernelOnly) {
  await stage('kernel', () => run(deno(), ['jupyter', '--install', '--force']))
  process.exit(0)
}
let python
await stage('jupyter', async () => {
  python = (await findPython()) ?? (await installJupyter())
})
writeKernel()
process.exit((await executeAll()) ? 0 : 1)

/** The program itself: the package's script would only start it. */
function deno() {
  const folder = at('notebooks/node_modules/@deno')
  const [build] = readdirSync(folder)
  return `${folder}/${build}/deno${process.platform === 'win32' ? '.exe' : ''}`
}

async function installDeno() {
  try {
    await run(deno(), ['--version'])
    return 'present'
  } catch {
    // Without a lock file, which would hold the one build that this machine's npm has seen.
    const args = ['install', '--prefix', 'notebooks', '--no-package-lock', '--ignore-scripts']
    await run('npm', [...args, '--no-audit', '--no-fund'], { shell: process.platform === 'win32' })
    return ''
  }
}

/** A Python that has Jupyter's client, which need not be the first on the path. */
async function findPython() {
  for (const program of ['python3', '/usr/bin/python3', 'python']) {
    try {
      await run(program, ['-c', 'import nbclient, nbformat'])
      return program
    } catch {
      // The next may have it.
    }
  }
  return null
}

async function installJupyter() {
  const root = process.getuid?.() === 0 ? '' : 'sudo -n '
  const install = `${root}env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends`
  try {
    await run('sh', ['-c', `${root}apt-get update -qq && ${install} python3-nbclient`])
  } catch (error) {
    const message = 'nbclient is missing: apt-get install python3-nbclient, or pip install nbclient'
    throw Object.assign(new Error(message), { output: error.output })
  }
  const found = await findPython()
  if (!found) throw new Error('No Python finds nbclient, though python3-nbclient is installed')
  return found
}

/** The kernel's description for this run alone: the user's own kernels stay as they are. */
function writeKernel() {
  const folder = at('.build/jupyter/kernels/deno')
  mkdirSync(folder, { recursive: true })
  const argv = [deno(), 'jupyter', '--kernel', '--conn', '{connection_file}']
  writeFileSync(
    `${folder}/kernel.json`,
    JSON.stringify({ argv, display_name: 'Deno', language: 'typescript' }),
  )
}

/** One process a core, each with the next notebook in line; whether all succeeded. */
async function executeAll() {
  const start = performance.now()
  const workers = Math.min(names.length, os.availableParallelism())
  const queue = [...names]
  let failed = 0
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let name = queue.shift(); name; name = queue.shift()) {
        const { seconds, error } = await executeOne(at('notebooks', name))
        console.log(`${error ? '✗' : '✓'} ${name.padEnd(36)}${error ? '' : `${seconds} s`}`)
        if (error) {
          failed++
          console.error(error)
        }
      }
    }),
  )
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(`${names.length - failed} of ${names.length} notebooks, ${seconds} s`)
  return failed === 0
}

/** @param {string} path @returns {Promise<{ seconds?: number, error?: string }>} */
function executeOne(path) {
  return new Promise((done) => {
    const child = spawn(python, [at('notebooks/execute.py'), path], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, JUPYTER_PATH: at('.build/jupyter'), NO_COLOR: '1' },
    })
    let result = null
    let trouble = ''
    createInterface({ input: child.stdout }).on('line', (line) => {
      result = JSON.parse(line)
    })
    child.stderr.on('data', (chunk) => {
      trouble += chunk
    })
    child.on('error', (error) => done({ error: error.message }))
    child.on('close', () => done(result ?? { error: trouble }))
  })
}
