import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonLines, Workplace } from '../../test/cli/harness.ts'
import { decodeSafetensors } from '../util/safetensors.ts'
import { version } from './run.ts'
import { tasks } from './tasks/index.ts'

const { folder, at, file, refrain, prints, failure, remove } = new Workplace()
const model = at('reviews.refrain')

/** Sentences whose label a model of a few units learns in seconds. */
const good = ['a fine film', 'what a lovely, fine story', 'lovely acting', 'I liked it']
const bad = ['a dull film', 'what a dreary, dull story', 'dreary acting', 'I hated it']
const table = `id,review,sentiment\n${Array.from({ length: 10 }, (_, i) =>
  [...good.map((text) => [text, 'good']), ...bad.map((text) => [text, 'bad'])]
    .map(([text, label], j) => `${i * 8 + j},"${text}",${label}\n`)
    .join(''),
).join('')}`

const columns = ['--text', 'review', '--label', 'sentiment']
const plain = ['--pooling', 'max', '--token-dropout', '0']
const small = ['--units', '4', '--embedding', '8', '--min-count', '1', '--seed', '3', ...plain]
const train = (name: string, out: string, ...more: string[]) => [
  'train',
  'classify',
  at(name),
  ...columns,
  '--out',
  at(out),
  ...more,
]

beforeAll(async () => {
  file('reviews.csv', table)
  const more = ['--epochs', '12', '--learning-rate', '0.05', '--json']
  const result = await refrain(train('reviews.csv', 'reviews.refrain', ...small, ...more))
  expect(result.stderr).toBe('')
  expect(result.status).toBe(0)
})
afterAll(remove)

