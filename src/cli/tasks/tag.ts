/** `tag` in the command: sentences and the tags of their words. */
import { type Command, Option } from 'commander'
import {
  type ConlluField,
  type ReadTaggedOptions,
  readSentences,
  readTagged,
  type TaggedData,
  type TaggedFormat,
} from '../../data/tagged.ts'
import * as tag from '../../tasks/tag/index.ts'
import { confusionMatrix } from '../charts.ts'
import { count, list, percent, plural, table } from '../io.ts'
import { numberFrom, wholeNumber } from '../options.ts'
import type { Fact, InputSource, Task, TrainingRecord } from '../task.ts'
import { readTextItems } from '../texts.ts'
import { formatContributions } from '../why.ts'

const { defaults } = tag

interface ReadOptions {
  format?: TaggedFormat
  tokenColumn?: number
  tagColumn?: number
  field?: ConlluField
  tokens?: string
  tags?: string
}

interface TrainOptions extends ReadOptions {
  dev?: string[]
  illegal?: 'repair' | 'refuse'
}

interface PredictOptions extends ReadOptions {
  output?: 'text' | 'conll'
}

/** A text, or words. */
interface Item {
  readonly sentence: string | readonly string[]
  readonly colour: boolean
}

interface Types {
  trainOptions: TrainOptions
  evaluateOptions: ReadOptions
  predictOptions: PredictOptions
  data: tag.TrainingSentences
  item: Item
}

export const tagTask: Task<tag.Tagger, Types> = {
  name: 'tag',
  fromFile: tag.fromFile,
  inspect: describeTagger,
  inspectRecord: ({ validationScore, bestEpoch, score }) =>
    typeof validationScore === 'number'
      ? `Kept epoch ${bestEpoch}, validation ${score} ${percent(validationScore)}`
      : '',

  train: {
    description: 'train a tagger of words: parts of speech, names, slots',
    files: 'tagged sentences',
    defaults,
    unit: 'sentences',
    options: addTrainOptions,
    help: taggedHelp(),
    examples: [
      'refrain train tag train.conll --dev dev.conll --out names.refrain',
      'refrain train tag en_ewt-ud-train.conllu --field xpos --out pos.refrain',
      'refrain train tag slots.jsonl --out slots.refrain --units 64 --json',
    ],
    async read({ files, options: { dev, ...options } }) {
      const reading = readingOf(options)
      const data = await readTagged(files, reading)
      const validation = dev && (await readTagged(dev, reading))
      const { illegal: _, ...record } = reading
      return {
        data: { ...data, validation },
        fact: describeData(data, validation),
        warning: doubtsAbout(data),
        record: { reading: record },
      }
    },
    train: tag.train,
    kept: describeKept,
    size: ({ encoder: { words } }) => ({
      text: `${count(words.size)} words`,
      json: { vocabulary: words.size },
    }),
  },

  evaluate: {
    description: 'compare a tagger with tagged sentences',
    files: 'tagged sentences',
    plots: 'which tags are taken for which, of the 30 most frequent',
    options: addReadOptions,
    help: taggedHelp(),
    examples: [
      'refrain evaluate names.refrain test.conll',
      'refrain evaluate pos.refrain a.conllu --json',
    ],
    async run({ trained, training, files, options }) {
      const reading = { ...recorded(training), ...readingOf(options) }
      const result = await trained.evaluate(await readTagged(files, reading))
      const { tags, confusion } = result
      const names = tags.slice(0, 30).map((one) => one.tag)
      const counts = confusion.slice(0, 30).map((row) => row.slice(0, 30))
      const chart = () => confusionMatrix(names, counts, files.join(' '))
      return { text: describe(result), json: result, chart }
    },
  },

  predict: {
    description: 'tag texts: arguments, files, or lines on standard input',
    inputs: ['texts', 'sentences to tag'],
    files: 'tagged sentences, whose tags are not looked at; or .csv and .tsv with a column text',
    options: (command) =>
      addReadOptions(command).addOption(
        new Option('--output <form>', 'what is printed without --json').choices(['text', 'conll']),
      ),
    help: `
Prints the text with its spans in brackets, in colours on a terminal, or each word with its tag; with
--output conll a word and its tag a line; with --json, and always for standard input unless --output is
given, a JSON object a line: text and spans {start, end, label, text, score}, where start and end count
words, or tokens, tags and scores. Standard input: a sentence a line.`,
    examples: [
      'refrain predict names.refrain "Ada Lovelace met Charles Babbage in London"',
      'refrain predict names.refrain --file new.conll --output conll > tagged.conll',
      'cat lines.txt | refrain predict names.refrain',
    ],
    async *read({ training, source, options, io }) {
      const colour = io.stdout.isTTY ?? false
      const reading = { ...recorded(training), ...readingOf(options) }
      for (const part of byKind(source, options)) {
        if (part.tagged) {
          for await (const { tokens } of readSentences(part.source, reading)) {
            yield { sentence: tokens, colour }
          }
        } else {
          const texts = readTextItems(part.input, { text: 'text', purpose: 'tag', io })
          for await (const { text } of texts) yield { sentence: text, colour }
        }
      }
    },
    async answer({ trained, items, options }) {
      const found = await trained.predict(items.map(({ sentence }) => sentence))
      const labels = [...new Set(trained.labels.labels.map((label) => nameOf(label, trained)))]
      return found.map((one, i) => ({
        text:
          options.output === 'conll'
            ? tag.formatConll(one).slice(0, -1)
            : tag.formatTerminal(one, items[i].colour ? labels : null),
        json: JSON.parse(tag.formatJson(one, trained.spans)),
      }))
    },
  },

  explain: {
    inputs: "texts: what each word adds to the score of a word's tag, log p/(1-p)",
    examples: [
      'refrain explain pos "The old man the boats." --word man',
      'refrain explain names.refrain "Ada Lovelace met Charles Babbage in London" --word London',
    ],
    takes: ['label', 'word'],
    async run({ trained, inputs, options: { label, word } }) {
      const facts: Fact[] = []
      for (const text of inputs) {
        for (const at of await wordsToExplain(trained, text, word)) {
          const why = await trained.explain(text, { word: at, tag: label })
          const rows = why.tokens.map(({ token, contribution }) => [token, contribution] as const)
          const shown = formatContributions(
            { ...why, label: `${why.word}/${why.tag}` },
            '(unknown words)',
            rows,
          )
          facts.push({ text: shown, json: { text, ...why } })
        }
      }
      return facts
    },
  },
}

