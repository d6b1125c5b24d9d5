/**
 * Masks as graphs compute them: which ids are 0, or which steps have the same number everywhere, and from that the
 * lengths of a recurrent operator. In Refrain an embedding's `maskZero`, or `masking`, gives them.
 */
import { Unsupported } from './operation.ts'
import type { Out } from './plan.ts'
import type { MaskFlags, Read, Reader, Value } from './reader.ts'
import { squeezed, type View } from './view.ts'

const number = (value: Value | null | undefined): number | null =>
  value?.kind === 'array' && value.data.length === 1 ? value.data[0] : null

const mask = (value: Value | null | undefined): MaskFlags => {
  if (value?.kind === 'mask') return value
  throw new Unsupported('compares something else than ids and features')
}

/** Which ids, or features, are a number. */
const equal: Read = (reader, [x, other]) => {
  const [given, constant] = x?.kind === 'array' ? [other, x] : [x, other]
  const value = number(constant)
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
  const isHalf = number(limit) === 0.5 && flags.form === 'masked'
  if (!isHalf) throw new Unsupported('compares numbers')
  return [{ ...flags, form: 'valid' }]
}

const reduceSum: Read = (_, [x]) => {
  const flags = mask(x)
  if (flags.form !== 'valid') throw new Unsupported('adds up a dimension')
  return [{ ...flags, form: 'counts' }]
}

const greater: Read = (_, [x, limit]) => {
  const flags = mask(x)
  if (flags.form !== 'counts' || number(limit) !== 0) throw new Unsupported('compares numbers')
  return [{ ...flags, form: 'any' }]
}

/** A step's output, or the one before where it does not count; a final state, or zeros; a step, or zeros. */
const where: Read = (reader, [condition, x, y]) => {
  const flags = mask(condition)
  const view = reader.view(x)
  const { out } = view
  if (flags.form === 'any' && number(y) === 0) return [view]
  if (flags.form === 'valid' && number(y) === 0 && out === flags.source) {
    const masked = reader.settler.once(out, `masking ${flags.value}`, () =>
      reader.plan.add('masking', [out], out.shape, { maskValue: flags.value }),
    )
    return [{ ...view, out: masked }]
  }
  const last = y?.kind === 'view' ? squeezed(y, [1]) : null
  if (flags.form === 'valid' && last && out.role === 'steps' && sameCall(out, last)) {
    return [{ ...view, out: reader.plan.output(out.call!, 'held', out.shape) }]
  }
  throw new Unsupported('chooses between values')
}

const sameCall = (out: Out, { out: other }: View) =>
  out.call === other.call && other.role === 'last'

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

/** Lets a sequence have a mask: by the embedding or masking that it comes from. False if it comes from none. */
export function giveMask(out: Out, flags: MaskFlags): boolean {
  for (let { call, role } = out; call; { call, role } = call.inputs[0]) {
    const { kind, options } = call.layer
    if (kind === 'embedding' && call.inputs[0] === flags.source && flags.value === 0) {
      options.maskZero = true
      return true
    }
    if (kind === 'masking') {
      return call.inputs[0] === flags.source && options.maskValue === flags.value
    }
    const sequence = ['output', 'steps', 'held', 'forward steps', 'backward steps'].includes(role)
    if (!sequence || !layersThatPass.includes(kind)) return false
  }
  return false
}

/** Operators by their names. */
export const maskReaders: Readonly<Record<string, Read>> = {
  Equal: equal,
  Greater: greater,
  Less: less,
  Not: not,
  ReduceMin: reduceMin,
  ReduceSum: reduceSum,
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