describe('train', () => {
  test('prints JSON lines for machines', async () => {
    const more = ['--epochs', '2', '--json', '--validation', '0.25']
    const { stdout } = await refrain(train('reviews.csv', 'json.refrain', ...small, ...more))
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).toEqual(['start', 'epoch', 'epoch', 'kept', 'saved'])
    expect(events[0]).toMatchObject({ rows: 80, labels: { bad: 40, good: 40 } })
    expect(events[1]).toMatchObject({ epoch: 1, epochs: 2, loss: expect.any(Number) })
    expect(events[3].validationAccuracy).toBe(events[events[3].bestEpoch].valAccuracy)
    expect(events[4]).toMatchObject({ file: 'json.refrain', bytes: expect.any(Number) })
  })

  test('writes weights in half precision with --float16, which inspect says', async () => {
    const more = [...small, '--epochs', '1', '--quiet']
    await prints(train('reviews.csv', 'half.refrain', ...more, '--float16'))
    expect(await prints(['inspect', at('half.refrain')])).toContain(
      'The file holds the weights in half precision (float16), 2 bytes each',
    )
    const { dtype } = JSON.parse(await prints(['inspect', at('half.refrain'), '--json']))
    expect(dtype).toBe('F16')
    expect(await prints(['inspect', at('reviews.refrain')])).not.toContain('half precision')
    expect(await prints(['predict', at('half.refrain'), 'fine'])).toMatch(/\tfine\n$/)
  })

  test('writes weights as 8-bit integers with --int8, which inspect says', async () => {
    const more = [...small, '--units', '40', '--epochs', '1', '--quiet']
    await prints(train('reviews.csv', 'int8.refrain', ...more, '--int8'))
    expect(await prints(['inspect', at('int8.refrain')])).toContain(
      'The file holds the weights of matrices as 8-bit integers (int8), 1 byte each, and scales',
    )
    expect(JSON.parse(await prints(['inspect', at('int8.refrain'), '--json'])).dtype).toBe('I8')
    expect(await prints(['predict', at('int8.refrain'), 'fine'])).toMatch(/\tfine\n$/)
  })

  test('prints lines for people, and nothing with --quiet', async () => {
    const more = [...small, '--epochs', '1', '--validation', '0']
    const loud = await refrain(train('reviews.csv', 'loud.refrain', ...more))
    expect(loud.stdout).toMatch(
      /^80 rows with 2 labels: bad 40, good 40\ncomputing with \w+ \w+, \d+ threads?\nepoch 1\/1 {2}loss [\d.]+ {2}accuracy [\d.]+ {2}[\d,]+ examples\/s {2}[\d.]+ s\nsaved loud.refrain \(0.0 MB, 16 words\)\n$/,
    )
    const quiet = await refrain(train('reviews.csv', 'quiet.refrain', ...more, '--quiet'))
    expect(quiet).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('interrupted and resumed, it gives the weights of an uninterrupted run', async () => {
    const more = [...small, '--epochs', '6', '--patience', '6', '--json']
    await refrain(train('reviews.csv', 'whole.refrain', ...more))
    const cut = await refrain(train('reviews.csv', 'cut.refrain', ...more), {
      interruptWhen: (stdout) => stdout.includes('"epoch":2'),
    })
    expect(cut.status).toBe(1)
    expect(cut.stderr).toBe(
      'refrain: interrupted in epoch 3; saved cut.checkpoint.refrain. ' +
        'The same command with --resume goes on from there\n',
    )
    const { stdout: inspected } = await refrain(['inspect', at('cut.checkpoint.refrain')])
    expect(inspected).toContain(
      'A checkpoint, written in epoch 3, after its step 1 (7 steps in all): training was not over.\n' +
        'To go on: the train command that wrote it with --resume, or fit with the option resume\n',
    )
    const resumedWrong = await failure(
      train('reviews.csv', 'cut.refrain', ...more, '--units', '5', '--resume'),
    )
    const resumed = await refrain(train('reviews.csv', 'cut.refrain', ...more, '--resume'))
    expect(resumed.status).toBe(0)
    const weights = (name: string) => decodeSafetensors(readFileSync(at(name))).tensors
    expect(weights('cut.refrain')).toEqual(weights('whole.refrain'))
    expect(resumedWrong).toBe(
      '--resume: --units was 4 when cut.checkpoint.refrain was written, and is 5 now. ' +
        'Resume with the same options, or leave --resume out to start anew',
    )
    expect(await failure(train('reviews.csv', 'cut.refrain', ...more, '--resume'))).toBe(
      '--resume: there is no checkpoint cut.checkpoint.refrain. ' +
        'Leave --resume out to start anew',
    )
  })

  test.each([
    [
      'unknown column',
      'id,reviews,sentiment\n1,a,good\n',
      "in.csv: there is no column 'review'; did you mean 'reviews'?",
    ],
    ['empty file', '', 'in.csv: the file is empty'],
    [
      'one class only',
      'review,sentiment\na,good\nb,good\n',
      "column 'sentiment': expected at least 2 different labels, got only 'good' in all 2 rows. " +
        'Add rows with another label',
    ],
    [
      'missing label',
      'review,sentiment\na,good\nb,\n',
      "in.csv, row 2 (line 3): the label (column 'sentiment') is empty. " +
        'Fill it in, remove the row or use --skip-missing (skipMissing)',
    ],
    [
      'not UTF-8',
      Buffer.from('review,sentiment\ncafé,good\n', 'latin1'),
      'in.csv: not UTF-8: byte 0xe9 at offset 20, line 2. ' +
        'It looks like Windows-1252 or Latin-1: save it as UTF-8',
    ],
  ])('%s', async (_, content, message) => {
    file('in.csv', content)
    expect(await failure(train('in.csv', 'out.refrain'))).toBe(message)
  })

  test('warns of labels that look wrong', async () => {
    const warning = async (content: string, ...more: string[]) => {
      file('odd.csv', `review,sentiment\n${content}`)
      const options = [...small, '--epochs', '1', '--validation', '0', ...more]
      const { status, stdout, stderr } = await refrain(train('odd.csv', 'odd.refrain', ...options))
      expect(status).toBe(0)
      return { stdout, stderr }
    }
    const good = 'a,good\nb,good\n'
    const one = await warning(`${good}c,bad\nd,bad\ne,bad\n,bad\nf,"so, so"\n`, '--skip-missing')
    expect(one.stderr).toBe(
      "refrain: warning: too few to learn from: only one row has the label 'so, so'\n",
    )
    expect(one.stdout).toContain("6 rows with 3 labels: bad 3, good 2, 'so, so' 1\n")
    expect(one.stdout).toContain('\nleft out 1 row without a text or label\n')
    expect((await warning(`${good}good,c\ngood,d\n`)).stderr).toBe(
      'refrain: warning: there are 3 different labels in 4 rows; ' +
        'did you mean --text and --label the other way round?\n',
    )
    expect((await warning(`${good}c,bad\nd,bad\n`)).stderr).toBe('')
  })

  test('rows with several labels', async () => {
    const rows = ['fine,good', 'dull,bad', 'fine and dull,good;bad', 'a film,']
    file('several.csv', `review,sentiment\n${rows.join('\n')}\n`)
    const options = [...small, '--epochs', '150', '--validation', '0', '--learning-rate', '0.05']
    const odd = await refrain(train('several.csv', 'odd.refrain', ...options, '--skip-missing'))
    expect(odd.stderr).toBe(
      'refrain: warning: 1 label with semicolons, such as good;bad; --several takes them for several ' +
        'labels of a row\n',
    )
    const own = train('several.csv', 'several.refrain', ...options, '--several')
    expect((await prints(own)).split('\n')[0]).toBe('4 rows with 2 labels: bad 2, good 2')
    const model = at('several.refrain')
    expect(await prints(['inspect', model])).toContain(
      'Classifies texts into 2 labels, each yes or no: bad, good',
    )
    const scores = await prints(['evaluate', model, at('several.csv')])
    expect(scores).toMatch(/^micro F1 100\.0 %, macro F1 100\.0 % on 4 rows, loss /)
    expect(scores).toContain('\nall labels of a row are right in 100.0 %\n')
    const answers = await prints(['predict', model, 'fine', 'fine and dull', 'a film'])
    expect(answers.replace(/0\.\d{4}/g, 'p')).toBe(
      'good\tp\tfine\nbad;good\tp;p\tfine and dull\n\t\ta film\n',
    )
    expect(jsonLines(await prints(['predict', model, 'fine and dull', '--json']))).toEqual([
      {
        text: 'fine and dull',
        predicted: ['bad', 'good'],
        probabilities: { bad: expect.any(Number), good: expect.any(Number) },
      },
    ])
  })

  test('missing file', async () => {
    expect(await failure(train('review.csv', 'out.refrain'))).toBe(
      "review.csv: no such file or folder; did you mean 'reviews.csv'?",
    )
  })

  test('--out', async () => {
    expect(await failure(['train', 'classify', at('reviews.csv')])).toBe(
      'train classify: --out is missing. Name the file to write: --out reviews.refrain',
    )
    expect(await failure(['train', 'classify', 'x.csv', '--out', 'x.bin'])).toBe(
      "--out: expected a name ending in .refrain, got 'x.bin'",
    )
    // Before the data are read: these are missing.
    const out = (path: string) => failure(['train', 'classify', 'none.csv', '--out', path])
    expect(await out(at('nowhere/x.refrain'))).toBe(
      "cannot write 'nowhere/x.refrain': the folder does not exist; " +
        `create '${at('nowhere')}' first`.replace(`${folder}/`, ''),
    )
    mkdirSync(at('folder.refrain'))
    expect(await out(at('folder.refrain'))).toBe(
      "cannot write 'folder.refrain': it is a folder. Name a file",
    )
    expect(await out(at('reviews.csv/x.refrain'))).toBe(
      "cannot write 'reviews.csv/x.refrain': 'reviews.csv' is a file. Name a folder",
    )
    expect(await out(at('good.refrain'))).toBe('none.csv: no such file or folder')
    expect(readdirSync(folder).filter((name) => name.includes('good'))).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')('--out in a folder that takes no files', async () => {
    expect(await failure(['train', 'classify', 'none.csv', '--out', '/proc/x.refrain'])).toMatch(
      /^cannot write '\/proc\/x\.refrain': no files can be made in the folder '\/proc' \(E\w+\)\. Choose another one, or change its permissions$/,
    )
  })

  test('a folder that takes the place of --out during the training', async () => {
    const { status, stderr } = await refrain(
      train('reviews.csv', 'late.refrain', ...small, '--epochs', '1'),
      {
        interruptWhen(stdout) {
          if (stdout.includes('epoch 1/1')) mkdirSync(at('late.refrain'), { recursive: true })
          return false
        },
      },
    )
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "refrain: cannot write 'late.refrain': it is a folder. Name a file\n",
    })
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([])
  })
})

