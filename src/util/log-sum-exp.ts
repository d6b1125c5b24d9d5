/** log Σ_i exp(term(i)) for i < count, without overflow; -Infinity of nothing. */
export function logSumExp(count: number, term: (i: number) => number): number {
  let max = -Infinity
  for (let i = 0; i < count; i++) max = Math.max(max, term(i))
  if (max === -Infinity) return max
  let sum = 0
  for (let i = 0; i < count; i++) sum += Math.exp(term(i) - max)
  return max + Math.log(sum)
}