/** The words to explain: the one that was asked for, else those in spans or, where tags mark none, all. */
async function wordsToExplain(tagger: tag.Tagger, text: string, word: string | undefined) {
  if (word !== undefined) return [word]
  const [{ tags }] = await tagger.predict([text])
  return tags.flatMap((one, at) => (tagger.spans && one === 'O' ? [] : [at]))
}

/** The type of a span's tag; another tag as it is. */
const nameOf = (label: string, { spans }: tag.Tagger) => (spans ? label.replace(/^.-/, '') : label)

function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--format <format>', 'format of the files, where the name does not tell').choices([
        'conll',
        'conllu',
        'jsonl',
        'slashes',
      ]),
    )
    .option('--token-column <n>', 'CoNLL: column of the words, from 1', columnNumber)
    .option('--tag-column <n>', 'CoNLL: column of the tags; -1: the last', columnNumber)
    .addOption(
      new Option('--field <field>', 'CoNLL-U: what the tag is').choices(['upos', 'xpos', 'feats']),
    )
    .option('--tokens <name>', 'JSON lines: the array of words')
    .option('--tags <name>', 'JSON lines: the array of tags')
}

const columnNumber = (text: string) => {
  const size = wholeNumber(1)(text.replace(/^-/, ''))
  return text.startsWith('-') ? -size : size
}

