/**
 * Masks as graphs compute them: which ids are 0, or which steps have the same number everywhere, and from that the
 * lengths of a recurrent operator. In Refrain an embedding's `maskZero`, or `masking`, gives them.
 */
import { asLengths, chosenLengths, equalLengths, lengths } from './lengths.ts'
import { Unsupported } from './operation.ts'
import { type Call, type Out, recurrentKinds } from './plan.ts'
import { type MaskFlags, only, type Read, type Reader, type Value } from './reader.ts'
import { squeezed, type View } from './view.ts'

const mask = (value: Value | null | undefined): MaskFlags => {
  if (value?.kind === 'mask') return value
  throw new Unsupported('compares something else than ids and features')
}

/** Which ids, or features, are a number. */
const equal: Read = (reader, [x, other]) => {
  const [a, b] = [asLengths(x), asLengths(other)]
  const flags = a && b && equalLengths(a, b)
  if (flags) return [lengths(flags)]
  const [given, constant] = x?.kind === 'array' ? [other, x] : [x, other]
  const value = only(constant)
  const { out } = reader.view(given)
  if (value === null) throw new Unsupported('compares with something else than a number')
  const isIds = out.call === null && reader.plan.inputs[out.input].dtype === 'int32'
  if (isIds && value !== 0) throw new Unsupported(`masks the id ${value}, where Refrain masks 0`)
  return [{ kind: 'mask', source: out, value, form: isIds ? 'masked' : 'equal' }]
}

const not: Read = (_, [x]) => {
  const flags = mask(x)
  if (flags.form !== 'masked' && flags.form !== 'valid') throw new Unsupported('inverts no mask')
  return [{ ...flags, form: flags.form === 'valid' ? 'masked' : 'valid' }]
}

/** All features of a step: whether each is the number. */
const reduceMin: Read = (_, [x]) => {
  const flags = mask(x)
  if (flags.form !== 'equal') throw new Unsupported('takes minima')
  return [{ ...flags, form: 'masked' }]
}

const less: Read = (_, [x, limit]) => {
  const flags = mask(x)
  const isHalf = only(limit) === 0.5 && flags.form === 'masked'
  if (!isHalf) throw new Unsupported('compares numbers')
  return [{ ...flags, form: 'valid' }]
}

/** How many steps of a row count. */
export const countSteps: Read = (_, [x]) => {
  const flags = mask(x)
  if (flags.form !== 'valid') throw new Unsupported('adds up a dimension')
  return [{ ...flags, form: 'counts' }]
}

const greater: Read = (_, [x, limit]) => {
  const flags = mask(x)
  if (flags.form !== 'counts' || only(limit) !== 0) throw new Unsupported('compares numbers')
  return [{ ...flags, form: 'any' }]
}

/** A step's output, or the one before where it does not count; a final state, or zeros; a step, or zeros. */
const where: Read = (reader, [condition, x, y]) => {
  const [given, a, b] = [asLengths(condition), asLengths(x), asLengths(y)]
  if (given && a && b) return [lengths(chosenLengths(given, a, b))]
  const flags = mask(condition)
  const view = reader.view(x)
  const { out } = view
  if (flags.form === 'any' && only(y) === 0) return [view]
  if (flags.form === 'valid' && only(y) === 0 && out === flags.source) {
    const masked = reader.settler.once(out, `masking ${flags.value}`, () =>
      reader.plan.add('masking', [out], out.shape, { maskValue: flags.value }),
    )
    return [{ ...view, out: masked }]
  }
  const otherwise = only(y)
  if (flags.form === 'valid' && otherwise !== null && giveMask(out, flags)) {
    return [{ kind: 'chosen', view, otherwise, flags }]
  }
  const last = y?.kind === 'view' ? squeezed(y, [1]) : null
  if (flags.form === 'valid' && last && out.role === 'steps' && sameCall(out, last)) {
    return [{ ...view, out: reader.plan.output(out.call!, 'held', out.shape) }]
  }
  throw new Unsupported('chooses between values')
}

const sameCall = (out: Out, { out: other }: View) =>
  out.call === other.call && other.role === 'last'

