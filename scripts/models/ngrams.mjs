/**
 * What a model that writes has to beat: characters foretold from those before them, contexts of all lengths
 * mixed by how many different characters followed them (Witten & Bell 1991, interpolated). Beginning and
 * end of a text are characters, too.
 */

const end = '\u0000'

/**
 * @param {readonly string[]} texts
 * @param {number} order characters looked at, the foretold one included
 */
export function ngrams(texts, order) {
  /** Of each context what followed it, and how often. @type {Map<string, Map<string, number>>} */
  const contexts = new Map()
  const alphabet = new Set([end])
  for (const text of texts) {
    for (const [at, character] of positions(text)) {
      alphabet.add(character)
      for (let length = 0; length < order; length++) {
        const context = at.slice(at.length - length)
        const next = contexts.get(context) ?? new Map()
        contexts.set(context, next)
        next.set(character, (next.get(character) ?? 0) + 1)
        if (length >= at.length) break
      }
    }
  }
  const probability = (/** @type {string} */ before, /** @type {string} */ character) => {
    let p = 1 / (alphabet.size + 1)
    for (let length = 0; length <= before.length; length++) {
      const next = contexts.get(before.slice(before.length - length))
      if (!next) break
      let total = 0
      for (const count of next.values()) total += count
      p = ((next.get(character) ?? 0) + next.size * p) / (total + next.size)
    }
    return p
  }
  return {
    /** Bits that a character takes; those of the ends are counted, the ends are not characters. */
    bits(/** @type {readonly string[]} */ held) {
      let bits = 0
      let characters = 0
      for (const text of held) {
        for (const [before, character] of positions(text)) {
          bits -= Math.log2(probability(before, character))
          characters++
        }
        characters--
      }
      return bits / characters
    },
  }

  /** Each character with those before it, and the end. @param {string} text */
  function* positions(text) {
    const whole = [...end, ...text, end]
    for (let i = 1; i < whole.length; i++) {
      yield [whole.slice(Math.max(0, i - order + 1), i).join(''), whole[i]]
    }
  }
}
