/** Prints what the backend that REFRAIN_BACKEND and REFRAIN_THREADS choose computes at most: one line of JSON. */
import { setTimeout } from 'node:timers/promises'
import { defaultBackend, measurePeak } from '../dist/index.js'

const backend = defaultBackend()
// Workers of WebAssembly start with the first call, and are there once the event loop has turned.
measurePeak(backend, { milliseconds: 0 })
await setTimeout(100)
console.log(JSON.stringify({ variant: backend.variant, ...measurePeak(backend) }))
process.exit(0)
