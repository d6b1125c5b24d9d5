/** Training that goes on where it was stopped, for the scripts that take long. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const results = fileURLToPath(new URL('../results/', import.meta.url))

/**
 * Trains; each minute it writes a checkpoint, from which the same call goes on, in another process,
 * too. The name and the settings, seed and all, say whether it is the same.
 *
 * @template T
 * @param {string} name of the data
 * @param {{ callbacks?: object[] }} settings of the training, as JSON can write them but for callbacks
 * @param {(settings: any) => Promise<T & { history: any }>} train
 * @param {{ minutes?: number, folder?: string, seconds?: number }} [limits] minutes of this process,
 *   after which what there is counts and the checkpoint stays; seconds between checkpoints
 * @returns {Promise<{ trained: T & { history: any }, seconds: number }>} with the seconds of all
 *   processes
 */
export async function trainResumably(name, settings, train, limits = {}) {
  const { minutes = Infinity, folder = results, seconds: between = 60 } = limits
  const { callbacks = [], ...own } = settings
  const key = createHash('sha256').update(JSON.stringify(own)).digest('hex').slice(0, 8)
  const path = `${folder}learning-${name.replaceAll(' ', '-')}-${key}.partial.refrain`
  const resume = existsSync(path) ? path : undefined
  if (resume) console.log(`${name}: goes on from ${resume}`)
  mkdirSync(folder, { recursive: true })
  const start = performance.now()
  let savedAt = start
  let before = 0
  const seconds = () => before + (performance.now() - start) / 1000
  const over = `${minutes} minutes are over`
  const clock = {
    name: 'clock',
    onStepEnd(/** @type {import('../../dist/index.js').Run} */ run) {
      const now = performance.now()
      const late = now - start >= minutes * 60_000
      if (late) run.stop(over)
      if (!late && now - savedAt < between * 1000) return
      run.save(path)
      savedAt = now
    },
    readState: () => ({ json: { seconds: seconds() } }),
    writeState(/** @type {{ json: any }} */ { json }) {
      before = json.seconds
    },
  }
  const trained = await train({ ...own, resume, callbacks: [clock, ...callbacks] })
  const taken = seconds()
  if (trained.history.stopped !== over) rmSync(path, { force: true })
  return { trained, seconds: taken }
}
