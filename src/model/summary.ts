import type { Graph } from './graph.ts'

const count = (n: number) => n.toLocaleString('en')

/** A table of the layers with their output shapes and numbers of parameters. */
export function summarize(name: string, graph: Graph): string {
  const rows = graph.layers.map((layer) => {
    const call = graph.calls.find((candidate) => candidate.layer === layer)!
    const shapes = call.outputs.map(({ shape }) => `(${shape.map((n) => n ?? 'None').join(', ')})`)
    const parameters = layer.parameters.reduce((sum, parameter) => sum + parameter.size, 0)
    return [`${layer.name} (${layer.kind})`, shapes.join(', '), count(parameters)]
  })
  const header = ['Layer', 'Output shape', 'Parameters']
  const widths = header.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i].length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 2 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd()
  const all = graph.layers.flatMap((layer) => layer.parameters)
  const total = all.reduce((sum, parameter) => sum + parameter.size, 0)
  const trainable = all.reduce((sum, p) => sum + (p.trainable ? p.size : 0), 0)
  return [
    `Model: ${name}`,
    line(header),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.map(line),
    '',
    `Parameters: ${count(total)} (${count(total * 4)} bytes), trainable ${count(trainable)}`,
  ].join('\n')
}
