import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RefrainError } from '../errors.ts'
import type { TableRow } from './row.ts'
import type { Source } from './source.ts'
import { readTable, type TableFormat } from './table.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'refrain-table-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Writes a file into the test's folder and returns its path. */
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, content)
  return path
}

async function read(sources: Source | Source[], format?: TableFormat): Promise<TableRow[]> {
  const rows: TableRow[] = []
  for await (const row of readTable(sources, { format })) rows.push(row)
  return rows
}

const values = async (source: Source | Source[], format?: TableFormat) =>
  (await read(source, format)).map((row) => row.values)

/** The message of the error, with the test's folder cut off. */
async function failure(source: Source | Source[], format?: TableFormat): Promise<string> {
  try {
    await read(source, format)
  } catch (error) {
    if (error instanceof RefrainError) {
      return `${error.code} ${error.message.replaceAll(`${folder}/`, '').replaceAll(folder, '.')}`
    }
    throw error
  }
  throw new Error('expected a RefrainError')
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

describe('CSV', () => {
  test('quotes, commas, line breaks, blank lines, a byte order mark and \\r\\n', async () => {
    const path = file(
      'a.csv',
      '\ufefftext,label\r\n"good, really",pos\r\n"two\r\nlines ""here""",neg\r\n\r\nsays "no",neg\r\n',
    )
    expect(await read(path)).toEqual([
      { file: path, row: 1, line: 2, values: { text: 'good, really', label: 'pos' } },
      { file: path, row: 2, line: 3, values: { text: 'two\nlines "here"', label: 'neg' } },
      { file: path, row: 3, line: 6, values: { text: 'says "no"', label: 'neg' } },
    ])
  })

  test('semicolons and tabs separate where the header has no comma', async () => {
    expect(await values(file('s.csv', 'a;b\n1,5;2\n'))).toEqual([{ a: '1,5', b: '2' }])
    expect(await values(file('t.csv', 'a\tb\n1\t2'))).toEqual([{ a: '1', b: '2' }])
  })

  test('old Macintosh line ends', async () => {
    expect(await values(file('mac.csv', 'a,b\r1,2\r3,4\r'))).toEqual([
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ])
  })

  test('a gzipped file, and several sources one after the other', async () => {
    const first = file('one.csv.gz', gzipSync('a,b\n1,2\n'))
    const second = file('two.jsonl', '{"a":3}\n')
    expect(await read([first, second])).toEqual([
      { file: first, row: 1, line: 2, values: { a: '1', b: '2' } },
      { file: second, row: 1, line: 1, values: { a: 3 } },
    ])
  })

  test('a file longer than the buffers', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => `"é ${i}, ""x""",${i % 7}`)
    const path = file('long.csv', `text,label\n${rows.join('\n')}`)
    const got = await read(path)
    expect(got.length).toBe(30_000)
    expect(got[29_999]).toEqual({
      file: path,
      row: 30_000,
      line: 30_001,
      values: { text: 'é 29999, "x"', label: '4' },
    })
  })

  test('errors', async () => {
    expect(await failure(file('ragged.csv', 'text,label\n"a\nb",pos\n\nc,d,neg\n'))).toBe(
      'BAD_DATA ragged.csv, row 2 (line 5): 3 fields, but the header has 2. ' +
        'Quote a field that holds a \',\': "like, this"',
    )
    expect(await failure(file('open.csv', 'text,label\na,pos\n"b,neg\nc,pos\n'))).toBe(
      'BAD_DATA open.csv, row 2 (line 3): a quote opens a field and nothing closes it. ' +
        'Close it, or double a quote that belongs to the text: ""',
    )
    expect(await failure(file('empty.csv', ''))).toBe('BAD_DATA empty.csv: the file is empty')
    expect(await failure(file('blank.csv', '\n\n'))).toBe('BAD_DATA blank.csv: the file is empty')
    expect(await failure(file('header.csv', 'text,label\n'))).toBe(
      'BAD_DATA header.csv: there are no rows in it',
    )
    expect(await failure(file('twice.csv', 'text,text\na,b\n'))).toBe(
      "BAD_DATA twice.csv: its header has the column 'text' twice",
    )
  })
})

