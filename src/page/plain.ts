/** The page of any model but those of `tunes.ts`. */
import { start } from './page.ts'

start()
