/** The platform under Node: files, environment variables, the native addon. */
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RefrainError, show } from '../errors.ts'
import type { Platform } from './platform.ts'

/** The same place seen from src/platform/ and from dist/platform/. */
const addonPath = fileURLToPath(new URL('../../build/Release/refrain.node', import.meta.url))

let temporaryFiles = 0

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Targets whose folder has been searched for what earlier processes left. */
const searched = new Set<string>()

/** Removes what a process that was killed while it wrote this target left beside it. */
async function removeAbandoned(path: string): Promise<void> {
  if (searched.has(path)) return
  searched.add(path)
  const prefix = `.${basename(path)}.`
  const names = await readdir(dirname(path)).catch(() => [])
  for (const name of names) {
    if (!name.startsWith(prefix)) continue
    const [, pid, count] = /^(\d+)\.(\d+)\.partial$/.exec(name.slice(prefix.length)) ?? []
    if (pid === undefined) continue
    // In a container every process may be number 1, those before it too.
    const mine = Number(pid) === process.pid
    if (mine ? Number(count) >= temporaryFiles : !isRunning(Number(pid))) {
      await rm(join(dirname(path), name), { force: true })
    }
  }
}

async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  await removeAbandoned(path)
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}.${temporaryFiles++}.partial`,
  )
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new RefrainError(
        'FILE_NOT_FOUND',
        `cannot write ${show(path)}: the folder does not exist`,
        `create ${show(dirname(path))} first`,
        { cause: error },
      )
    }
    throw new RefrainError('BAD_ARGUMENT', `cannot write ${show(path)}: ${firstLine(error)}`, '', {
      cause: error,
    })
  }
}

export const platform: Platform = {
  name: 'node',
  env: (name) => process.env[name],
  cores: availableParallelism(),

  async readFile(path) {
    try {
      return await readFile(path)
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      throw new RefrainError(
        'FILE_NOT_FOUND',
        missing ? `no file ${show(path)}` : `cannot read ${show(path)}: ${firstLine(error)}`,
        missing ? 'check the path' : '',
        { cause: error },
      )
    }
  },

  writeFile,

  loadAddon() {
    try {
      return { addon: createRequire(import.meta.url)(addonPath) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') {
        return { reason: 'the native addon is not built; node scripts/build-native.mjs builds it' }
      }
      return { reason: `the native addon does not load: ${firstLine(error)}` }
    }
  },
}
