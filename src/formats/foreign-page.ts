/** Models of other programs, in a page: their readers are large, and conversion is a command away. */
import { RefrainError } from '../errors.ts'
import type { readWeights as fill, readForeign as read } from './foreign.ts'

/** Says how to get a file that a page can read. */
export const readForeign: typeof read = async (_bytes, path) => refuse(path)

/** As `readForeign`. */
export const readWeights: typeof fill = async (_model, _bytes, path) => refuse(path)

function refuse(path: string): never {
  const target = `${path.replace(/\.\w+$/, '')}.refrain`
  throw new RefrainError(
    'UNSUPPORTED',
    `${path}: a page reads .refrain files alone`,
    `Convert it once: npx refrain convert ${path} ${target}`,
  )
}