function addTrainOptions(command: Command): void {
  addReadOptions(command)
    .option('--dev <files...>', 'sentences for validation, instead of a share of the others')
    .addOption(
      new Option('--illegal <what>', 'what to do with tags that break their scheme')
        .choices(['repair', 'refuse'])
        .default('repair'),
    )
    .option('--units <n>', "units of the words' LSTM, each way", wholeNumber(1), defaults.units)
    .option('--layers <n>', 'LSTMs on top of one another', wholeNumber(1), defaults.layers)
    .option('--embedding <n>', "width of the words' vectors", wholeNumber(1), defaults.embedding)
    .option(
      '--character-units <n>',
      "units of the characters' LSTM, each way",
      wholeNumber(1),
      defaults.characterUnits,
    )
    .option(
      '--dropout <share>',
      'share of the numbers dropped in training',
      numberFrom(0, 0.99),
      defaults.dropout,
    )
    .option(
      '--word-dropout <share>',
      'share of the words that occur once that training takes for unknown',
      numberFrom(0, 0.99),
      defaults.wordDropout,
    )
    .option(
      '--learning-rate-decay <x>',
      'after n epochs the learning rate is divided by 1 + n x',
      numberFrom(0, 100),
      defaults.learningRateDecay,
    )
    .option('--vocabulary <n>', 'most words', wholeNumber(3), defaults.vocabulary)
    .option('--min-count <n>', 'how often a word must occur', wholeNumber(1), defaults.minCount)
    .option(
      '--word-length <n>',
      'characters of a word that are read',
      wholeNumber(2),
      defaults.wordLength,
    )
    .option(
      '--max-length <n>',
      'words after which sentences are cut, in training',
      wholeNumber(1),
      defaults.maxLength,
    )
    .option('--balance', 'make rare tags count more; not for tags of spans')
}

function taggedHelp() {
  return `
Files: .conll, .iob, .iob2, .bio, .bioes, .txt or .tsv (a word and its tag a line, in columns, a blank
line between sentences), .conllu, .jsonl or .ndjson ({"tokens": […], "tags": […]} a line), each also
with .gz behind it; with --format slashes: The/at jury/nn said/vbd, a sentence a line. Tags of spans may
be IOB1, BIO or BIOES: which, the tags tell.`
}

