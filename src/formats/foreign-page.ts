/** Models of other programs, in a page: their readers are large, and conversion is a command away. */
import { RefrainError } from '../errors.ts'
import type { readForeign as read } from './foreign.ts'

/** Says how to get a file that a page can read. */
export const readForeign: typeof read = async (_bytes, path) => {
  const target = `${path.replace(/\.\w+$/, '')}.refrain`
  throw new RefrainError(
    'UNSUPPORTED',
    `${path}: a page reads .refrain files alone`,
    `Convert it once: npx refrain convert ${path} ${target}`,
  )
}
