/**
 * The tokens of {@link tokenize}, found in one pass over a text's code units and without a string for
 * each: characters become small letters and get their kinds from tables, and a token is a range of
 * them. Texts with marks, emoji or other characters that change with their neighbours go through
 * `tokenize` itself.
 */
import { grown } from './token-table.ts'
import { isIdeograph, plainText, tokenize } from './tokenize.ts'

/** What a token may do with a character; several may hold. */
const space = 1
const letter = 2
const digit = 4
/** Goes on a word. */
const joins = 8
/** A token of its own. */
const single = 16
/** Not for tables: `tokenize` has to see the whole text. */
const hard = 32
const known = 64

/** Kinds of plain characters by code unit, and what a character is when plain; made when first met. */
const kinds = new Uint8Array(65536)
const plain = new Uint16Array(65536)

function learn(unit: number): number {
  const character = String.fromCharCode(unit)
  const itself = plainText(character)
  plain[unit] = itself.charCodeAt(0)
  if (isHard(character, itself)) kinds[unit] = known | hard
  else kinds[unit] = itself === character ? known | kindOf(itself) : learn(plain[unit])
  return kinds[unit]
}

/**
 * What NFC may join to the character before (marks, jamo), what becomes longer or depends on its
 * place (İ, Σ), what the expressions take for one with its neighbours (emoji, surrogates) or for an
 * ASCII letter (ſ).
 */
const isHard = (character: string, itself: string) =>
  itself.length !== 1 ||
  /[\p{M}\p{Cs}\p{Extended_Pictographic}\u03a3\u017f\u1160-\u11ff\ud7b0-\ud7ff]/u.test(character)

const kindOf = (character: string) =>
  (/\s/.test(character) ? space : 0) |
  (/\p{L}/u.test(character) ? letter : 0) |
  (/\p{N}/u.test(character) ? digit : 0) |
  (/[\p{L}\p{N}_]/u.test(character) ? joins : 0) |
  (isIdeograph(character) ? single : 0)

const encoder = new TextEncoder()

const apostrophe = 0x27
const hyphen = 0x2d
/** . , : / */
const isPoint = (unit: number) => unit === 0x2e || unit === 0x2c || unit === 0x3a || unit === 0x2f

/** Finds the tokens of one text after the other in its own memory. */
export class Scanner {
  /** The text's characters when plain; tokens are ranges of them. */
  units = new Uint16Array(4096)
  /** Where token i begins, at 2i, and where it ends, at 2i + 1. */
  ranges = new Int32Array(1024)

  #bytes = new Uint8Array(4096)

  constructor() {
    for (let unit = 0; unit < 128; unit++) if (kinds[unit] === 0) learn(unit)
  }

  /** Number of tokens of the text, `limit` at most; `units` and `ranges` hold them. */
  scan(text: string, limit: number): number {
    const { length } = text
    // One more, for a character that goes on nothing: looking ahead then needs no check.
    if (length + 1 > this.units.length) this.units = new Uint16Array(2 * length + 1)
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(2 * length)
    if (!this.#readAscii(text) && !this.#read(text)) return this.#fromTokens(tokenize(text), limit)
    const { units } = this
    units[length] = 0
    for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
      blankLineBreak(units, at)
    }
    return this.#findTokens(length, limit)
  }

  /** Makes plain units of a text of ASCII characters; false if it has others. */
  #readAscii(text: string): boolean {
    const bytes = this.#bytes
    // Asking the string for each of its characters takes three times as long.
    const { read, written } = encoder.encodeInto(text, bytes)
    if (read !== text.length || written !== read) return false
    const { units } = this
    for (let i = 0; i < read; i++) units[i] = plain[bytes[i]]
    return true
  }

  /** Makes plain units of any text; false if it has hard characters. */
  #read(text: string): boolean {
    const { units } = this
    let all = 0
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      all |= kinds[unit] || learn(unit)
      units[i] = plain[unit]
    }
    return !(all & hard)
  }

  #findTokens(length: number, limit: number): number {
    const { units } = this
    let count = 0
    let at = 0
    while (count < limit) {
      while (kinds[units[at]] & space) at++
      if (at >= length) break
      if (2 * count + 4 > this.ranges.length) this.ranges = grown(this.ranges, 4 * count + 4)
      const { ranges } = this
      const from = at
      const kind = kinds[units[at]]
      let end: number
      if (kind & single) {
        end = at = from + 1
      } else if (kind & letter) {
        at = endOfWord(units, from)
        end = at - contractionLength(units, from, at)
      } else if (kind & digit) {
        end = at = endOfNumber(units, from)
      } else {
        while (units[at] === units[from] && at < length) at++
        end = Math.min(at, from + 3)
      }
      ranges[2 * count] = from
      ranges[2 * count++ + 1] = end
      if (end < at && kind & letter) {
        ranges[2 * count] = end
        ranges[2 * count++ + 1] = at
      }
    }
    return Math.min(count, limit)
  }

  #fromTokens(tokens: readonly string[], limit: number): number {
    const count = Math.min(tokens.length, limit)
    if (2 * count > this.ranges.length) this.ranges = new Int32Array(2 * count)
    let total = 0
    for (let i = 0; i < count; i++) total += tokens[i].length
    if (total > this.units.length) this.units = new Uint16Array(total)
    let at = 0
    for (let i = 0; i < count; i++) {
      this.ranges[2 * i] = at
      for (let j = 0; j < tokens[i].length; j++) this.units[at++] = tokens[i].charCodeAt(j)
      this.ranges[2 * i + 1] = at
    }
    return count
  }
}

/** Makes spaces of `<br>`, `<br />` and the like, if that is what begins here. */
function blankLineBreak(units: Uint16Array, from: number): void {
  if (units[from + 1] !== 0x62 || units[from + 2] !== 0x72) return
  let at = from + 3
  while (kinds[units[at]] & space) at++
  if (units[at] === 0x2f) at++
  if (units[at] === 0x3e) units.fill(0x20, from, at + 1)
}

/** Words go on after an apostrophe or hyphen with a letter behind it. */
function endOfWord(units: Uint16Array, from: number): number {
  let at = from
  for (;;) {
    while (kinds[units[at]] & joins) at++
    const unit = units[at]
    if ((unit !== apostrophe && unit !== hyphen) || !(kinds[units[at + 1]] & letter)) return at
    at += 2
  }
}

/** Numbers go on after a point with a digit behind it, and end with letters. */
function endOfNumber(units: Uint16Array, from: number): number {
  let at = from
  for (;;) {
    while (kinds[units[at]] & digit) at++
    if (!isPoint(units[at]) || !(kinds[units[at + 1]] & digit)) break
    at += 2
  }
  while (kinds[units[at]] & letter) at++
  return at
}

/** Length of the ending that is cut off this word: n't, 's, 'm, 'd, 're, 've or 'll; 0 if none is. */
function contractionLength(units: Uint16Array, from: number, to: number): number {
  if (to - from < 3) return 0
  const last = units[to - 1]
  const before = units[to - 2]
  if (before === apostrophe) {
    if (last === 0x74) return units[to - 3] === 0x6e && to - from > 3 ? 3 : 0
    return last === 0x73 || last === 0x6d || last === 0x64 ? 2 : 0
  }
  if (units[to - 3] !== apostrophe) return 0
  if (last === 0x65) return before === 0x72 || before === 0x76 ? 3 : 0
  return last === 0x6c && before === 0x6c ? 3 : 0
}