/** The options that say how files are read, without those that were not given. */
function readingOf(options: TrainOptions): ReadTaggedOptions {
  const { format, tokenColumn, tagColumn, field, tokens, tags, illegal } = options
  const all = { format, tokenColumn, tagColumn, field, tokens, tags, illegal }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** How training read its files, if `refrain train` made the model; the format is each file's own. */
function recorded(training: TrainingRecord): ReadTaggedOptions {
  const { tokenColumn, tagColumn, field, tokens, tags } = Object(training?.reading)
  return readingOf({ tokenColumn, tagColumn, field, tokens, tags })
}

type Part =
  | { tagged: true; source: string | Extract<InputSource, { kind: 'stdin' }>['stdin'] }
  | { tagged: false; input: InputSource }

/** Inputs by who reads them: files and streams of tagged sentences, or texts. */
function byKind(source: InputSource, { format }: ReadOptions): Part[] {
  if (source.kind === 'files') {
    return source.files.map((file) =>
      !format && /\.(csv|tsv)(\.gz)?$/i.test(file)
        ? { tagged: false, input: { kind: 'files', files: [file] } }
        : { tagged: true, source: file },
    )
  }
  if (source.kind === 'stdin' && format) return [{ tagged: true, source: source.stdin }]
  return [{ tagged: false, input: source }]
}

function describeData(data: TaggedData, validation?: TaggedData): Fact {
  const words = data.tokens.flat().length
  const marks = new Map<string, number>()
  for (const one of data.tags.flat()) {
    const name = data.scheme ? one.replace(/^B-/, '') : one
    if (name === 'O' || (data.scheme && name.startsWith('I-'))) continue
    marks.set(name, (marks.get(name) ?? 0) + 1)
  }
  const sorted = [...marks].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  const shown = sorted.slice(0, 6).map(([name, n]) => `${list([name])} ${count(n)}`)
  if (sorted.length > 6) shown.push(`${sorted.length - 6} more`)
  const what = data.scheme ? `spans (${data.scheme})` : `${plural(sorted.length, 'tag')}`
  const more = validation ? `, ${count(validation.tokens.length)} for validation` : ''
  return {
    text:
      `${plural(data.tokens.length, 'sentence')}${more}, ${plural(words, 'word')}, ` +
      `${what}: ${shown.join(', ')}` +
      (data.repaired > 0
        ? `\nrepaired ${plural(data.repaired, 'tag')} as conlleval reads them`
        : ''),
    json: {
      sentences: data.tokens.length,
      validationSentences: validation?.tokens.length,
      words,
      scheme: data.scheme,
      repaired: data.repaired,
      tags: Object.fromEntries(sorted),
    },
  }
}

/** What looks wrong in the tags. */
function doubtsAbout({ tags, tokens }: TaggedData): string {
  const different = new Set(tags.flat()).size
  const words = new Set(tokens.flat()).size
  if (different < 100 || different < words / 2) return ''
  return (
    `there are ${count(different)} different tags of ${plural(words, 'different word')}; ` +
    'is another column that of the tags? --tag-column'
  )
}

function describeKept({ history, spans }: tag.Tagger): Fact | undefined {
  const name = spans ? 'valEntityF1' : 'valAccuracy'
  const scores = history!.history[name]
  if (!scores?.length) return undefined
  const best = tag.bestEpoch(history!, name)
  const score = spans ? 'entity F1' : 'accuracy'
  return {
    text: `kept epoch ${best + 1}: validation ${score} ${percent(scores[best])}`,
    json: { bestEpoch: best + 1, score, validationScore: scores[best] },
  }
}

function describeTagger(tagger: tag.Tagger): string {
  const { encoder, labels, spans } = tagger
  const names = [...new Set(labels.labels.map((label) => nameOf(label, tagger)))]
  const kinds = spans ? names.filter((name) => name !== 'O') : names
  const shown = `${list(kinds.slice(0, 20))}${kinds.length > 20 ? ', …' : ''}`
  return [
    spans
      ? `Finds ${plural(kinds.length, 'kind')} of spans: ${shown}`
      : `Gives each word one of ${plural(kinds.length, 'tag')}: ${shown}`,
    `Vocabulary: ${count(encoder.words.size)} words, ${count(encoder.characters.size)} characters`,
  ].join('\n')
}

const share = (value: number) => (value * 100).toFixed(1)

function describe(result: tag.Evaluation): string {
  const { accuracy, words, sentences, unknown, entities, tags, unknownTags } = result
  const lines = [
    `accuracy ${percent(accuracy)} on ${plural(words, 'word')} of ${plural(sentences, 'sentence')}`,
  ]
  if (unknown.words > 0) {
    lines.push(
      `${percent(unknown.accuracy)} of ${plural(unknown.words, 'word')} not in the vocabulary`,
    )
  }
  if (unknownTags.length > 0) {
    const shown = `${list(unknownTags.slice(0, 10))}${unknownTags.length > 10 ? ', …' : ''}`
    lines.push(`tags that training never saw, which count as errors: ${shown}`)
  }
  const scores = entities
    ? [
        ...Object.entries(entities.types).map(([name, one]) => ({
          name,
          count: one.support,
          ...one,
        })),
        { name: 'all', count: entities.support, ...entities },
      ]
    : tags.slice(0, 30).map((one) => ({ name: one.tag, count: one.words, ...one }))
  lines.push(
    '',
    table([
      [entities ? 'spans' : 'tag', entities ? 'count' : 'words', 'precision %', 'recall %', 'F1 %'],
      ...scores.map((one) => [
        one.name,
        count(one.count),
        share(one.precision),
        share(one.recall),
        share(one.f1),
      ]),
    ]),
  )
  if (!entities && tags.length > 30) lines.push(`and ${tags.length - 30} more; --json has them`)
  return lines.join('\n')
}
