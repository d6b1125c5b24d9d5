/** Elements of a page, in as few words as they need. */

type Child = Node | string

/** An element with properties and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** An element of SVG with attributes and children. */
export function svg(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly Child[]
): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  made.append(...children)
  return made
}

/** A control with its label above it. */
export const field = (label: string, control: HTMLElement) =>
  element('label', {}, element('span', {}, label), control)

/** A number to choose. */
export const numberInput = (value: number, min: number, max: number, step = 1) =>
  element('input', {
    type: 'number',
    required: true,
    min: String(min),
    max: String(max),
    step: String(step),
    value: String(value),
  })

/** A table of texts; all but the first column to the right. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]) {
  const row = (cells: readonly string[], tag: 'td' | 'th') =>
    element('tr', {}, ...cells.map((cell) => element(tag, {}, cell)))
  return element(
    'div',
    { className: 'wide' },
    element(
      'table',
      {},
      element('thead', {}, row(head, 'th')),
      element('tbody', {}, ...rows.map((cells) => row(cells, 'td'))),
    ),
  )
}

/** A number with at most five significant digits. */
export const digits = (value: number) => String(Number(value.toPrecision(5)))

/** A link that saves bytes as a file. */
export function download(name: string, bytes: Uint8Array, type: string) {
  const href = URL.createObjectURL(new Blob([new Uint8Array(bytes)], { type }))
  return element('a', { href, download: name, className: 'button' }, `Save ${name}`)
}
