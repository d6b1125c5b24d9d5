/** Finds the model that an argument names, a file or one that comes with Refrain, and its task. */
import { readdir, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { RefrainError, show } from '../errors.ts'
import { type LoadedFile, loadFile } from '../model/index.ts'
import { nearest } from '../util/check.ts'
import { list } from './io.ts'
import type { Task, Trained } from './task.ts'
import { tasks } from './tasks/index.ts'

/** models/ beside package.json, seen from src/cli/ and from dist/cli/ alike. */
const shipped = fileURLToPath(new URL('../../models/', import.meta.url))
const suffix = '.refrain'

/** A model that was read, with its task. */
export interface Opened {
  /** As the argument names it. */
  readonly name: string
  readonly file: LoadedFile
  readonly task: Task
  readonly trained: Trained
}

/** The names of the models that come with Refrain. */
async function shippedModels(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch(() => [])
  return files.flatMap((file) => (file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []))
}

/**
 * The file that an argument names: a path, or the bare name of a model in `folder`, by default the
 * models that come with Refrain. Throws `FILE_NOT_FOUND` for a bare name that is neither.
 */
export async function findModel(name: string, folder = shipped): Promise<string> {
  const isPath = /[\\/]/.test(name) || name.endsWith(suffix)
  if (isPath || (await stat(name).catch(() => undefined))?.isFile()) return name
  const known = (await shippedModels(folder)).sort()
  if (known.includes(name)) return `${folder}${name}${suffix}`
  const own = `${name}${suffix}`
  const close = (await stat(own).catch(() => undefined)) ? own : nearest(name, known)
  throw new RefrainError(
    'FILE_NOT_FOUND',
    `'${name}': there is no such file, and no model of this name comes with Refrain` +
      `${known.length > 0 ? ` (${list(known)} do)` : ''}`,
    close ? `did you mean '${close}'?` : 'Name a .refrain file; refrain train makes one',
  )
}

/** The task of a file, or undefined if it names none that the command knows. */
export function taskOf({ encoders }: LoadedFile): Task | undefined {
  const name = (encoders as { task?: unknown } | null)?.task
  return tasks.find((task) => task.name === name)
}

/** Reads the model that an argument names. Throws `BAD_FILE` if it is of no task. */
export async function openModel(name: string): Promise<Opened> {
  const file = await loadFile(await findModel(name))
  const task = taskOf(file)
  if (!task) {
    const own = (file.encoders as { task?: unknown } | null)?.task
    throw new RefrainError(
      'BAD_FILE',
      `${name}: expected a model of ${tasks.map((task) => task.name).join(', ')}, ` +
        `got a model for ${own === undefined ? 'no task' : show(own)}`,
      'refrain train makes one; refrain inspect shows any',
    )
  }
  return { name, file, task, trained: task.fromFile(file, name) }
}
