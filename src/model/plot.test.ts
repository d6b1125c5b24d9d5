/** The picture of a graph: well-formed, complete, no box on another, no line through a box. */
import { describe, expect, it } from 'vitest'
import { add, concatenate, dense, input, lstm } from '../layers/index.ts'
import { model } from './functional.ts'
import { plotModel } from './plot.ts'
import { sequential } from './sequential.ts'

interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: Element[]
  text: string
}

/** A parser of as much of XML as there may be, strict about what there is. */
function parse(xml: string): Element {
  const root: Element = { name: '', attributes: {}, children: [], text: '' }
  const open = [root]
  const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' }
  const plain = (text: string) => {
    expect(text).not.toMatch(/[<>]|&(?!(lt|gt|amp|quot);)/)
    return text.replace(/&(\w+);/g, (_, name) => entities[name])
  }
  let at = 0
  for (const match of xml.matchAll(/<(\/?)([\w-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    open.at(-1)!.text += plain(xml.slice(at, match.index))
    at = match.index + match[0].length
    const [, closes, name, given, empty] = match
    if (closes) {
      expect(open.pop()!.name).toBe(name)
      continue
    }
    const pairs = [...given.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [
      key,
      plain(value),
    ])
    expect(new Set(pairs.map(([key]) => key)).size).toBe(pairs.length)
    const element = { name, attributes: Object.fromEntries(pairs), children: [], text: '' }
    open.at(-1)!.children.push(element)
    if (!empty) open.push(element)
  }
  expect(xml.slice(at)).toBe('')
  expect(open).toEqual([root])
  expect(root.children).toHaveLength(1)
  return root.children[0]
}

const all = (element: Element, name: string): Element[] =>
  element.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...all(child, name),
  ])

/** Boxes by name and connections, from the picture alone. */
function read(svg: string) {
  const root = parse(svg)
  const number = (element: Element, key: string) => Number(element.attributes[key])
  const boxes = all(root, 'g').flatMap((group) => {
    const [rect] = group.children.filter(({ name }) => name === 'rect')
    if (!rect) return []
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((key) => number(rect, key))
    const texts = group.children.filter(({ name }) => name === 'text')
    for (const text of texts) {
      expect(number(text, 'x')).toBeCloseTo(x + width / 2, 0)
      expect(number(text, 'y')).toBeGreaterThan(y)
      expect(number(text, 'y')).toBeLessThan(y + height)
      expect(text.text.length * 7.2).toBeLessThan(width)
    }
    const name = group.attributes['data-name']
    return [{ name, x, y, width, height, texts: texts.map(({ text }) => text) }]
  })
  const paths = all(root, 'path').filter(({ attributes }) => attributes['data-from'])
  const lines = paths.map(({ attributes }) => {
    const { d, 'data-from': from, 'data-to': to } = attributes
    return { d, from, to }
  })
  const [, , width, height] = root.attributes.viewBox.split(' ').map(Number)
  return { root, boxes, lines, width, height }
}

/** Points along a path of M, C and V commands. */
function pointsOf(d: string): [number, number][] {
  const points: [number, number][] = []
  let [x, y] = [0, 0]
  for (const [, command, rest] of d.matchAll(/([MCV])([\d. ]+)/g)) {
    const n = rest.trim().split(/\s+/).map(Number)
    if (command === 'M') [x, y] = n
    if (command === 'V') [y] = n
    if (command === 'C') {
      const [ax, ay, bx, by, cx, cy] = n
      for (let t = 0; t <= 1; t += 0.05) {
        const s = 1 - t
        const mix = (p: number, a: number, b: number, c: number) =>
          s ** 3 * p + 3 * s * s * t * a + 3 * s * t * t * b + t ** 3 * c
        points.push([mix(x, ax, bx, cx), mix(y, ay, by, cy)])
      }
      ;[x, y] = [cx, cy]
    }
    points.push([x, y])
  }
  return points
}

function checkLayout(svg: string) {
  const { boxes, lines, width, height } = read(svg)
  const byName = new Map(boxes.map((box) => [box.name, box]))
  for (const box of boxes) {
    expect(box.x).toBeGreaterThanOrEqual(0)
    expect(box.y).toBeGreaterThanOrEqual(0)
    expect(box.x + box.width).toBeLessThanOrEqual(width)
    expect(box.y + box.height).toBeLessThanOrEqual(height)
    for (const other of boxes) {
      const apart =
        box.x + box.width <= other.x ||
        other.x + other.width <= box.x ||
        box.y + box.height <= other.y ||
        other.y + other.height <= box.y
      expect(apart || box === other, `${box.name} and ${other.name}`).toBe(true)
    }
  }
  for (const { d, from, to } of lines) {
    const [start, end] = [byName.get(from)!, byName.get(to)!]
    const points = pointsOf(d)
    expect(points[0][1]).toBe(start.y + start.height)
    expect(points.at(-1)![1]).toBe(end.y - 2)
    expect(points.at(-1)![0]).toBeCloseTo(end.x + end.width / 2, 0)
    for (const [x, y] of points) {
      for (const box of boxes) {
        const inside =
          x > box.x && x < box.x + box.width && y > box.y + 0.5 && y < box.y + box.height - 0.5
        expect(inside, `${from} to ${to} through ${box.name} at ${x}, ${y}`).toBe(false)
      }
    }
  }
  return { boxes, lines }
}

/** A residual model of two inputs, a shared layer and a line past several rows. */
function graph() {
  const a = input({ shape: [null, 3], name: 'a' })
  const b = input({ shape: [3], name: 'b' })
  const shared = dense({ units: 3, name: 'shared' })
  const first = lstm({ units: 3, returnSequences: true, name: 'first' }).apply(shared.apply(a))
  const sum = add({ name: 'sum' }).apply([first, a])
  const second = lstm({ units: 3, name: 'second' }).apply(sum)
  const end = concatenate({ name: 'end' }).apply([second, shared.apply(b)])
  const outputs = [
    dense({ units: 2, name: 'y<&"' }).apply(end),
    dense({ units: 1, name: 'z' }).apply(second),
  ]
  return model({ inputs: [a, b], outputs, name: 'pic <1>' })
}

describe('plotModel', () => {
  it('shows every call and connection once', () => {
    const { boxes, lines } = checkLayout(plotModel(graph()))
    expect(boxes.map(({ texts }) => texts).sort()).toEqual(
      [
        ['a', 'InputLayer', '(None, None, 3)'],
        ['b', 'InputLayer', '(None, 3)'],
        ['end', 'Concatenate', '(None, 6)'],
        ['first', 'LSTM', '(None, None, 3)'],
        ['second', 'LSTM', '(None, 3)'],
        ['shared, call 1', 'Dense', '(None, None, 3)'],
        ['shared, call 2', 'Dense', '(None, 3)'],
        ['sum', 'Add', '(None, None, 3)'],
        ['y<&"', 'Dense', '(None, 2)'],
        ['z', 'Dense', '(None, 1)'],
      ].sort(),
    )
    expect(lines.map(({ from, to }) => `${from} → ${to}`).sort()).toEqual(
      [
        ...['a → shared, call 1', 'a → sum', 'b → shared, call 2', 'shared, call 1 → first'],
        ...['first → sum', 'sum → second', 'second → end', 'second → z', 'shared, call 2 → end'],
        'end → y<&"',
      ].sort(),
    )
  })

  it('follows the data from top to bottom', () => {
    const { boxes, lines } = read(plotModel(graph()))
    const rows = new Map(boxes.map(({ name, y }) => [name, y]))
    for (const { from, to } of lines) expect(rows.get(from)).toBeLessThan(rows.get(to)!)
  })

  it('puts an input right above its first use', () => {
    const [a, b] = ['a', 'b'].map((name) => input({ shape: [2], name }))
    const late = dense({ units: 2, name: 'late' }).apply(dense({ units: 2 }).apply(a))
    const { boxes } = checkLayout(
      plotModel(model({ inputs: [a, b], outputs: add().apply([late, b]) })),
    )
    const row = (name: string) => boxes.find((box) => box.name === name)!.y
    expect(row('b')).toBe(row('late'))
    expect(row('a')).toBe(16)
  })

  it('shows more or less, and a model in one line', () => {
    const line = sequential([lstm({ units: 2, name: 'h' }), dense({ units: 1, name: 'y' })]).build([
      ...[null, 4, 2],
    ])
    const { boxes } = checkLayout(plotModel(line, { showShapes: false, showParameters: true }))
    expect(boxes.map(({ texts }) => texts)).toEqual([
      ['input', 'InputLayer', '0 parameters'],
      ['h', 'LSTM', '40 parameters'],
      ['y', 'Dense', '3 parameters'],
    ])
    expect(new Set(boxes.map(({ x, width }) => x + width / 2)).size).toBe(1)
  })

  it('lays out wide and deep graphs', () => {
    const x = input({ shape: [2], name: 'x' })
    const branches = Array.from({ length: 5 }, (_, i) => {
      let value = x
      for (let k = 0; k <= i; k++) value = dense({ units: 2, name: `d${i}${k}` }).apply(value)
      return value
    })
    const sum = add({ name: 'all' }).apply([x, ...branches])
    checkLayout(plotModel(model({ inputs: x, outputs: [sum, branches[1]] })))
  })

  it('has text that can be read in light and dark', () => {
    const [style] = all(read(plotModel(graph())).root, 'style')
    const schemes = [...style.text.matchAll(/refrain-plot\{([^}]*)\}/g)].map(([, body]) =>
      Object.fromEntries(
        [...body.matchAll(/--(\w+):(#\w{6})/g)].map(([, key, color]) => [key, color]),
      ),
    )
    expect(schemes).toHaveLength(2)
    for (const [, rule] of style.text.matchAll(/(?:^|[{}])([^@{}][^{}]*)\{/g)) {
      expect(rule).toMatch(/^\.refrain-plot/)
    }
    expect(style.text).toContain('@media (prefers-color-scheme:dark)')
    const luminance = (color: string) => {
      const [r, g, b] = [1, 3, 5]
        .map((i) => Number.parseInt(color.slice(i, i + 2), 16) / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    for (const { ink, line, layer, input } of schemes) {
      const contrast = (a: string, b: string) => {
        const [low, high] = [luminance(a), luminance(b)].sort((p, q) => p - q)
        return (high + 0.05) / (low + 0.05)
      }
      // WCAG 2: 7 for text (AAA), 3 for lines.
      expect(contrast(ink, layer)).toBeGreaterThan(7)
      expect(contrast(ink, input)).toBeGreaterThan(7)
      expect(contrast(line, layer)).toBeGreaterThan(3)
    }
  })

  it('fails on options it does not know', () => {
    expect(() => plotModel(graph(), { showShape: true } as never)).toThrow(
      "did you mean 'showShapes'?",
    )
  })
})