describe('predict', () => {
  test('texts as arguments', async () => {
    const { status, stdout, stderr } = await refrain(['predict', model, 'fine\nstory', 'dull'])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^good\t[01]\.\d{4}\tfine story\nbad\t[01]\.\d{4}\tdull\n$/)
  })

  test('--json', async () => {
    const { stdout } = await refrain(['predict', model, 'a fine film', '--json'])
    const { probability, probabilities, ...rest } = JSON.parse(stdout)
    expect(rest).toEqual({ text: 'a fine film', predicted: 'good' })
    expect(probabilities.good).toBe(probability)
    expect(probabilities.good + probabilities.bad).toBeCloseTo(1, 5)
  })

  test('JSON lines on standard input, by the column of the training', async () => {
    const stdin = '{"id":1,"review":"lovely"}\n\n{"id":2,"review":"I hated it"}'
    const { stdout } = await refrain(['predict', model], { stdin })
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ id, predicted }) => [id, predicted])).toEqual([
      [1, 'good'],
      [2, 'bad'],
    ])
  })

  const predicted = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  test('plain lines on standard input; an empty text is as on the command line', async () => {
    const { stdout } = await refrain(['predict', model], { stdin: 'lovely\n"a dull\\nfilm"\n""\n' })
    const [lovely, dull, empty] = predicted(stdout)
    expect(lovely).toMatchObject({ text: 'lovely', predicted: 'good' })
    expect(dull).toMatchObject({ text: 'a dull\nfilm', predicted: 'bad' })
    expect(empty).toEqual(predicted((await refrain(['predict', model, '', '--json'])).stdout)[0])
  })

  test('rows before an error are classified', async () => {
    const stdin = '{"review":"lovely"}\n{"review":""}\n{"id":3}\n'
    const { status, stdout, stderr } = await refrain(['predict', model], { stdin })
    expect(status).toBe(1)
    expect(predicted(stdout).map(({ review }) => review)).toEqual(['lovely', ''])
    expect(stderr).toBe("refrain: standard input, row 3: the text (column 'review') is missing\n")
  })

  test("columns of the input that have a result's name are kept under another", async () => {
    const row = { review: 'lovely', predicted: 1, input_predicted: 2, probability: 3 }
    const { stdout } = await refrain(['predict', model], { stdin: JSON.stringify(row) })
    expect(predicted(stdout)[0]).toMatchObject({
      review: 'lovely',
      predicted: 'good',
      input_input_predicted: 1,
      input_predicted: 2,
      input_probability: 3,
    })
  })

  test("says so if a text is a file's name", async () => {
    const { status, stdout, stderr } = await refrain(['predict', model, at('reviews.csv'), 'fine'])
    expect(status).toBe(0)
    expect(stdout.split('\n').length).toBe(3)
    expect(stderr).toBe(
      "refrain: 'reviews.csv' is a file, here taken as a text; to classify what is in it: " +
        '--file reviews.csv\n',
    )
  })

  test('a file', async () => {
    const { stdout } = await refrain(['predict', model, '--file', at('reviews.csv')])
    const lines = stdout.trim().split('\n')
    expect(lines.length).toBe(80)
    expect(lines.slice(0, 8).map((line) => line.split('\t')[0])).toEqual([
      ...good.map(() => 'good'),
      ...bad.map(() => 'bad'),
    ])
  })

  test('a folder as the model', async () => {
    expect(await failure(['predict', folder, 'x'])).toBe(
      `'${folder}' is a folder. Name a file in it`,
    )
  })

  test('errors', async () => {
    expect(await failure(['predict', model], { terminal: true })).toBe(
      'predict: there is nothing to classify. Give texts, --file, or lines on standard ' +
        'input; see: refrain predict --help',
    )
    expect(await failure(['predict', model], { stdin: '{"review":7}\n' })).toBe(
      "standard input, row 1: expected a text in the column 'review', got 7",
    )
    expect(await failure(['predict', model], { stdin: '\n' })).toContain(
      'predict: there is nothing to classify. Give texts, --file, or lines on standard input',
    )
    expect(await failure(['predict', model], { stdin: '{a fine film\n' })).toBe(
      'standard input, row 1: not valid JSON. ' +
        'Look for a quote, comma or bracket that is missing or too many',
    )
    expect(await failure(['predict', model, 'x', '--file', 'y.csv'])).toBe(
      'predict: got texts and --file. Give one of them; several files go behind --file, after ' +
        'the model',
    )
    expect(await failure(['predict', model, 'x', '--formt', 'csv'])).toBe(
      "unknown option '--formt'; did you mean '--format'?",
    )
  })
})

