/** Reads plain text to learn to write from: one long text, or many documents. Node only. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { RefrainError, show } from '../errors.ts'
import { checkOptions, suggest } from '../util/check.ts'
import { locate, type Place } from './row.ts'
import { isFolder, lines, openText, type Source } from './source.ts'

/** Texts, in the order of the sources. */
export interface Documents {
  texts: string[]
  /** Where document `i` comes from, for error messages: "names.txt, row 3 (line 4)". */
  where(i: number): string
}

/** Options of {@link readDocuments} and {@link streamDocuments}. */
export interface ReadDocumentsOptions {
  /**
   * What a document is: a 'file' (default), what stands between blank lines ('blankLine'), or a 'line'.
   */
  documents?: 'file' | 'blankLine' | 'line'
}

/** One document and where it begins. */
export interface Document extends Place {
  text: string
}

const cuts = ['file', 'blankLine', 'line'] as const

/**
 * The documents of text files (`.txt` or any other name, also with `.gz`), of folders of `.txt` files,
 * which are read in the order of their names with numbers counted as numbers, and of streams. Text is
 * UTF-8; line ends become `\n`; blank documents are left out.
 *
 * Throws `FILE_NOT_FOUND`, `BAD_FILE`, or `BAD_DATA` with the file where text is not UTF-8 or missing.
 */
export async function readDocuments(
  sources: Source | readonly Source[],
  options: ReadDocumentsOptions = {},
): Promise<Documents> {
  const texts: string[] = []
  const places: Place[] = []
  for await (const { text, ...place } of streamDocuments(sources, options)) {
    texts.push(text)
    places.push(place)
  }
  return { texts, where: (i) => locate(places[i]) }
}

/** The same one after the other, for corpora that do not fit in memory. */
export async function* streamDocuments(
  sources: Source | readonly Source[],
  options: ReadDocumentsOptions = {},
): AsyncGenerator<Document> {
  checkOptions('readDocuments', options, ['documents'])
  const { documents = 'file' } = options
  if (!cuts.includes(documents)) {
    throw new RefrainError(
      'UNKNOWN_OPTION',
      `readDocuments 'documents': unknown cut ${show(documents)}`,
      suggest(String(documents), cuts),
    )
  }
  for (const source of Array.isArray(sources) ? (sources as Source[]) : [sources as Source]) {
    for (const file of await textFiles(source)) yield* ofFile(file, documents)
  }
}

async function* ofFile(source: Source, cut: (typeof cuts)[number]): AsyncGenerator<Document> {
  const file = typeof source === 'string' ? source : source.name
  let row = 0
  if (cut === 'file') {
    let text = ''
    for await (const piece of openText(source)) text += piece
    if (text.trim() !== '') yield { file, row: ++row, text }
  } else {
    let line = 0
    let begin = 1
    let kept: string[] = []
    for await (const content of lines(openText(source))) {
      line++
      const blank = content.trim() === ''
      if (!blank) {
        if (kept.length === 0) begin = line
        kept.push(content)
      }
      if (kept.length > 0 && (blank || cut === 'line')) {
        yield { file, row: ++row, line: begin, text: kept.join('\n') }
        kept = []
      }
    }
    if (kept.length > 0) yield { file, row: ++row, line: begin, text: kept.join('\n') }
  }
  if (row === 0) {
    throw new RefrainError('BAD_DATA', `${file}: there is no text in it`, 'give a file with text')
  }
}

const byName = new Intl.Collator('en', { numeric: true }).compare

/** The source itself, or the text files in a folder. */
async function textFiles(source: Source): Promise<Source[]> {
  if (typeof source !== 'string' || !(await isFolder(source))) return [source]
  const entries = await readdir(source, { withFileTypes: true })
  const files = entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*\.txt(\.gz)?$/.test(entry.name))
    .map(({ name }) => name)
    .sort(byName)
  if (files.length === 0) {
    throw new RefrainError(
      'BAD_DATA',
      `${source}: there are no .txt files in it`,
      'Expected a file, or a folder of .txt files',
    )
  }
  return files.map((name) => join(source, name))
}