describe('TSV', () => {
  test('quotes are ordinary characters unless they enclose the field', async () => {
    const text = 'id\ttext\n1\t"quoted ""well"""\n2\t"Yes" he said\n3\ta "\n4\t"\n'
    expect((await values(file('q.tsv', text))).map((row) => row.text)).toEqual([
      'quoted "well"',
      '"Yes" he said',
      'a "',
      '"',
    ])
  })

  test('errors', async () => {
    expect(await failure(file('ragged.tsv', 'a\tb\n1\n'))).toBe(
      'BAD_DATA ragged.tsv, row 1 (line 2): 1 fields, but the header has 2. ' +
        'Remove tabs and line breaks from the fields, or save it as CSV',
    )
  })
})

describe('JSON', () => {
  test('an array of objects, over several lines', async () => {
    const path = file('a.json', '\n[\n  {"t": "x, ]}\\"", "n": [1, {"m": 2}]},\n  {"t":"é"} ]\n')
    expect(await read(path)).toEqual([
      { file: path, row: 1, line: 3, values: { t: 'x, ]}"', n: [1, { m: 2 }] } },
      { file: path, row: 2, line: 4, values: { t: 'é' } },
    ])
  })

  test('a file that begins with { holds JSON lines', async () => {
    const path = file('lines.json', '\n{"a":1}\n{"a":2}\n')
    expect(await read(path)).toEqual([
      { file: path, row: 1, line: 2, values: { a: 1 } },
      { file: path, row: 2, line: 3, values: { a: 2 } },
    ])
  })

  test('pieces of any size give what JSON.parse gives', async () => {
    const rows = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), {
      minLength: 1,
      maxLength: 5,
    })
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.nat(2),
        fc.integer({ min: 1, max: 9 }),
        async (list, indent, size) => {
          const text = JSON.stringify(list, null, indent)
          const bytes = new TextEncoder().encode(text)
          const source = { name: 'stream', stream: pieces(bytes, size) }
          expect(await values(source, 'json')).toEqual(JSON.parse(text))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('errors', async () => {
    const expected = 'Expected an array of objects: [{"text": "…", "label": "…"}, …]'
    const look = 'Look for a quote, comma or bracket that is missing or too many'
    expect(await failure(file('bad.json', '[{"a": 1},\n\n {"a": tru}]'))).toBe(
      `BAD_DATA bad.json, row 2 (line 3): not valid JSON. ${look}`,
    )
    expect(await failure(file('comma.json', '[{"a": 1},]'))).toBe(
      `BAD_DATA comma.json, row 2: not valid JSON. ${look}`,
    )
    expect(await failure(file('number.json', '[{"a": 1}, 7]'))).toBe(
      'BAD_DATA number.json, row 2: expected an object of columns, got 7. ' +
        'Write each row as {"column": value, …}',
    )
    expect(await failure(file('cut.json', '[{"a": 1}, {"a": '))).toBe(
      `BAD_DATA cut.json: the array does not end; row 2 begins on line 1. ${expected}`,
    )
    expect(await failure(file('string.json', '"x"'))).toBe(
      `BAD_DATA string.json: it does not begin with an array. ${expected}`,
    )
    expect(await failure(file('two.json', '[{"a":1}]\n[]'))).toBe(
      `BAD_DATA two.json: there is more after the end of the array, line 2. ${expected}`,
    )
    expect(await failure(file('none.json', '[ ]'))).toBe(
      'BAD_DATA none.json: there are no rows in it',
    )
    expect(await failure(file('empty.json', ' \n'))).toBe('BAD_DATA empty.json: the file is empty')
    expect(await failure(file('pretty.json', '{\n "a": 1\n}'))).toBe(
      `BAD_DATA pretty.json, row 1: not valid JSON. ${look}`,
    )
  })
})

describe('JSON lines', () => {
  test('blank lines count as lines, not as rows', async () => {
    const path = file('a.ndjson', '{"a":1}\r\n\r\n{"a":"\\n"}')
    expect(await read(path)).toEqual([
      { file: path, row: 1, line: 1, values: { a: 1 } },
      { file: path, row: 2, line: 3, values: { a: '\n' } },
    ])
  })

  test('errors', async () => {
    expect(await failure(file('bad.jsonl', '{"a":1}\n{"a":\n'))).toBe(
      'BAD_DATA bad.jsonl, row 2: not valid JSON. ' +
        'Look for a quote, comma or bracket that is missing or too many',
    )
    expect(await failure(file('array.jsonl', '{"a":1}\n\n["x"]\n'))).toBe(
      'BAD_DATA array.jsonl, row 2 (line 3): expected an object of columns, got [x]. ' +
        'Write each row as {"column": value, …}',
    )
    expect(await failure(file('empty.jsonl', ''))).toBe('BAD_DATA empty.jsonl: the file is empty')
  })
})

describe('a folder with a sub-folder for each label', () => {
  test('the layout of the IMDb archive', async () => {
    for (const name of [
      'train/pos/10_8.txt',
      'train/pos/2_9.txt',
      'train/neg/0_1.txt',
      'train/unsup/0_0.txt',
      'train/.hidden/1.txt',
      'train/pos/.DS_Store',
      'train/pos/notes.md',
      'train/urls_pos.txt',
      'test/pos/1_1.txt',
    ]) {
      file(`imdb/${name}`, `${name}!\r\n`)
    }
    const train = join(folder, 'imdb/train')
    expect(await read(train)).toEqual([
      {
        file: join(train, 'neg/0_1.txt'),
        row: 1,
        values: { text: 'train/neg/0_1.txt!\n', label: 'neg' },
      },
      {
        file: join(train, 'pos/10_8.txt'),
        row: 2,
        values: { text: 'train/pos/10_8.txt!\n', label: 'pos' },
      },
      {
        file: join(train, 'pos/2_9.txt'),
        row: 3,
        values: { text: 'train/pos/2_9.txt!\n', label: 'pos' },
      },
    ])
    expect(await failure(join(folder, 'imdb'))).toBe(
      "BAD_DATA imdb: the folder 'test' holds folders, not .txt files; did you mean 'imdb/train'?",
    )
  })

  test('errors', async () => {
    file('flat/1.txt', 'x')
    expect(await failure(join(folder, 'flat'))).toBe(
      'BAD_DATA flat: there are no .txt files in it. Expected a sub-folder for each label, with ' +
        'one .txt file for each text: flat/positive/1.txt',
    )
    file('half/neg/1.txt', 'x')
    file('half/pos/1.html', 'x')
    expect(await failure(join(folder, 'half'))).toBe(
      'BAD_DATA half/pos: there are no .txt files in it. Expected a sub-folder for each label, ' +
        'with one .txt file for each text: half/positive/1.txt',
    )
    file('latin/neg/1.txt', Uint8Array.of(0x61, 0xff))
    expect(await failure(join(folder, 'latin'))).toBe(
      'BAD_DATA latin/neg/1.txt: not UTF-8: byte 0xff at offset 1, line 1. ' +
        'It looks like Windows-1252 or Latin-1: save it as UTF-8',
    )
  })
})

describe('files', () => {
  test('one that is missing', async () => {
    file('reviews.csv', 'a\n1\n')
    expect(await failure(join(folder, 'reveiws.csv'))).toBe(
      "FILE_NOT_FOUND reveiws.csv: no such file or folder; did you mean 'reviews.csv'?",
    )
    expect(await failure(join(folder, 'nowhere/x.csv'))).toBe(
      "FILE_NOT_FOUND nowhere/x.csv: no such file or folder; there is no folder 'nowhere' either",
    )
    expect(await failure(join(folder, 'reviews.csv/x.csv'))).toBe(
      "FILE_NOT_FOUND reviews.csv/x.csv: no such file or folder; there is no folder 'reviews.csv' either",
    )
  })

  test('one of an unknown format', async () => {
    expect(await failure(file('a.xlsx', 'x'))).toBe(
      'BAD_FILE a.xlsx: the name does not tell the format. Expected .csv, .tsv, .json, .jsonl or ' +
        '.ndjson, each also with .gz, or a folder with a sub-folder for each label',
    )
    expect(await failure(file('b.csv', 'x'), 'xml' as TableFormat)).toBe(
      "UNKNOWN_OPTION readTable: unknown format 'xml'; known: csv, tsv, json, jsonl",
    )
    expect(await values(file('c.txt', 'a,b\n1,2\n'), 'csv')).toEqual([{ a: '1', b: '2' }])
  })

  test('damaged gzip', async () => {
    const whole = gzipSync('a,b\n1,2\n')
    expect(await failure(file('cut.csv.gz', whole.subarray(0, 15)))).toBe(
      'BAD_FILE cut.csv.gz: not a gzip file, or a damaged one (unexpected end of file). ' +
        'Fetch it again, or rename it if it is not compressed',
    )
    expect(await failure(file('plain.csv.gz', 'a,b\n'))).toBe(
      'BAD_FILE plain.csv.gz: not a gzip file, or a damaged one (incorrect header check). ' +
        'Fetch it again, or rename it if it is not compressed',
    )
  })

  test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'no permission',
    async () => {
      const path = file('secret.csv', 'a\n1\n')
      chmodSync(path, 0)
      expect(await failure(path)).toBe(
        'BAD_FILE secret.csv: this user may not read it. Change its permissions',
      )
    },
  )
})

