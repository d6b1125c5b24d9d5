/**
 * Checks that imports run one way, from the layers below to the layers above (docs/architecture.md),
 * and that the browser's library stays free of Node's built-ins and of npm packages.
 *
 *   node scripts/check-imports.mjs [root]
 *
 * Prints one paragraph a problem (file:line, the rule, what to do) and exits with 1 if there is any.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** Each layer of src/ and the layers right below it; it may import those and all that they may. */
const below = {
  errors: [],
  util: ['errors'],
  platform: ['util'],
  kernels: ['platform'],
  tensor: ['kernels'],
  data: ['tensor'],
  layers: ['tensor'],
  train: ['layers', 'data'],
  model: ['train'],
  formats: ['model'],
  tasks: ['formats'],
  index: ['tasks'],
  page: ['tasks'],
  server: ['index'],
  cli: ['index', 'server'],
}

/** The one file of the library that may import Node's built-ins. */
const nodePlatform = 'src/platform/node.ts'

/** What pages load. */
const pageEntries = ['src/index.ts', 'src/page/tunes.ts']

/** What the imports that package.json decides by condition lead to in Node. */
const conditional = {
  '#platform': nodePlatform,
  '#backends': 'src/kernels/node-backends.ts',
  '#foreign': 'src/formats/foreign.ts',
}

const allowed = {}
for (const [layer, lower] of Object.entries(below)) {
  allowed[layer] = new Set([layer, ...lower.flatMap((name) => [...allowed[name]])])
}

/** src/kernels/wasm/heap.ts → kernels; src/errors.ts → errors; undefined outside src/. */
function layerOf(file) {
  const parts = file.split('/')
  if (parts[0] !== 'src') return undefined
  return parts.length === 2 ? parts[1].replace(/\..*/, '') : parts[1]
}

const isTest = (file) => /\.(test|case)\.ts$/.test(file)

/** Every import of a file: { specifier, line, kind: 'static' | 'dynamic' | 'type' }. */
function importsOf(path, text) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false)
  const found = []
  const add = (node, literal, kind) => {
    if (!literal || !ts.isStringLiteralLike(literal)) return
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
    found.push({ specifier: literal.text, line: line + 1, kind })
  }
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.importClause?.isTypeOnly ? 'type' : 'static')
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly ? 'type' : 'static')
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], 'dynamic')
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, 'type')
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Reads src/ and resolves each import to a file of the repository or the name of a package. */
function readTree(root) {
  const files = new Map()
  const names = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  for (const entry of names) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.d.ts')) continue
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const imports = importsOf(path, readFileSync(path, 'utf8'))
    for (const item of imports) {
      const { specifier } = item
      if (specifier.startsWith('.')) {
        item.target = relative(root, resolve(dirname(path), specifier))
          .split(sep)
          .join('/')
      } else if (Object.hasOwn(conditional, specifier)) {
        item.target = conditional[specifier]
      } else if (specifier === 'refrain' || specifier.startsWith('refrain/')) {
        const inside = specifier.slice('refrain/'.length)
        item.target = inside ? `src/${inside}/index.ts` : 'src/index.ts'
      } else {
        item.package = specifier
      }
    }
    files.set(relative(root, path).split(sep).join('/'), imports)
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The files that the entry pulls in, each with the file that imports it; types are erased. */
function reachable(files, entry, kinds) {
  const importer = new Map([[entry, undefined]])
  for (const file of importer.keys()) {
    for (const { target, kind } of files.get(file) ?? []) {
      if (kinds.includes(kind) && files.has(target) && !importer.has(target)) {
        importer.set(target, file)
      }
    }
  }
  return importer
}

function chainTo(importer, file) {
  const chain = []
  for (let at = file; at !== undefined; at = importer.get(at)) chain.unshift(at)
  return chain.join(' → ')
}

function checkDirections(files, report) {
  for (const [file, imports] of files) {
    const layer = layerOf(file)
    if (!(layer in below)) {
      report(
        file,
        1,
        `'${layer}' is no layer`,
        'move the file into a layer, or add the layer to the table in scripts/check-imports.mjs and to docs/architecture.md',
      )
      continue
    }
    for (const { target, line } of imports) {
      if (target === undefined) continue
      const to = layerOf(target)
      if (isTest(file)) {
        if (to === undefined ? target.startsWith('test/') : allowed[layer].has(to)) continue
        if (to === 'kernels') continue
        report(
          file,
          line,
          to === undefined
            ? `a test beside the code imports ${target}`
            : `a test of ${layer} imports ${to}, which lies above it`,
          'move what it needs down into its layer or into test/, or move the test into test/',
        )
      } else if (to === undefined) {
        report(
          file,
          line,
          `the library imports ${target}, which is not published`,
          'move it into src/',
        )
      } else if (isTest(target)) {
        report(
          file,
          line,
          `the library imports the test ${target}`,
          'move the shared part into test/',
        )
      } else if (to in below && !allowed[layer].has(to)) {
        const upwards = allowed[to].has(layer)
        report(
          file,
          line,
          `${layer} imports ${to}, which lies ${upwards ? 'above' : 'beside'} it`,
          `move the shared part down ${upwards ? `into ${layer}` : 'into a layer below both'}, or pass it in as an argument`,
        )
      }
    }
  }
}

function checkBrowser(files, entry, report) {
  const inBundle = reachable(files, entry, ['static', 'dynamic'])
  const atStart = reachable(files, entry, ['static'])
  for (const file of inBundle.keys()) {
    if (file === nodePlatform) continue
    for (const { package: name, line, kind } of files.get(file) ?? []) {
      if (name === undefined || kind === 'type') continue
      if (isBuiltin(name)) {
        report(
          file,
          line,
          `'${name}' is Node's, and the browser loads this file (${chainTo(inBundle, file)})`,
          `reach it through '#platform', whose Node half is ${nodePlatform}`,
        )
      } else if (kind === 'static' && atStart.has(file)) {
        report(
          file,
          line,
          `the npm package '${name}' would be part of every browser bundle (${chainTo(atStart, file)})`,
          `load it when it is first used, with await import('${name}')`,
        )
      }
    }
  }
}

/** The problems of the source tree under `root`, in the order of files and lines. */
export function checkImports(root) {
  const files = readTree(root)
  const problems = []
  const report = (file, line, rule, remedy) => problems.push({ file, line, rule, remedy })
  checkDirections(files, report)
  for (const entry of pageEntries) if (files.has(entry)) checkBrowser(files, entry, report)
  problems.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line))
  return { files: files.size, problems }
}

/** A problem as it is printed. */
export function show({ file, line, rule, remedy }) {
  return `${file}:${line}: ${rule}\n  ${remedy}`
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))
  if (!existsSync(join(root, 'src'))) {
    console.error(`check-imports: ${root} has no src folder`)
    process.exit(1)
  }
  const { files, problems } = checkImports(root)
  for (const problem of problems) console.error(show(problem))
  if (problems.length > 0) process.exit(1)
  console.log(`imports of ${files} files run one way`)
}
