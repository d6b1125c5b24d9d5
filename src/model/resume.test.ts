/**
 * Stopping and going on. Everything is compared bit by bit with a run that nothing interrupted; the
 * data is ragged, the last batch short, and there is dropout, Adam, a decaying learning rate, early
 * stopping with the best weights kept, and validation.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachBackend } from '../kernels/backends.case.ts'
import type { Backend } from '../kernels/kernels.ts'
import { referenceBackend } from '../kernels/reference.ts'
import { bidirectional, dense, dropout, embedding, lstm } from '../layers/index.ts'
import { Random } from '../tensor/random.ts'
import { type Callback, checkpoint, earlyStopping } from '../train/callbacks.ts'
import type { Optimizer } from '../train/optimizer.ts'
import { adam, adamW, sgd } from '../train/optimizers.ts'
import { learningRateScheduler } from '../train/rate-callbacks.ts'
import { decodeSafetensors, encodeSafetensors } from '../util/safetensors.ts'
import { loadRefrain } from './load.ts'
import type { Model } from './model.ts'
import { sequential } from './sequential.ts'
import type { FitOptions } from './training.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-resume-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newPath = () => join(folder, `${files++}.refrain`)

const random = new Random(5, 'rows')
/** 45 sequences of 1 to 9 ids, and whether id 3 occurs; some labels are wrong. */
const x = Array.from({ length: 45 }, () =>
  Array.from({ length: 1 + random.below(9) }, () => 1 + random.below(11)),
)
const y = x.map((row, i) => [i % 7 === 0 ? 1 : Number(row.includes(3))])
/** 36 rows to train on: 8 steps an epoch, the last of one row. */
const stepsPerEpoch = 8
const fitOptions = { epochs: 5, batchSize: 5, validationSplit: 0.2, seed: 9 }

interface Changes {
  units?: number
  activation?: 'tanh' | 'relu'
  optimizer?: Optimizer
  seed?: number
}

function makeModel(backend: Backend, changes: Changes = {}): Model {
  const { units = 4, activation = 'tanh', optimizer, seed = 1 } = changes
  const model = sequential(
    [
      embedding({ inputDim: 12, outputDim: 5, maskZero: true }),
      bidirectional(lstm({ units, dropout: 0.2, recurrentDropout: 0.1 })),
      dropout({ rate: 0.3 }),
      dense({ units: 3, activation }),
      dense({ units: 1, activation: 'sigmoid' }),
    ],
    { seed, backend },
  )
  model.compile({
    optimizer: optimizer ?? adam({ learningRate: 0.02, globalClipNorm: 0.5 }),
    loss: 'binaryCrossentropy',
    metrics: ['accuracy'],
  })
  return model
}

/** A schedule that depends on the rate before it, so that applying it twice would show. */
const halve = () => learningRateScheduler((epoch, rate) => (epoch === 0 ? rate : rate * 0.5))
const patient = () => earlyStopping({ patience: 2, restoreBestWeights: true })

const stopAfter = (steps: number): Callback => ({
  name: 'stopAfter',
  onStepEnd(run) {
    if (run.iteration === steps) run.stop('the test')
  },
})

const bits = (model: Model) => Buffer.from(model.parameters.values.values.slice().buffer)

async function train(model: Model, options: FitOptions) {
  const history = await model.fit(x, y, { ...fitOptions, ...options })
  return { history, weights: bits(model), record: model.trainingRecord }
}

