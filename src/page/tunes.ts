/** The page of a model that writes tunes in ABC: it has what reads them, half a megabyte that other pages leave out. */
import { abcPiece, abcProblems } from '../data/abc-music.ts'
import { addTunes } from './generate-form.ts'
import { start } from './page.ts'

addTunes({ piece: abcPiece, problems: abcProblems })
start()