describe('evaluate', () => {
  test('a table', async () => {
    const held = file('held.csv', 'review,sentiment\nfine,good\nlovely,good\ndull,bad\n')
    const { status, stdout, stderr } = await refrain(['evaluate', model, held])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(
      /^accuracy 100\.0 % on 3 rows, loss 0\.\d{4}, probabilities off by [\d.]+ %$/,
    )
    expect(lines.slice(1)).toEqual([
      "always answering 'good' would be right in 66.7 %",
      '',
      'label  rows  precision %  recall %   F1 %',
      'bad       1        100.0     100.0  100.0',
      'good      2        100.0     100.0  100.0',
      '',
      'is \\ predicted  bad  good',
      'bad               1     0',
      'good              0     2',
      '',
    ])
    const json = JSON.parse((await refrain(['evaluate', model, held, '--json'])).stdout)
    expect(json).toMatchObject({
      examples: 3,
      accuracy: 1,
      confusion: [
        [1, 0],
        [0, 2],
      ],
    })
  })

  test('--skip-missing', async () => {
    const held = file('gaps.csv', 'review,sentiment\nfine,good\n,good\ndull,\n')
    expect(await failure(['evaluate', model, held])).toContain(', as in 2 of 3 rows. ')
    const { stdout } = await refrain(['evaluate', model, held, '--skip-missing'])
    expect(stdout).toMatch(/^accuracy 100\.0 % on 1 row, /)
    expect(stdout).toMatch(/\nleft out 2 rows without a text or label\n$/)
  })

  test('a label that training did not see', async () => {
    const held = file('held2.csv', 'review,sentiment\nfine,good\nlovely,god\n')
    expect(await failure(['evaluate', model, held])).toBe(
      "held2.csv, row 2 (line 3): unknown label 'god'; did you mean 'good'? " +
        "The model knows 'bad', 'good'",
    )
  })
})