describe('going on gives the bits of a run that nothing interrupted', () => {
  const check = async (backend: Backend, stops: number[], callbacks: () => Callback[]) => {
    const whole = await train(makeModel(backend), { callbacks: callbacks() })
    const path = newPath()
    let resume: string | undefined
    for (const stop of stops) {
      // Other initial weights, so that only the file can give the right ones.
      const model = makeModel(backend, { seed: resume ? 77 : 1 })
      await train(model, {
        resume,
        callbacks: [...callbacks(), checkpoint({ path, everySteps: 1 }), stopAfter(stop)],
      })
      resume = path
    }
    const model = makeModel(backend, { seed: 78 })
    const resumed = await train(model, { resume, callbacks: callbacks() })
    expect(resumed.history).toEqual(whole.history)
    expect(resumed.weights.equals(whole.weights)).toBe(true)
    return whole.history
  }
  const everything = () => [halve(), patient()]
  const stops = [3, stepsPerEpoch, stepsPerEpoch + 1, 3 * stepsPerEpoch - 1]

  it('stopped after every single step', async () => {
    const history = await check(
      referenceBackend(),
      Array.from({ length: 3 * stepsPerEpoch }, (_, i) => i + 1),
      everything,
    )
    expect(history.clippedSteps).toBeGreaterThan(0)
    expect(history.clippedSteps).toBeLessThan(history.steps)
  })

  eachBackend((backend) => {
    it('stopped four times, within epochs and at their ends', async () => {
      await check(backend, stops, everything)
    })
    it('with the optimizer’s own rate and no callback', async () => {
      await check(backend, [stepsPerEpoch + 3], () => [])
    })
  })

  it('from the end of an epoch, by a checkpoint without everySteps', async () => {
    const backend = referenceBackend()
    const whole = await train(makeModel(backend), {})
    const path = newPath()
    await train(makeModel(backend), { epochs: 2, callbacks: [checkpoint({ path })] })
    const resumed = await train(makeModel(backend, { seed: 7 }), { resume: path })
    expect(resumed.history).toEqual(whole.history)
    expect(resumed.weights.equals(whole.weights)).toBe(true)
  })

  it('in the model that was stopped', async () => {
    const backend = referenceBackend()
    const whole = await train(makeModel(backend), { callbacks: everything() })
    const path = newPath()
    const model = makeModel(backend)
    const callbacks = [...everything(), checkpoint({ path, everySteps: 1 }), stopAfter(11)]
    await train(model, { callbacks })
    const resumed = await train(model, { resume: path, callbacks: callbacks.slice(0, 2) })
    expect(resumed.history).toEqual(whole.history)
    expect(resumed.weights.equals(whole.weights)).toBe(true)
  })
})

describe('early stopping', () => {
  /** Validation targets turned round, so that it is soon over. */
  const wrong = { validationData: [x.slice(36), y.slice(36).map(([v]) => [1 - v])] as const }
  const options = { ...fitOptions, ...wrong, validationSplit: 0, epochs: 30 }
  const trainWrong = (model: Model, more: FitOptions) =>
    model.fit(x.slice(0, 36), y.slice(0, 36), { ...options, ...more })

  it('that was decided before the checkpoint is not forgotten', async () => {
    const backend = referenceBackend()
    const whole = makeModel(backend)
    const stopping = patient()
    const history = await trainWrong(whole, { callbacks: [stopping] })
    expect(history.stopped).toBe('no better valLoss for 2 epochs')
    expect(history.epoch.length).toBe(stopping.bestEpoch + 3)
    // The last checkpoint is that of the epoch after which training stopped.
    const path = newPath()
    await trainWrong(makeModel(backend), { callbacks: [patient(), checkpoint({ path })] })
    const model = makeModel(backend, { seed: 3 })
    const again = await trainWrong(model, { callbacks: [patient()], resume: path })
    expect(again).toEqual(history)
    expect(bits(model).equals(bits(whole))).toBe(true)
  })

  it('finds its state when other callbacks come or go', async () => {
    const backend = referenceBackend()
    const path = newPath()
    const first = [checkpoint({ path }), halve(), patient()]
    await trainWrong(makeModel(backend), { epochs: 2, callbacks: first })
    const whole = makeModel(backend)
    const history = await trainWrong(whole, { callbacks: [halve(), patient()] })
    const model = makeModel(backend)
    const again = await trainWrong(model, { callbacks: [patient(), halve()], resume: path })
    expect(again).toEqual(history)
    expect(bits(model).equals(bits(whole))).toBe(true)
  })

  it('starts afresh when its callback serves a second fit', async () => {
    const callback = patient()
    const backend = referenceBackend()
    const first = await trainWrong(makeModel(backend), { callbacks: [callback] })
    const second = await trainWrong(makeModel(backend), { callbacks: [callback] })
    expect(second).toEqual(first)
  })
})

