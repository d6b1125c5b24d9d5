/**
 * Uniform numbers in [-scale, scale), the same for everyone (a linear congruential generator).
 *
 * @param {number} seed
 */
export function generator(seed) {
  let state = seed >>> 0
  return (/** @type {number} */ length, /** @type {number} */ scale) =>
    Float32Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return scale * (state / 2 ** 31 - 1)
    })
}
