/**
 * Byte-pair encoding's training (Sennrich et al. 2016, "Neural machine translation of rare words with
 * subword units"): again and again the most frequent pair of neighbours becomes one symbol.
 *
 * All distinct words lie end to end as linked symbols, and each pair knows where it stands, so a merge
 * visits only the places that change. A heap has the most frequent pair; its entries may be out of date
 * and are looked at again when they come up.
 */

/** Strings of symbols by id, and ids of strings; a string has one id, however it came about. */
export class Symbols {
  readonly strings: string[]
  readonly #ids = new Map<string, number>()

  /** @param reserved strings of ids that are no text: never found by `idOf`. */
  constructor(reserved: readonly string[]) {
    this.strings = [...reserved]
  }

  idOf(text: string): number | undefined {
    return this.#ids.get(text)
  }

  /** The string's id, a new one if it has none. */
  add(text: string): number {
    let id = this.#ids.get(text)
    if (id === undefined) {
      id = this.strings.push(text) - 1
      this.#ids.set(text, id)
    }
    return id
  }
}

/** Ids stay below this, so that a pair of them is a whole number that doubles hold. */
export const idLimit = 2 ** 21

/** A pair of ids as one number; of two pairs the one with the smaller left id is smaller. */
export const pairKey = (left: number, right: number) => left * idLimit + right

interface Pair {
  readonly left: number
  readonly right: number
  count: number
  /** Where its left symbol stands; may hold places where it no longer does. */
  readonly places: number[]
}

/** A count that a pair had when it came into the heap. */
interface Entry {
  readonly pair: Pair
  readonly count: number
}

/** Whether `a` is merged before `b`: the more frequent, then the one with the smaller ids. */
const before = (a: Entry, b: Entry) =>
  a.count !== b.count
    ? a.count > b.count
    : a.pair.left !== b.pair.left
      ? a.pair.left < b.pair.left
      : a.pair.right < b.pair.right

class Heap {
  readonly #entries: Entry[] = []

  push(entry: Entry): void {
    const entries = this.#entries
    let at = entries.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(entry, entries[parent])) break
      entries[at] = entries[parent]
      at = parent
    }
    entries[at] = entry
  }

  pop(): Entry | undefined {
    const entries = this.#entries
    const top = entries[0]
    const last = entries.pop()
    if (entries.length === 0 || last === undefined) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && before(entries[child + 1], entries[child])) child++
      if (!before(entries[child], last)) break
      entries[at] = entries[child]
      at = child
    }
    entries[at] = last
    return top
  }
}

/**
 * Learns merges of the words' symbols, as left and right ids in turn, and adds the new symbols, until
 * there are `size` or no pair occurs twice.
 *
 * @param words each as ids of `symbols`; -1 is joined with nothing
 * @param counts how often each word occurs
 * @param longest most code units of a symbol
 */
export function learnMerges(
  words: readonly (readonly number[])[],
  counts: readonly number[],
  symbols: Symbols,
  size: number,
  longest: number,
): number[] {
  const length = words.reduce((sum, word) => sum + word.length, 0)
  const ids = new Int32Array(length)
  const weights = new Int32Array(length)
  /** The symbols before and after one in its word; -1: none. */
  const previous = new Int32Array(length)
  const next = new Int32Array(length)
  const pairs = new Map<number, Pair>()
  /** Pairs that have become more frequent since they came into the heap. */
  const risen = new Set<Pair>()
  const heap = new Heap()

  function count(left: number, right: number, place: number): void {
    if (left < 0 || right < 0) return
    const key = pairKey(left, right)
    let pair = pairs.get(key)
    if (!pair) {
      pair = { left, right, count: 0, places: [] }
      pairs.set(key, pair)
    }
    pair.count += weights[place]
    pair.places.push(place)
    risen.add(pair)
  }

  function discount(left: number, right: number, place: number): void {
    const pair = left < 0 || right < 0 ? undefined : pairs.get(pairKey(left, right))
    if (pair) pair.count -= weights[place]
  }

  let start = 0
  words.forEach((word, w) => {
    word.forEach((id, i) => {
      const place = start + i
      ids[place] = id
      weights[place] = counts[w]
      previous[place] = i === 0 ? -1 : place - 1
      next[place] = i === word.length - 1 ? -1 : place + 1
      if (i > 0) count(word[i - 1], id, place - 1)
    })
    start += word.length
  })

  const merges: number[] = []
  while (symbols.strings.length < size) {
    for (const pair of risen) heap.push({ pair, count: pair.count })
    risen.clear()
    const top = heap.pop()
    if (!top) break
    const { left, right } = top.pair
    if (top.count !== top.pair.count) {
      if (top.pair.count > 1) heap.push({ pair: top.pair, count: top.pair.count })
      continue
    }
    if (top.count < 2) break
    pairs.delete(pairKey(left, right))
    const text = symbols.strings[left] + symbols.strings[right]
    if (text.length > longest) continue
    const merged = symbols.add(text)
    merges.push(left, right)
    for (const place of top.pair.places) {
      const second = next[place]
      if (ids[place] !== left || second < 0 || ids[second] !== right) continue
      const [first, last] = [previous[place], next[second]]
      if (first >= 0) discount(ids[first], left, first)
      if (last >= 0) discount(right, ids[last], second)
      ids[place] = merged
      ids[second] = -2
      next[place] = last
      if (last >= 0) previous[last] = place
      if (first >= 0) count(ids[first], merged, first)
      if (last >= 0) count(merged, ids[last], place)
    }
  }
  return merges
}