describe('a checkpoint', () => {
  it('is a model file, too', async () => {
    const path = newPath()
    const backend = referenceBackend()
    const model = makeModel(backend)
    await train(model, { epochs: 1, callbacks: [checkpoint({ path })] })
    const loaded = await loadRefrain(path, { backend })
    expect(bits(loaded).equals(bits(model))).toBe(true)
    const [a, b] = [await loaded.predict(x), await model.predict(x)]
    expect(await a.data()).toEqual(await b.data())
  })

  it('several of them each write their file', async () => {
    const paths = [newPath(), newPath()]
    await train(makeModel(referenceBackend()), {
      epochs: 1,
      callbacks: paths.map((path) => checkpoint({ path })),
    })
    expect(readFileSync(paths[0]).equals(readFileSync(paths[1]))).toBe(true)
  })

  it('continues in a model that was loaded from it', async () => {
    const path = newPath()
    const backend = referenceBackend()
    const whole = await train(makeModel(backend), {})
    await train(makeModel(backend), { epochs: 2, callbacks: [checkpoint({ path })] })
    const resumed = await train(await loadRefrain(path, { backend }), { resume: path })
    expect(resumed.weights.equals(whole.weights)).toBe(true)
  })
})

describe('resuming with something else fails, in words, and changes nothing', () => {
  const backend = referenceBackend()
  let path: string
  beforeAll(async () => {
    path = newPath()
    await train(makeModel(backend), { epochs: 2, callbacks: [checkpoint({ path })] })
  })

  const textOf = async (changes: Changes, options: FitOptions, rows = x.length) => {
    const model = makeModel(backend, changes)
    model.build([null, null])
    const before = bits(model)
    try {
      const all = { ...fitOptions, resume: path, ...options }
      await model.fit(x.slice(0, rows), y.slice(0, rows), all)
    } catch (error) {
      expect(bits(model).equals(before)).toBe(true)
      return String(error).replaceAll(folder, '').replace(path.replace(folder, ''), '/FILE')
    }
    return 'no error'
  }

  it('another batch size, seed, order or number of rows', async () => {
    const made = (what: string) =>
      `RefrainError: fit 'resume': the checkpoint was made with ${what}; ` +
      'resume with the same data and options'
    expect(await textOf({}, { batchSize: 6 })).toBe(made('batchSize 5, this run has 6'))
    expect(await textOf({}, { seed: 10 })).toBe(made('seed 9, this run has 10'))
    expect(await textOf({}, { shuffle: false })).toBe(made('shuffle true, this run has false'))
    expect(await textOf({}, {}, 40)).toBe(made('rows 36, this run has 32'))
    expect(await textOf({}, { validationSplit: 0 })).toBe(made('rows 36, this run has 45'))
  })

  it('another optimizer or its options, another model', async () => {
    const other = (what: string) =>
      "RefrainError: fit 'resume': /FILE was written by another model or with another compile: " +
      `${what}; resume with the same model and options`
    expect(await textOf({ optimizer: sgd() }, {})).toBe(
      other('optimizer.name is "adam" there and "sgd" here'),
    )
    expect(await textOf({ optimizer: adamW({ globalClipNorm: 0.5 }) }, {})).toContain(
      'optimizer.name is "adam" there and "adamW" here',
    )
    expect(await textOf({ optimizer: adam({ learningRate: 0.01, globalClipNorm: 0.5 }) }, {})).toBe(
      other('optimizer.options.learningRate is 0.02 there and 0.01 here'),
    )
    expect(await textOf({ optimizer: adam({ learningRate: 0.02 }) }, {})).toBe(
      other('optimizer.options.globalClipNorm is 0.5 there and nothing here'),
    )
    expect(await textOf({ activation: 'relu' }, {})).toBe(
      other('layers.3.options.activation is "tanh" there and "relu" here'),
    )
    expect(await textOf({ units: 5 }, {})).toBe(
      other('layers.1.options.layer.options.units is 4 there and 5 here'),
    )
  })

  it('a file that is no checkpoint, or is not there', async () => {
    const saved = newPath()
    const model = makeModel(backend)
    await model.build([null, null]).save(saved)
    expect(await textOf({}, { resume: saved })).toContain(
      'is not a checkpoint; a saved model has no optimizer state; resume from the file that ' +
        'checkpoint() wrote',
    )
    expect(await textOf({}, { resume: join(folder, 'none.refrain') })).toBe(
      "RefrainError: no file '/none.refrain'; check the path",
    )
  })

  it('a checkpoint with a forged state of a callback', async () => {
    const original = newPath()
    await train(makeModel(backend), {
      epochs: 2,
      callbacks: [patient(), checkpoint({ path: original })],
    })
    type State = { callbacks: { json: unknown }[] }
    const forge = (change: (file: ReturnType<typeof decodeSafetensors>, state: State) => void) => {
      const file = decodeSafetensors(readFileSync(original))
      const state = JSON.parse(file.metadata.state)
      change(file, state)
      const forged = newPath()
      const metadata = { ...file.metadata, state: JSON.stringify(state) }
      writeFileSync(forged, encodeSafetensors(file.tensors, metadata))
      return textOf({}, { resume: forged, callbacks: [patient()] })
    }
    const notOne =
      "RefrainError: fit 'resume': the checkpoint's state of 'earlyStopping' is not one"
    for (const json of [null, 3, {}, { best: 'a', bestEpoch: 1, waited: 0 }, { best: null }]) {
      const text = await forge((_, { callbacks }) => {
        callbacks[0].json = json
      })
      expect(text).toContain(notOne)
    }
    for (const length of [0, 3, 10_000]) {
      const text = await forge(({ tensors }) => {
        const data = new Float32Array(length)
        tensors.set('state/callback/0', { dtype: 'F32', shape: [length], data })
      })
      expect(text).toMatch(
        new RegExp(`weights kept by callback 'earlyStopping', the checkpoint has ${length}$`),
      )
    }
    expect(await forge(() => {})).toBe('no error')
  })

  it('checkpoint’s own options', async () => {
    const text = async (options: object) => {
      try {
        checkpoint(options as never)
      } catch (error) {
        return String(error)
      }
    }
    expect(await text({})).toBe("RefrainError: checkpoint 'path': expected a file name")
    expect(await text({ path: 'a.refrain', everyStep: 1 })).toBe(
      "RefrainError: checkpoint: unknown option 'everyStep'; did you mean 'everySteps'?",
    )
    expect(await text({ path: 'a.refrain', everySteps: 0 })).toContain('at least 1, got 0')
    const model = makeModel(backend)
    await expect(
      train(model, { callbacks: [checkpoint({ path: join(folder, 'no', 'a.refrain') })] }),
    ).rejects.toThrow('the folder does not exist')
    await expect(train(model, { callbacks: [checkpoint({ path: 'a.ckpt' })] })).rejects.toThrow(
      "save 'path': expected a file name that ends in .refrain, got 'a.ckpt'",
    )
  })
})

