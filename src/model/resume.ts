/**
 * Reading checkpoints. Pages that never resume do without it: it is in a bundle only with `loadModel`, as
 * it is in Node.
 */
import { platform } from '#platform'
import { RefrainError } from '../errors.ts'
import type { OutputPlan, Resume, TrainerState } from '../train/plan.ts'
import { restoreState } from '../train/restore-state.ts'
import { decodeSafetensors } from '../util/safetensors.ts'
import {
  type AnyModel,
  checkFormat,
  describeCompiled,
  findWeights,
  isHistory,
  isObject,
  readJson,
  statePrefix,
} from './file.ts'

/** Reads a checkpoint that `model` can go on from. */
export async function readCheckpoint(path: string, model: AnyModel): Promise<Resume> {
  const file = decodeSafetensors(await platform.readFile(path), path)
  checkFormat(file, path)
  const json = readJson<TrainerState['json']>(file, 'state', path)
  if (!json) {
    throw new RefrainError(
      'BAD_FILE',
      `fit 'resume': ${path} is not a checkpoint`,
      'a saved model has no optimizer state; resume from the file that checkpoint() wrote',
    )
  }
  const { type: _type, name: _name, seed: _seed, ...graph } = model.architecture
  const saved = {
    ...readJson<Record<string, unknown>>(file, 'architecture', path),
    ...readJson<Record<string, unknown>>(file, 'compiled', path),
  }
  const changed = firstDifference(saved, { ...graph, ...describeCompiled(model) })
  if (changed) {
    throw new RefrainError(
      'BAD_ARGUMENT',
      `fit 'resume': ${path} was written by another model or with another compile: ${changed}`,
      'resume with the same model and options',
    )
  }
  if (!isState(json, model.compiled!.outputs)) {
    throw new RefrainError('BAD_FILE', `${path}: the metadata 'state' is not a trainer's`)
  }
  const { parameters } = model.parameters
  const weights = parameters.map((parameter) => {
    const found = findWeights(file, parameter, path)
    return typeof found === 'function' ? found(new Float32Array(parameter.size)) : found
  })
  const arrays: TrainerState['arrays'] = {}
  for (const [name, { data }] of file.tensors) {
    if (!name.startsWith(statePrefix)) continue
    if (data instanceof Float32Array || data instanceof Float64Array) {
      arrays[name.slice(statePrefix.length)] = data
    }
  }
  for (const name of model.compiled!.optimizer.slots) {
    const size = model.parameters.trainableSize
    if (arrays[`optimizer/${name}`]?.length === size) continue
    throw new RefrainError(
      'BAD_FILE',
      `${path}: expected the optimizer's state '${name}' with ${size} numbers`,
    )
  }
  return (trainer) => {
    const state = { arrays, json }
    const numbers = restoreState(trainer, state, model.compiled!.optimizer.slots)
    parameters.forEach(({ value }, i) => {
      value.values.set(weights[i])
    })
    model.parameters.touch()
    return numbers
  }
}

/** The first place where `here` says something that the file does not say, in words. */
function firstDifference(saved: unknown, here: unknown, path = ''): string | null {
  if (isObject(saved) || Array.isArray(saved)) {
    const theirs = saved as Record<string, unknown>
    if (Array.isArray(saved) === Array.isArray(here) && typeof here === 'object' && here) {
      const ours = here as Record<string, unknown>
      for (const key of new Set([...Object.keys(ours), ...(path ? Object.keys(theirs) : [])])) {
        const found = firstDifference(theirs[key], ours[key], path ? `${path}.${key}` : key)
        if (found) return found
      }
      return null
    }
  }
  if (saved === here) return null
  const text = (value: unknown) => JSON.stringify(value) ?? 'nothing'
  return `${path} is ${text(saved)} there and ${text(here)} here`
}

function isState(json: TrainerState['json'], outputs: readonly OutputPlan[]): boolean {
  const metrics = outputs.reduce((sum, output) => sum + output.metrics.length, 0)
  const counts = [json.iteration, json.epoch, json.step, json.seed, json.batchSize, json.rows ?? 0]
  const isNumbers = (value: unknown): value is number[] =>
    Array.isArray(value) && value.every((item) => typeof item === 'number')
  const isPair = (value: unknown) => isNumbers(value) && value.length === 2
  const { history, callbacks } = json
  return (
    counts.every((count) => Number.isSafeInteger(count) && count >= 0) &&
    (json.learningRate === null || typeof json.learningRate === 'number') &&
    (json.averagingSince === null || Number.isSafeInteger(json.averagingSince)) &&
    isPair(json.loss) &&
    Array.isArray(json.losses) &&
    json.losses.length === outputs.length &&
    json.losses.every(isPair) &&
    Array.isArray(json.metrics) &&
    json.metrics.length === metrics &&
    json.metrics.every(isNumbers) &&
    isHistory(history) &&
    Array.isArray(callbacks) &&
    callbacks.every((callback) => isObject(callback) && typeof callback.name === 'string')
  )
}
