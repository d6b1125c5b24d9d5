/** The number of threads that a backend may use. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'

/** REFRAIN_THREADS, or one for each core. */
export function defaultThreads(): number {
  const wanted = platform.env('REFRAIN_THREADS')
  if (wanted === undefined || wanted === '') return Math.min(platform.cores, 64)
  return checkThreads('REFRAIN_THREADS', Number(wanted))
}

/** The count, if it is one; `where` begins the error. */
export function checkThreads(where: string, count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= 1024) return count
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected a whole number from 1 to 1024, got ${show(count)}`,
  )
}
