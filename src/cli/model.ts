/** Finds the model that an argument names, and its task. */
import { RefrainError, show } from '../errors.ts'
import { type LoadedFile, loadFile } from '../model/index.ts'
import type { Task, Trained } from './task.ts'
import { tasks } from './tasks/index.ts'

/** A model that was read, with its task. */
export interface Opened {
  /** As the argument names it. */
  readonly name: string
  readonly file: LoadedFile
  readonly task: Task
  readonly trained: Trained
}

/** The task of a file, or undefined if it names none that the command knows. */
export function taskOf({ encoders }: LoadedFile): Task | undefined {
  const name = (encoders as { task?: unknown } | null)?.task
  return tasks.find((task) => task.name === name)
}

/** Reads the model that an argument names. Throws `BAD_FILE` if it is of no task. */
export async function openModel(name: string): Promise<Opened> {
  const file = await loadFile(name)
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
