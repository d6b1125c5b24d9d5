/** Prints what the backend that REFRAIN_BACKEND and REFRAIN_THREADS choose computes at most: one line of JSON. */
import { defaultBackend, measurePeak } from '../dist/index.js'

const backend = defaultBackend()
console.log(JSON.stringify({ variant: backend.variant, ...measurePeak(backend) }))
process.exit(0)