describe('explain', () => {
  test('texts: the words that decide, whose sum is the score', async () => {
    const text = await prints(['explain', model, 'a fine film'])
    expect(text.replace(/[+-]\d\.\d{3}/g, 'x').replace(/ +/g, ' ')).toMatch(
      /^good, probability 0\.\d{4}; in nats, log p\/\(1-p\):\n\(unknown words\) x\na x\nfine x\nfilm x\nsum x\n$/,
    )
    const numbers = (text.match(/[+-]\d\.\d{3}/g) ?? []).map(Number)
    const parts = numbers.slice(0, -1).reduce((sum, value) => sum + value, 0)
    expect(Math.abs(parts - numbers.at(-1)!)).toBeLessThan(0.003)
    const args = ['explain', model, 'a fine film', 'dull', '--label', 'bad', '--json']
    const rows = jsonLines(await prints(args))
    expect(rows).toMatchObject([
      { text: 'a fine film', label: 'bad', baseline: expect.any(Number) },
      { text: 'dull', label: 'bad', tokens: [{ token: 'dull', contribution: expect.any(Number) }] },
    ])
    expect(await failure(['explain', model, 'x', '--label', 'goood'])).toBe(
      "explain: unknown label 'goood'; did you mean 'good'?",
    )
  })

  test('prints where the time goes, for the sizes that were asked for', async () => {
    const args = ['explain', model, '--batch-size', '2', '--steps', '3', '--backend', 'reference']
    const { status, stdout } = await refrain(args)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\w+: batches of 2, 3 steps, on reference float32, 1 thread$/m)
    expect(stdout).toMatch(/^PREDICTION +way +parameters +MFLOP +MB +est. ms +ms +peak +time$/m)
    expect(stdout).toMatch(/^TRAINING STEP +way +MFLOP/m)
    expect(stdout).toMatch(/^bidirectional\/forward +fused /m)
    expect(stdout).toContain('backend: reference computes with plain loops. Better: ')

    const json = JSON.parse((await refrain([...args, '--json'])).stdout)
    expect(json).toMatchObject({ batchSize: 2, steps: 3, peak: { threads: 1 } })
    const lstm = json.layers.find(({ layer }: { layer: string }) => layer.endsWith('/forward'))
    // 2·B·T·4U·(I+U) for --units 4 and --embedding 8.
    expect(lstm.predict.flops).toBe(2 * 2 * 3 * 16 * (8 + 4))
  })

  test('says what is wrong', async () => {
    expect(await failure(['explain', at('none.refrain')])).toContain('none.refrain')
    expect(await failure(['explain', model, '--batch-size', '0'])).toContain('at least 1')
    expect(await failure(['explain', model, '--threads', '1025'])).toContain('at most 1024')
    expect(await failure(['explain', model, '--backend', 'natve'])).toBe(
      "--backend: unknown backend 'natve'; did you mean 'native'?",
    )
  })
})

