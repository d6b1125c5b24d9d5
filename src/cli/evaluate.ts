/** `refrain evaluate`: how well a model does on data with the answers. */
import { Printer } from './io.ts'
import { plotTo } from './plot.ts'
import type { ModelVerb } from './verbs.ts'

export const evaluateVerb: ModelVerb = {
  name: 'evaluate',
  description: 'compare a model with data that have the answers',
  inputs: (task) => ['<files...>', task?.evaluate?.files ?? 'data, as for refrain train'],
  options: (command) => command.option('--json', 'print one JSON object'),
  async run({ task, trained, file }, files, options, io) {
    const { training } = file
    const fact = await task.evaluate!.run({ trained, training, files, options })
    if (options.plot && fact.chart) await plotTo(options.plot, [fact.chart()])
    else if (options.plot) io.stderr.write('refrain: --plot: there is no chart of this\n')
    new Printer(io, options).print(fact.text, fact.json)
  },
}
