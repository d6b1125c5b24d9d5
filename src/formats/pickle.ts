/**
 * Python's pickle, restricted: a machine that knows tensors, numbers, texts, lists, tuples and dictionaries and
 * executes nothing. A class or function is a name; calling one makes a record of the call. Opcodes that are not
 * listed here are refused. Specification: https://docs.python.org/3/library/pickletools.html
 */
import { RefrainError } from '../errors.ts'

/** A class or function, by its name: 'torch._utils._rebuild_tensor_v2'. */
export class Global {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** An object of a class that is not known, as its pickle has it. */
export class Opaque {
  readonly type: string
  readonly args: readonly Pickled[]
  state: Pickled = null
  /** What was put into it as into a dictionary. */
  readonly items: [Pickled, Pickled][] = []
  constructor(type: string, args: readonly Pickled[]) {
    this.type = type
    this.args = args
  }
}

/** A reference to what lies outside the pickle: a storage. */
export class Persistent {
  readonly id: Pickled
  constructor(id: Pickled) {
    this.id = id
  }
}

/** A dictionary; its keys may be anything. */
export type Dictionary = Map<Pickled, Pickled>

/** Whatever stands in a pickle. */
export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Pickled[]
  | Dictionary
  | Global
  | Opaque
  | Persistent

/** More values than any checkpoint has. */
const maxValues = 4_000_000

const mark = Symbol('mark')
type Slot = Pickled | typeof mark

/** Reads one pickle; `end` is where it ends. */
export function readPickle(
  bytes: Uint8Array,
  where: string,
  start = 0,
): { value: Pickled; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = start
  let values = 0
  const stack: Slot[] = []
  const memo = new Map<number, Pickled>()
  const fail = (what: string): never => {
    throw new RefrainError('BAD_FILE', `${where}: ${what}, at byte ${at} of its pickle`)
  }
  const take = (length: number): number => {
    if (!(length >= 0 && at + length <= bytes.length)) fail('it was cut off')
    at += length
    return at - length
  }
  const text = (length: number) => {
    const from = take(length)
    return new TextDecoder().decode(bytes.subarray(from, from + length))
  }
  const line = () => {
    const end = bytes.indexOf(10, at)
    if (end < 0 || end - at > 10_000) fail('a line without an end')
    const found = text(end - at)
    at = end + 1
    return found
  }
  const push = (value: Pickled) => {
    values++
    if (values > maxValues) fail(`it has more than ${maxValues} values`)
    stack.push(value)
  }
  const pop = (): Pickled => {
    const value = stack.pop()
    if (value === undefined || value === mark) return fail('a value is missing')
    return value
  }
  const popMark = (): Pickled[] => {
    const from = stack.lastIndexOf(mark)
    if (from < 0) return fail('a mark is missing')
    return stack.splice(from).slice(1) as Pickled[]
  }
  const top = (): Pickled => {
    const value = stack.at(-1)
    if (value === undefined || value === mark) return fail('a value is missing')
    return value
  }
  const remember = (index: number) => memo.set(index, top())
  const recall = (index: number) => {
    const value = memo.get(index)
    if (value === undefined) return fail(`nothing was remembered as ${index}`)
    push(value)
  }
  const append = (items: readonly Pickled[]) => {
    const list = top()
    if (!Array.isArray(list)) return fail('an item for what is no list')
    for (const item of items) list.push(item)
  }
  const setItems = (items: readonly Pickled[]) => {
    const owner = top()
    if (items.length % 2 !== 0) fail('a key without a value')
    for (let i = 0; i < items.length; i += 2) {
      if (owner instanceof Map) owner.set(items[i], items[i + 1])
      else if (owner instanceof Opaque) owner.items.push([items[i], items[i + 1]])
      else fail('a key for what is no dictionary')
    }
  }
  const call = (callee: Pickled, args: Pickled) => {
    if (!Array.isArray(args)) return fail('arguments that are no tuple')
    // What a call gave may be a function.
    if (callee instanceof Opaque) return push(new Opaque(callee.type, [callee, ...args]))
    if (!(callee instanceof Global)) return fail('a call of what is no function')
    if (callee.name === 'collections.OrderedDict') {
      const entries = Array.isArray(args[0]) ? (args[0] as [Pickled, Pickled][]) : []
      if (!entries.every((entry) => Array.isArray(entry))) fail('an entry that is no pair')
      push(new Map(entries))
    } else push(new Opaque(callee.name, args))
  }
  const long = (length: number): number | bigint => {
    if (!(length >= 0 && length <= 1024)) fail(`a whole number of ${length} bytes`)
    const from = take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from + i])
    if (length > 0 && bytes[from + length - 1] >= 0x80) value -= 1n << BigInt(8 * length)
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  const size64 = () => {
    const length = Number(view.getBigUint64(take(8), true))
    return length
  }
  for (;;) {
    const code = bytes[take(1)]
    switch (code) {
      case 0x80: // PROTO
        if (bytes[take(1)] > 5) fail(`a pickle of protocol ${bytes[at - 1]}`)
        break
      case 0x95: // FRAME
        take(8)
        break
      case 0x28: // MARK
        stack.push(mark)
        break
      case 0x2e: // STOP
        return { value: pop(), end: at }
      case 0x30: // POP
        if (stack.pop() === undefined) fail('a value is missing')
        break
      case 0x31: // POP_MARK
        popMark()
        break
      case 0x4e: // NONE
        push(null)
        break
      case 0x88: // NEWTRUE
        push(true)
        break
      case 0x89: // NEWFALSE
        push(false)
        break
      case 0x4a: // BININT
        push(view.getInt32(take(4), true))
        break
      case 0x4b: // BININT1
        push(bytes[take(1)])
        break
      case 0x4d: // BININT2
        push(view.getUint16(take(2), true))
        break
      case 0x8a: // LONG1
        push(long(bytes[take(1)]))
        break
      case 0x8b: // LONG4
        push(long(view.getInt32(take(4), true)))
        break
      case 0x47: // BINFLOAT
        push(view.getFloat64(take(8), false))
        break
      case 0x58: // BINUNICODE
        push(text(view.getUint32(take(4), true)))
        break
      case 0x8c: // SHORT_BINUNICODE
        push(text(bytes[take(1)]))
        break
      case 0x8d: // BINUNICODE8
        push(text(size64()))
        break
      case 0x54: // BINSTRING
        push(text(view.getInt32(take(4), true)))
        break
      case 0x55: // SHORT_BINSTRING
        push(text(bytes[take(1)]))
        break
      case 0x42: // BINBYTES
        push(slice(view.getUint32(take(4), true)))
        break
      case 0x8e: // BINBYTES8
        push(slice(size64()))
        break
      case 0x43: // SHORT_BINBYTES
        push(slice(bytes[take(1)]))
        break
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        push([])
        break
      case 0x8f: // EMPTY_SET
        push([])
        break
      case 0x7d: // EMPTY_DICT
        push(new Map())
        break
      case 0x74: // TUPLE
      case 0x6c: // LIST
        push(popMark())
        break
      case 0x64: {
        // DICT
        const items = popMark()
        push(new Map())
        setItems(items)
        break
      }
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = Array.from({ length: code - 0x84 }, pop).reverse()
        push(items)
        break
      }
      case 0x61: // APPEND
        append([pop()])
        break
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        append(popMark())
        break
      case 0x73: {
        // SETITEM
        const value = pop()
        setItems([pop(), value])
        break
      }
      case 0x75: // SETITEMS
        setItems(popMark())
        break
      case 0x71: // BINPUT
        remember(bytes[take(1)])
        break
      case 0x72: // LONG_BINPUT
        remember(view.getUint32(take(4), true))
        break
      case 0x94: // MEMOIZE
        remember(memo.size)
        break
      case 0x68: // BINGET
        recall(bytes[take(1)])
        break
      case 0x6a: // LONG_BINGET
        recall(view.getUint32(take(4), true))
        break
      case 0x63: {
        // GLOBAL
        const module = line()
        push(new Global(`${module}.${line()}`))
        break
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = pop()
        push(new Global(`${String(pop())}.${String(name)}`))
        break
      }
      case 0x51: // BINPERSID
        push(new Persistent(pop()))
        break
      case 0x52: {
        // REDUCE
        const args = pop()
        call(pop(), args)
        break
      }
      case 0x81: {
        // NEWOBJ
        const args = pop()
        call(pop(), args)
        break
      }
      case 0x62: {
        // BUILD
        const state = pop()
        const owner = top()
        // An OrderedDict's own attributes, such as a state dictionary's _metadata, are of no use here.
        if (owner instanceof Opaque) owner.state = state
        else if (!(owner instanceof Map)) fail('a state for what is no object')
        break
      }
      default:
        fail(`the opcode 0x${code.toString(16)} is none that is executed here`)
    }
  }
  function slice(length: number): Uint8Array {
    const from = take(length)
    return bytes.slice(from, from + length)
  }
}