describe('inspect', () => {
  test('shows layers, vocabulary and training', async () => {
    const { status, stdout } = await refrain(['inspect', model])
    expect(status).toBe(0)
    for (const part of [
      'embedding (Embedding)',
      '(None, None, 8)',
      'Classifies texts into 2 labels: bad, good',
      'Vocabulary: 16 ids, the most frequent: a ',
      'Reads the first 1,000 words of a text',
      'Trained on 72 rows, validated on 8: ',
      'batches of 32, seed 3, ',
      "Columns: texts 'review', labels 'sentiment'",
    ]) {
      expect(stdout).toContain(part)
    }
    // 14 words and 2 reserved ids × 8; an LSTM of 4 units in each direction on 8 inputs: 2·4·4·(8 + 4 + 1); 8 × 2 + 2.
    expect(stdout).toContain('Total params: 562 ')
  })

  test('--json', async () => {
    const json = JSON.parse((await refrain(['inspect', model, '--json'])).stdout)
    expect(json.encoders.labels).toEqual({ labels: ['bad', 'good'] })
    expect(json.encoders.vocabulary.tokens.length).toBe(14)
    expect(json.weights[0].shape).toEqual([16, 8])
    expect(json.training.columns).toEqual({ text: 'review', label: 'sentiment' })
  })

  test('files that are no model', async () => {
    expect(await failure(['inspect', at('none.refrain')])).toContain('none.refrain')
    const bytes = readFileSync(model)
    expect(await failure(['inspect', file('cut.refrain', bytes.subarray(0, 3000))])).toMatch(
      /^cut\.refrain: /,
    )
    expect(await failure(['inspect', file('text.refrain', 'not a model at all')])).toMatch(
      /^text\.refrain: not a \.refrain file, or one that was cut off: its header claims \d+ bytes; at most 100000000 are allowed\. Such files come from refrain train and from model\.save$/,
    )
  })
})

describe('doctor', () => {
  test('shows what computes', async () => {
    const { status, stdout } = await refrain(['doctor'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Refrain \d+\.\d+\.\d+, Node [\d.]+, \w+ \w+, \d+ processors?\n/)
    expect(stdout).toMatch(/\nComputes with (native|wasm|reference):\w+, \d+ threads?/)
    expect(stdout).toContain('  reference:float64  works\n')
    const json = JSON.parse((await refrain(['doctor', '--json'])).stdout)
    expect(json).toMatchObject({
      version,
      threads: expect.any(Number),
      backends: expect.any(Array),
    })
  })
})

describe('usage', () => {
  test('help on standard output, status 0', async () => {
    const bare = await refrain([])
    expect(bare.status).toBe(0)
    expect(bare.stdout).toContain('Usage: refrain [options] [command]')
    for (const verb of [
      ['train', 'classify'],
      ['evaluate'],
      ['predict'],
      ['inspect'],
      ['explain'],
      ['doctor'],
    ]) {
      const { status, stdout, stderr } = await refrain([...verb, '--help'])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toContain(`Usage: refrain ${verb.join(' ')}`)
      expect(stdout).toMatch(
        /Examples:\n {2}\$ (REFRAIN_BACKEND=\w+ )?refrain|Examples:\n {2}\$ echo/,
      )
    }
    expect(await refrain(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
  })

  test.each([
    [['predct', 'x'], "unknown command 'predct'; did you mean 'predict'?"],
    [
      ['train'],
      `train: expected a command after it: ${tasks.map(({ name }) => name).join(', ')}. See: refrain train --help`,
    ],
    [['train', 'clasify'], "unknown command 'clasify'; did you mean 'classify'?"],
    [
      ['train', 'classify', 'x', '--epohcs', '3'],
      "unknown option '--epohcs'; did you mean '--epochs'?",
    ],
    [
      ['train', 'classify', 'x', '--epochs', '0'],
      "option '--epochs <n>' argument '0' is invalid. Expected a whole number of at least 1. " +
        'See: refrain train classify --help',
    ],
    [
      ['train', 'classify', 'x', '--dropout', '1'],
      "option '--dropout <share>' argument '1' is invalid. Expected a number from 0 to 0.99. " +
        'See: refrain train classify --help',
    ],
    [['inspect'], "missing required argument 'model'. See: refrain inspect --help"],
    [['doctor', '--zzz'], "unknown option '--zzz'. See: refrain doctor --help"],
  ])('%j', async (args, message) => {
    expect(await failure(args)).toBe(message)
  })

  test('--debug adds the stack', async () => {
    const { status, stderr } = await refrain(['inspect', at('none.refrain'), '--debug'])
    expect(status).toBe(1)
    const [line, ...stack] = stderr.trim().split('\n')
    expect(line).toMatch(/^refrain: /)
    expect(stack.length).toBeGreaterThan(2)
  })
})
