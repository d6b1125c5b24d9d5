/** The platform under Node: files, environment variables, the native addon. */
import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
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
    await rm(temporary, { force: true }).catch(() => {})
    throw await writeError(path, error)
  }
}

const kindOf = async (path: string) => {
  const found = await stat(path).catch(() => undefined)
  return found && (found.isDirectory() ? 'folder' : 'file')
}

/** Why a file cannot be written, in words. */
async function writeError(path: string, error: unknown): Promise<RefrainError> {
  const { code = '' } = error as NodeJS.ErrnoException
  const folder = dirname(path)
  const [own, parent] = await Promise.all([kindOf(path), kindOf(folder)])
  const cannot = `cannot write ${show(path)}`
  const because = (what: string, hint: string) =>
    new RefrainError('BAD_ARGUMENT', `${cannot}: ${what}`, hint, { cause: error })
  if (own === 'folder') return because('it is a folder', 'Name a file')
  if (parent === undefined) {
    return new RefrainError(
      'FILE_NOT_FOUND',
      `${cannot}: the folder does not exist`,
      `create ${show(folder)} first`,
      { cause: error },
    )
  }
  if (parent === 'file') return because(`${show(folder)} is a file`, 'Name a folder')
  if (['ENOENT', 'EACCES', 'EPERM', 'EROFS'].includes(code)) {
    const what = `no files can be made in the folder ${show(folder)} (${code})`
    return because(what, 'Choose another one, or change its permissions')
  }
  return because(firstLine(error), code === 'ENOSPC' ? 'The disk is full: make room' : '')
}

/**
 * Fails with the error that writing this file would raise, before hours of work depend on it: makes a
 * file beside it and removes it.
 */
export async function checkWritable(path: string): Promise<void> {
  const probe = join(dirname(path), `.${basename(path)}.${process.pid}.${temporaryFiles++}.partial`)
  try {
    if ((await kindOf(path)) === 'folder') throw new Error('a folder')
    await (await open(probe, 'w')).close()
    await rm(probe)
  } catch (error) {
    throw await writeError(path, error)
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
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EISDIR') {
        throw new RefrainError('BAD_FILE', `${show(path)} is a folder`, 'Name a file in it', {
          cause: error,
        })
      }
      const missing = code === 'ENOENT'
      throw new RefrainError(
        'FILE_NOT_FOUND',
        missing ? `no file ${show(path)}` : `cannot read ${show(path)}: ${firstLine(error)}`,
        missing ? 'check the path' : '',
        { cause: error },
      )
    }
  },

  writeFile,

  async appendFile(path, bytes) {
    try {
      await mkdir(dirname(path), { recursive: true })
      await appendFile(path, bytes)
    } catch (error) {
      throw await writeError(path, error)
    }
  },

  turn: () => setImmediate(),

  get sharesMemory() {
    return true
  },

  startWorker(source, data, failed) {
    const code = `(${source})(require('node:worker_threads').workerData)`
    const worker = new Worker(code, { eval: true, workerData: data, execArgv: [], env: {} })
    worker.unref()
    worker.on('error', failed)
    return { terminate: () => void worker.terminate() }
  },

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
