/**
 * Bytes as text that gzip likes: base64 shifts what repeats, so that gzip no longer finds it. Here the
 * commonest bytes are one printable character each and the others two, the first of them one of two
 * prefixes. `src/kernels/wasm/module.ts` reads it.
 */

/** What may stand in a string literal of any kind; the first two are the prefixes. */
const alphabet = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
  .filter((character) => !'\'"`\\$'.includes(character))
  .join('')
const prefixes = 2

/** @param {Uint8Array} bytes @returns {{ alphabet: string, order: number[], text: string }} */
export function encode(bytes) {
  const count = new Array(256).fill(0)
  for (const byte of bytes) count[byte]++
  const order = [...count.keys()].sort((a, b) => count[b] - count[a])
  const single = alphabet.length - prefixes
  const codes = []
  order.forEach((byte, i) => {
    const rest = i - single
    codes[byte] =
      rest < 0
        ? alphabet[prefixes + i]
        : alphabet[Math.floor(rest / alphabet.length)] + alphabet[rest % alphabet.length]
  })
  return { alphabet, order, text: Array.from(bytes, (byte) => codes[byte]).join('') }
}
