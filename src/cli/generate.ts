/** `refrain generate`: what a model makes up. */
import { Printer } from './io.ts'
import { type Chart, plotTo } from './plot.ts'
import type { ModelVerb } from './verbs.ts'

export const generateVerb: ModelVerb = {
  name: 'generate',
  description: 'have a model write: text, tunes',
  inputs(task) {
    const [name, description] = task?.generate?.inputs ?? ['prompt', 'what to begin with']
    return [`[${name}...]`, description]
  },
  options: (command) => command.option('--json', 'print JSON lines'),
  async run({ task, trained, file }, inputs, options, io) {
    const printer = new Printer(io, options)
    const { training } = file
    const charts: Chart[] = []
    const draw = (chart: () => Chart) => {
      if (options.plot) charts.push(chart())
    }
    await task.generate!.run({ trained, training, inputs, options, io, printer, draw })
    if (charts.length > 0) await plotTo(options.plot!, charts)
  },
}