describe('text that is not UTF-8', () => {
  const latin = new Uint8Array(Buffer.from('text,label\ncafé noir,pos\n', 'latin1'))
  const message =
    'BAD_DATA latin.csv: not UTF-8: byte 0xe9 at offset 14, line 2. ' +
    'It looks like Windows-1252 or Latin-1: save it as UTF-8'

  test('names the byte', async () => {
    expect(await failure(file('latin.csv', latin))).toBe(message)
  })

  test('in pieces of any size', async () => {
    for (let size = 1; size < latin.length; size++) {
      expect(await failure({ name: 'latin.csv', stream: pieces(latin, size) })).toBe(message)
    }
  })

  test('UTF-16', async () => {
    const bytes = new Uint8Array(Buffer.from('\ufeffa,b\n', 'utf16le'))
    expect(await failure(file('wide.csv', bytes))).toBe(
      'BAD_DATA wide.csv: not UTF-8: byte 0xff at offset 0, line 1. ' +
        'It looks like UTF-16: save it as UTF-8',
    )
  })

  test('a character cut off at the end', async () => {
    expect(await failure(file('cut.csv', Uint8Array.of(0x61, 0x0a, 0xe2, 0x82)))).toBe(
      'BAD_DATA cut.csv: not UTF-8: byte 0xe2 at offset 2, line 2. ' +
        'It looks like Windows-1252 or Latin-1: save it as UTF-8',
    )
  })

  test('any bytes are read or refused at the offset that Node finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (noise, size) => {
          const bytes = Uint8Array.from([
            ...Buffer.from('{"a":"'),
            ...noise.filter((b) => b > 0x7f),
          ])
          const source = { name: 'x.jsonl', stream: pieces(bytes, size) }
          // The longest valid beginning, by trying them all.
          let offset = bytes.length
          const valid = (n: number) =>
            Buffer.from(bytes.subarray(0, n)).toString().indexOf('\ufffd') < 0
          while (!valid(offset)) offset--
          const got = await failure(source)
          if (offset < bytes.length) expect(got).toContain(` at offset ${offset}, line 1. `)
          else expect(got).toContain('not valid JSON')
        },
      ),
      { numRuns: 500 },
    )
  })
})

test('reading stops when the caller stops', async () => {
  let taken = 0
  async function* endless() {
    yield Buffer.from('a,b\n')
    for (;;) {
      taken++
      yield Buffer.from('1,2\n')
    }
  }
  for await (const row of readTable({ name: 'endless.csv', stream: endless() })) {
    if (row.row === 3) break
  }
  expect(taken).toBeLessThan(10_000)
})
