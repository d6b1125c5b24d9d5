/**
 * A model as PyTorch has it: modules by their names, and the lines of a `forward` that computes the same. One walk
 * over the graph gives both, for those who write a file, read it back, or show the code.
 */
import { Bidirectional } from '../../layers/bidirectional.ts'
import type { Layer, Shape } from '../../layers/layer.ts'
import type { Graph } from '../../model/graph.ts'
import { Nested } from '../../model/nested.ts'
import type { Problems } from '../problems.ts'
import { layerCode } from './layer-code.ts'
import { recurrentCode, recurrentKinds } from './recurrent-code.ts'

/** A module and the layer whose weights it has. */
export interface Module {
  /** 'lstm', or 'encoder.lstm' */
  readonly name: string
  readonly layer: Layer
  /** 'nn.LSTM(3, 5, batch_first=True)' */
  readonly code: string
}

/** One call of a layer, and what its code may ask for. */
export interface Call {
  readonly layer: Layer
  readonly options: Readonly<Record<string, unknown>>
  /** Python's variables. */
  readonly inputs: readonly string[]
  /** Of the inputs, the batch in front. */
  readonly shapes: readonly Shape[]
  /** Declares the layer's module and gives what `forward` calls it: 'self.lstm'. */
  module(code: string): string
  /** Gives an expression a variable. */
  variable(expression: string, end?: string): string
  /** A new variable, for a line of its own. */
  fresh(end?: string): string
  line(text: string): void
  /** Notes an option that PyTorch's module does not have. */
  refuse(what: string): void
}

/** Names that mean something to Python, to nn.Module or to the code itself. */
const reserved = new Set(
  `False None True and as assert async await break class continue def del elif else except finally for from global
  if import in is lambda nonlocal not or pass raise return try while with yield self torch nn F T_destination
  add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval extra_repr
  float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia
  named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
  register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
  register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
  register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
  share_memory state_dict to to_empty train training type xpu zero_grad`.split(/\s+/),
)

/** A name that Python takes, and nn.Module for an attribute. */
function identifier(name: string): string {
  const word = name.replace(/[^A-Za-z0-9_]/g, '_')
  if (!/^[A-Za-z]/.test(word)) return `m${word}`
  return reserved.has(word) ? `${word}_` : word
}

/** The name, with a number behind it if something else is called so. */
function free(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name
  for (let number = 2; ; number++) {
    if (!isTaken(`${name}_${number}`)) return `${name}_${number}`
  }
}

/** Layers whose sequences are steps that do not know of each other, without a wrapper. */
const pointwise = ['activation', 'dense', 'dropout']

/** A model's modules and its `forward`. */
export class Program {
  readonly modules: Module[] = []
  readonly lines: string[] = []
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly #problems: Problems
  readonly #names = new Map<Layer, string>()
  readonly #variables = new Set<string>()
  /** What modules lie in: 'encoder' of 'encoder.lstm'. */
  readonly #containers = new Set<string>()

  /** @param problems gets what PyTorch cannot express */
  constructor(graph: Graph, problems: Problems) {
    this.#problems = problems
    this.inputs = graph.inputs.map(({ name }) => this.#variable(name))
    this.outputs = this.#graph(graph, this.inputs, '')
  }

  /** The containers that the modules' names need, outer ones first. */
  get containers(): readonly string[] {
    return [...this.#containers]
  }

  #variable(name: string): string {
    const found = free(identifier(name), (one) => this.#variables.has(one))
    this.#variables.add(found)
    return found
  }

  /** The module's name: the layer's, its parts made identifiers. */
  #name(layer: Layer, title: string): string {
    const known = this.#names.get(layer)
    if (known) return known
    const outer = (name: string) =>
      name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'))
    const names = new Set(this.#names.values())
    const isTaken = (name: string) =>
      this.#containers.has(name) || outer(name).some((one) => names.has(one))
    const dotted = title.split('.').map(identifier).join('.')
    const name = isTaken(dotted) ? free(dotted.replaceAll('.', '_'), isTaken) : dotted
    for (const one of outer(name).slice(0, -1)) this.#containers.add(one)
    this.#names.set(layer, name)
    return name
  }

  #graph(graph: Graph, inputs: readonly string[], prefix: string): string[] {
    const values = new Map(graph.inputs.map((symbol, i) => [symbol, inputs[i]]))
    for (const call of graph.calls) {
      const given = call.inputs.map((symbol) => values.get(symbol)!)
      const shapes = call.inputs.map(({ shape }) => shape)
      const results = this.#call(call.layer, given, shapes, prefix + call.layer.name)
      call.outputs.forEach((symbol, i) => {
        values.set(symbol, results[i] ?? '')
      })
    }
    return graph.outputs.map((symbol) => values.get(symbol)!)
  }

  #call(
    layer: Layer,
    inputs: readonly string[],
    shapes: readonly Shape[],
    title: string,
  ): string[] {
    if (layer instanceof Nested) return this.#graph(layer.graph, inputs, `${title}.`)
    const { kind, options } = layer.config
    const refuse = (what: string) => this.#problems.add(`${what} of ${kind} '${layer.name}'`)
    const fresh = (end = '') => this.#variable(title + end)
    const line = (text: string) => this.lines.push(text)
    const variable = (expression: string, end = '') => {
      const name = fresh(end)
      line(`${name} = ${expression}`)
      return name
    }
    if (kind === 'timeDistributed') {
      const [{ layer: inner }] = layer.children
      if (pointwise.includes(inner.kind)) return this.#call(inner, inputs, shapes, title)
      const [x] = inputs
      const [[, , ...rest]] = shapes
      const steps = variable(`${x}.flatten(0, 1)`, '_steps')
      const [y] = this.#call(inner, [steps], [[null, ...rest]], title)
      return [variable(`${y}.unflatten(0, ${x}.shape[:2])`)]
    }
    const call: Call = {
      layer,
      options,
      inputs,
      shapes,
      module: (code) => {
        if (!this.#names.has(layer)) {
          this.modules.push({ name: this.#name(layer, title), layer, code })
        }
        return `self.${this.#names.get(layer)}`
      },
      variable,
      fresh,
      line,
      refuse,
    }
    if (layer instanceof Bidirectional || recurrentKinds.includes(kind)) return recurrentCode(call)
    const expression = layerCode(call)
    if (expression === null) {
      this.#problems.add(`${kind} '${layer.name}'`)
      return layer.outputShapes(shapes).map(() => inputs[0])
    }
    return [expression === inputs[0] ? expression : variable(expression)]
  }
}

/** The program as a file of Python's, with the class `Model` and `load(path)`. */
export function programText({ modules, containers, inputs, lines, outputs }: Program): string {
  const declared = [
    ...containers.map((name) => `self.${name} = nn.Module()`),
    ...modules.map(({ name, code }) => `self.${name} = ${code}`),
  ]
  const body = (list: readonly string[]) => list.map((text) => `        ${text}\n`).join('')
  return `"""A model of Refrain's in PyTorch: load('model.safetensors') gives it with its weights."""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
${body(declared)}
    def forward(self, ${inputs.join(', ')}):
${body([...lines, `return ${outputs.join(', ')}`])}

def load(path):
    model = Model()
    model.load_state_dict(load_file(path))
    return model.eval()


if __name__ == '__main__':
    print(load(sys.argv[1]))
`
}