describe('a process that is killed', () => {
  /** What the child runs: trains with a checkpoint after every step, goes on if there is one. */
  const program = `
    import { existsSync } from 'node:fs'
    import { adam, bidirectional, checkpoint, dense, dropout, earlyStopping, embedding, loadModel, lstm,
      sequential } from './src/index.ts'
    // A bundle has the code that reads checkpoints by it.
    globalThis.loadModel = loadModel
    const path = process.argv[2]
    let state = 7
    const below = (n) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % 65521 % n
    const x = Array.from({ length: 61 }, () =>
      Array.from({ length: 1 + below(12) }, () => 1 + below(19)))
    const y = x.map((row) => [Number(row.includes(3))])
    const model = sequential([
      embedding({ inputDim: 20, outputDim: 24, maskZero: true }),
      bidirectional(lstm({ units: 32, dropout: 0.2 })),
      dropout({ rate: 0.3 }),
      dense({ units: 1, activation: 'sigmoid' }),
    ], { seed: 4 })
    model.compile({ optimizer: adam({ learningRate: 1e-3 }), loss: 'binaryCrossentropy' })
    const history = await model.fit(x, y, {
      epochs: 12,
      batchSize: 8,
      validationSplit: 0.2,
      resume: existsSync(path) ? path : undefined,
      callbacks: [
        earlyStopping({ patience: 50, restoreBestWeights: true }),
        checkpoint({ path, everySteps: 1 }),
        { name: 'report', onStepEnd: () => void process.stdout.write('.') },
      ],
    })
    const weights = Buffer.from(model.parameters.values.values.slice().buffer).toString('hex')
    process.send({ history, weights })
  `
  let script: string
  beforeAll(async () => {
    script = join(folder, 'train.mjs')
    const root = fileURLToPath(new URL('../..', import.meta.url))
    await build({
      stdin: { contents: program, resolveDir: root, loader: 'js' },
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      alias: {
        '#platform': join(root, 'src/platform/node.ts'),
        '#backends': join(root, 'src/kernels/node-backends.ts'),
      },
      logLevel: 'silent',
      // The bundle lies elsewhere: without this, import.meta.url would not lead to the addon.
      define: {
        'import.meta.url': JSON.stringify(new URL('../platform/node.ts', import.meta.url)),
      },
    })
  })

  interface Result {
    history: unknown
    weights: string
  }

  /** Runs the program; with `killAt`, kills it so many milliseconds after its first step. */
  function run(path: string, killAt: number | null): Promise<Result | null> {
    return new Promise((resolve, reject) => {
      const child: ChildProcess = spawn(process.execPath, [script, path], {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: { ...process.env, REFRAIN_THREADS: '1' },
      })
      let result: Result | null = null
      let errors = ''
      child.stderr!.on('data', (text) => {
        errors += text
      })
      child.stdout!.once('data', () => {
        if (killAt !== null) setTimeout(() => child.kill('SIGKILL'), killAt)
      })
      child.stdout!.resume()
      child.on('message', (message) => {
        result = message as Result
      })
      child.on('close', (code, signal) => {
        if (code === 0 || signal === 'SIGKILL') resolve(result)
        else reject(new Error(errors))
      })
    })
  }

  it('leaves a whole checkpoint at any moment and goes on to the same bits', async () => {
    const whole = await run(join(folder, 'uninterrupted.refrain'), null)
    const path = join(folder, 'killed.refrain')
    // Left by earlier processes: one that is gone, and one that may still be writing.
    const dead = join(folder, '.killed.refrain.999999999.5.partial')
    const alive = join(folder, `.killed.refrain.${process.pid}.5.partial`)
    for (const file of [dead, alive]) writeFileSync(file, 'half a checkpoint')
    let result: Result | null = null
    let kills = 0
    let exists = false
    while (result === null) {
      // Within the time of a few steps, each of which writes the file.
      result = await run(path, kills < 8 ? Math.random() * 40 : null)
      if (result !== null) break
      kills++
      // Readable and whole, unless it was killed before there was one.
      if (exists || existsSync(path)) await loadRefrain(path, { backend: referenceBackend() })
      exists = existsSync(path)
    }
    expect(kills).toBeGreaterThanOrEqual(3)
    expect(result.weights).toBe(whole!.weights)
    expect(result.history).toEqual(whole!.history)
    const left = readdirSync(folder).filter((name) => name.endsWith('.partial'))
    expect(left).toEqual([basename(alive)])
    expect(existsSync(path)).toBe(true)
  })
})
