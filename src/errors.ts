/**
 * Every error that Refrain raises on purpose. One class; `code` says which kind, the message names
 * the argument, what was expected and what came, and `hint` says what to do next.
 */

/** Error codes and what each means. `docs/errors.md` lists the same table; a test ties the two. */
export const errorCodes = {
  BAD_ARGUMENT: 'an argument has a wrong type or value',
  UNKNOWN_OPTION: 'an option or name that does not exist',
  BAD_SHAPE: 'a tensor, array or weight whose shape does not fit',
  BAD_DATA: 'training or prediction data that cannot be used',
  NOT_FINITE: 'a NaN or infinite number in the input, the loss or the gradients',
  NOT_BUILT: 'a model or layer used before it was built or compiled',
  FILE_NOT_FOUND: 'a file or folder that does not exist',
  BAD_FILE: 'a file whose content is damaged, forged or in another format',
  BACKEND_UNAVAILABLE: 'a backend that cannot run on this machine',
  UNSUPPORTED: 'something that this version or this environment cannot do',
} as const

/** One of the codes in {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/**
 * The one error class. `message` holds the argument, what was expected and what came; `hint`, when
 * there is one, what to do. `String(error)` shows both.
 */
export class RefrainError extends Error {
  readonly code: ErrorCode
  readonly hint: string

  constructor(code: ErrorCode, message: string, hint = '', options?: ErrorOptions) {
    super(withHint(message, hint), options)
    this.name = 'RefrainError'
    this.code = code
    this.hint = hint
  }
}

/** A message and what to do about it, in one line. */
export function withHint(message: string, hint: string): string {
  if (!hint) return message
  return `${message}${/^\p{Lu}/u.test(hint) ? '.' : ';'} ${hint}`
}

/** The error with the name of what it happened in before its text. */
export function errorIn(name: string, { code, message, hint }: RefrainError): RefrainError {
  const text = hint ? message.slice(0, -hint.length - 2) : message
  return new RefrainError(code, `${name}: ${text}`, hint)
}

/** Shows a value in an error message: short, quoted if a string, with the length of an array. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 60 ? `'${value.slice(0, 57)}…'` : `'${value}'`
  }
  if (Array.isArray(value)) {
    const shown =
      value.length > 8
        ? `${value.slice(0, 8).map(showElement).join(', ')}, … ${value.length} in all`
        : value.map(showElement).join(', ')
    return `[${shown}]`
  }
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object' && value !== null) return `{ ${Object.keys(value).join(', ')} }`
  return String(value)
}

/** Objects by their keys: a file's JSON may hold one whose `toString` is no function. */
function showElement(value: unknown): string {
  if (Array.isArray(value)) return '[…]'
  return typeof value === 'object' ? show(value) : String(value)
}

/** Fails for want of code that comes with a function. */
export function notInBundle(what: string, name: string, more = ''): never {
  throw new RefrainError(
    'UNSUPPORTED',
    `${what}: its code is not in this bundle`,
    `use ${name} of 'refrain' somewhere in the page${more}`,
  )
}