/** Arithmetic of masks: at least one step; a sum over the steps that count divided by their number. */
export function ofMasks(operator: string, [a, b]: readonly (Value | null)[]): Value | null {
  if (operator === 'maximum' && a?.kind === 'mask' && a.form === 'counts' && only(b) === 1) return a
  const divides = operator === 'divide' && a?.kind === 'sum' && b?.kind === 'mask'
  if (!divides) return null
  const same = b.form === 'counts' && b.source === a.flags.source && b.value === a.flags.value
  return same ? a.mean : null
}

const layersThatPass = [
  'activation',
  'batchNormalization',
  'dense',
  'layerNormalization',
  'lstm',
  'gru',
  'simpleRnn',
  'bidirectional',
]

/** Layers that join sequences; a step counts if it does in any of them. */
const joins = ['add', 'average', 'concatenate', 'multiply', 'subtract']

/**
 * Where a sequence has its mask from: ids, or what is masked by values; 'rows' of several lengths; 'several'; null
 * where all steps count. Embeddings on the way that have the mask `flags`, or would have it, go to `found`.
 */
class MaskSources {
  readonly found = new Set<Call>()
  readonly #ragged: boolean
  readonly #flags: MaskFlags | null
  readonly #known = new Map<Out, Out | 'rows' | 'several' | null>()

  constructor(ragged: boolean, flags: MaskFlags | null = null) {
    this.#ragged = ragged
    this.#flags = flags
  }

  of(out: Out): Out | 'rows' | 'several' | null {
    const known = this.#known.get(out)
    const source = known === undefined ? this.#find(out) : known
    this.#known.set(out, source)
    return source
  }

  #find({ call, role, shape }: Out): Out | 'rows' | 'several' | null {
    if (!call) return this.#ragged && shape.length > 1 ? 'rows' : null
    const { kind, options } = call.layer
    const [first] = call.inputs
    if (kind === 'embedding') {
      const gives = options.maskZero || (this.#flags?.source === first && this.#flags.value === 0)
      if (gives) this.found.add(call)
      return gives ? first : this.of(first)
    }
    if (kind === 'masking') return first
    if (!/steps|held|output/.test(role)) return null
    if (!joins.includes(kind)) return layersThatPass.includes(kind) ? this.of(first) : null
    const sources = call.inputs.map((input) => this.of(input))
    if (sources.includes(null)) return null
    return sources.every((source) => source === sources[0]) ? sources[0] : 'several'
  }
}

/** Layers which in Refrain would see a mask that their operators do not have, or the other way round. */
export function masksThatDiffer(calls: readonly Call[], ragged: boolean): string[] {
  const sources = new MaskSources(ragged)
  return calls.flatMap(({ layer: { kind }, inputs, masked }) => {
    const reads = recurrentKinds.includes(kind) || kind.startsWith('global')
    const minds = ['maximum', 'minimum', 'multiply'].includes(kind) && !areDirections(inputs)
    const differs = reads
      ? (sources.of(inputs[0]) !== null) !== masked
      : minds && inputs.some((input) => sources.of(input) !== null)
    return differs
      ? [`${kind} of a sequence of which steps count for one operator and not for another`]
      : []
  })
}

/** Both directions of a layer: where steps are masked both are zeros. */
const areDirections = (inputs: readonly Out[]) =>
  inputs.every(({ call, role }) => call === inputs[0].call && / steps$/.test(role))

/** Lets a sequence have a mask: by the embedding or masking that it comes from. False if it comes from none. */
export function giveMask(out: Out, flags: MaskFlags): boolean {
  const sources = new MaskSources(false, flags)
  if (sources.of(out) !== flags.source) return false
  for (const { layer } of sources.found) layer.options.maskZero = true
  return true
}

/** Operators by their names. */
export const maskReaders: Readonly<Record<string, Read>> = {
  Equal: equal,
  Greater: greater,
  Less: less,
  Not: not,
  ReduceMin: reduceMin,
  Where: where,
}

/** The mask behind the lengths of a recurrent operator; null if it is none. */
export const lengthsMask = (value: Value | null | undefined): MaskFlags | null =>
  value?.kind === 'mask' && value.form === 'counts' ? value : null

/** An input of lengths: rows of several lengths say them in Refrain. */
export const isLengthsInput = (reader: Reader, value: Value | null | undefined): boolean =>
  value?.kind === 'view' &&
  value.out.call === null &&
  value.out.shape.length === 1 &&
  reader.plan.inputs[value.out.input].dtype === 'int32'
