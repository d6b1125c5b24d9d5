/** `npm run build`: installs what is missing, compiles the kernels and the library (dist/). */
import { build } from './stages.mjs'

await build()
