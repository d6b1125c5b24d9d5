/** The card of a shipped model: what it is, what it was made of, how well it does. */

const count = (/** @type {number} */ value) => value.toLocaleString('en')

/** 3.2 MB, 540 kB */
const size = (/** @type {number} */ bytes) =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

const time = (/** @type {number} */ seconds) =>
  seconds < 100 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`

/**
 * @param {{
 *   name: string, bytes: number, seconds: number, example: string,
 *   recipe: Record<'title' | 'what' | 'data' | 'limits', string> & { example: string[] },
 *   scores: { text: string, rows: string[][] },
 *   model: { parameters: { parameters: readonly { size: number }[] } },
 * }} from
 */
export function cardOf({ name, recipe, bytes, seconds, scores, example, model }) {
  const weights = model.parameters.parameters.reduce((sum, { size }) => sum + size, 0)
  const command = recipe.example.map((part) => (part.includes(' ') ? `"${part}"` : part)).join(' ')
  return `# ${name}: ${recipe.title}

${recipe.what.trim()}

\`\`\`
$ refrain ${command}
${example.trimEnd()}
\`\`\`

| | |
|---|---|
| file | \`${name}.refrain\`, ${count(bytes)} bytes (${size(bytes)}) |
| weights | ${count(weights)}, in half precision (float16) |
| made by | \`npm run models -- ${name}\` (seed 0) |
| training | ${time(seconds)} on one busy core of a virtual AMD EPYC |

## Data

${recipe.data.trim()}

## How well it does

${scores.text.trim()}

${tableOf(scores.rows)}

## Limits

${recipe.limits.trim()}
`
}

/** A table in Markdown; the first row is its head. @param {string[][]} rows */
function tableOf([head, ...rows]) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

/** 82.41 % */
export const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)} %`

/** The mean of some shares and their standard deviation: "82.4 % ± 0.9". */
export function spread(/** @type {number[]} */ shares) {
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
  const square = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0)
  return `${percent(mean)} ± ${(100 * Math.sqrt(square / (shares.length - 1))).toFixed(1)}`
}
