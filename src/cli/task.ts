/**
 * What the command knows of a task. A task is one file in `tasks/` that exports a {@link Task}, and an
 * entry in `tasks/index.ts`; everything else of `refrain train`, `evaluate`, `predict`, `generate` and
 * `inspect` is the same for all and stands beside this file.
 *
 * - **Training.** `refrain train NAME` takes the files, the common options (--out, --resume, --plot,
 *   --json, --quiet, --threads, and of --epochs, --seed, --validation, --patience, --batch-size,
 *   --learning-rate and --clip-norm those that `defaults` has) and the task's own. It calls `read`,
 *   shows what was read, calls `train` with the settings, shows progress, saves a checkpoint each
 *   epoch, each minute and on Ctrl-C, saves the result and draws the loss curves. Options whose name in camelCase is in
 *   `defaults` are settings: they are handed to `train`, and a run with --resume must have the same.
 * - **--plot** is there for verbs with `plots`; facts bring their chart (`charts.ts` has the usual ones).
 * - **A model** is found by its file, or by its name if it is shipped; its task by the field `task` of
 *   its encoders. So `refrain predict model.refrain --help` shows the options of that model's task.
 * - **What is printed** is a {@link Fact}, as text for people and as JSON for machines.
 * - **Errors** are `RefrainError`s; the command makes them one line and exits with status 1.
 *
 * `tasks/classify.ts` is the model to follow; `texts.ts` reads texts, `options.ts` has parsers of
 * options, `io.ts` shows numbers, names and tables.
 */
import type { Command } from 'commander'
import type { LoadedFile, Model } from '../model/index.ts'
import type { FileOptions, RunOptions } from '../tasks/training.ts'
import type { History } from '../train/plan.ts'
import type { Io, Printer } from './io.ts'
import type { Chart } from './plot.ts'

/** Something to say. */
export interface Fact {
  /** For people: a line or more, without a line break at the end. */
  readonly text: string
  /** For machines: one object, on one line. */
  readonly json: object
  /** For --plot; see `charts.ts`. Called only if it is asked for. */
  readonly chart?: () => Chart
}

/** What a task's `train` makes and its `fromFile` reads. */
export interface Trained {
  readonly model: Model
  /** Epoch by epoch; null for a loaded one. */
  readonly history: History | null
  save(path: string, options?: FileOptions): Promise<void>
}

/** The training record of a file: what `read` said of the data, and what `fit` noted. */
export type TrainingRecord = LoadedFile['training']

/** What the help of each verb needs. */
export interface Verb {
  /** One line. */
  readonly description: string
  /** Adds the task's own options. A name must not be one of the common ones. */
  options?(command: Command): void
  /** More help, below the options: what files hold, what is printed. */
  readonly help?: string
  /** Commands to try, without a prompt: 'refrain evaluate reviews.refrain test.csv'. */
  readonly examples: readonly string[]
  /** What --plot draws: 'the confusion matrix'. Without it there is no --plot. */
  readonly plots?: string
}

/** What `read` makes of the files. */
export interface Prepared<Data> {
  readonly data: Data
  /** How many of what; the JSON is the beginning of the event 'start'. */
  readonly fact: Fact
  /** What looks wrong but may be meant; '' if nothing. */
  readonly warning?: string
  /** Facts for the training record, such as the names of columns, for evaluate and predict to find. */
  readonly record?: Record<string, unknown>
}

/** `refrain train NAME files… --out model.refrain`; --plot draws its loss curves. */
export interface TrainVerb<T extends Trained, Options, Data> extends Omit<Verb, 'plots'> {
  /** What the files are: 'tables, or folders with a sub-folder for each label'. */
  readonly files: string
  /** The defaults of the task's `train`: the names of its settings, and what help shows. */
  readonly defaults: Readonly<Record<string, unknown>>
  /** What progress lines count, if not rows: 'examples', 'sentences'. */
  readonly unit?: string
  /** Reads the files. Fails with `BAD_DATA`. */
  read(from: { files: string[]; options: Options }): Promise<Prepared<Data>>
  /** Trains; `settings` are those of the options that are in `defaults`, with callbacks and resume. */
  train(data: Data, settings: Record<string, unknown> & RunOptions): Promise<T>
  /** The epoch that was kept, and how good it is; the JSON goes into the training record, too. */
  kept?(trained: T): Fact | undefined
  /** The size of what was made, beside the file's: '16 words'. */
  size?(trained: T): Fact
}

/** `refrain evaluate model files…` */
export interface EvaluateVerb<T extends Trained, Options> extends Verb {
  /** What the files are. */
  readonly files: string
  run(from: {
    trained: T
    training: TrainingRecord
    files: string[]
    options: Options
  }): Promise<Fact>
}

/** Where inputs come from: arguments, files named by --file, or lines on standard input. */
export type InputSource =
  | { readonly kind: 'arguments'; readonly inputs: readonly string[] }
  | { readonly kind: 'files'; readonly files: readonly string[] }
  | {
      readonly kind: 'stdin'
      readonly stdin: { readonly name: string; readonly stream: AsyncIterable<Uint8Array> }
    }

/** `refrain predict model inputs…`, `--file files…`, or lines on standard input. */
export interface PredictVerb<T extends Trained, Options, Item> extends Verb {
  /** What the arguments are: ['texts', 'texts to classify']. */
  readonly inputs: readonly [name: string, description: string]
  /** What is in the files of --file: 'tables with texts'. */
  readonly files: string
  /** The inputs, one at a time. What comes before an error is answered before it is raised. */
  read(from: {
    trained: T
    training: TrainingRecord
    source: InputSource
    options: Options
    io: Io
  }): AsyncIterable<Item>
  /** An answer for each of at most 512 items, in their order. */
  answer(from: { trained: T; items: Item[]; options: Options }): Promise<Fact[]>
  /** Whether inputs from standard input are answered in JSON without --json. Default: true. */
  readonly jsonForStdin?: boolean
}

/** `refrain generate model prompt…` */
export interface GenerateVerb<T extends Trained, Options> extends Verb {
  /** What the arguments are: ['prompt', 'text to begin with']. */
  readonly inputs: readonly [name: string, description: string]
  /** Writes what it makes to standard output or to files; `printer` obeys --json. */
  run(from: {
    trained: T
    training: TrainingRecord
    inputs: string[]
    options: Options
    io: Io
    printer: Printer
    /** Adds a chart for --plot; the function is called only if it is asked for. */
    draw(chart: () => Chart): void
  }): Promise<void>
}

/** `refrain explain model inputs…`: why the answer to each input is what it is. */
export interface ExplainVerb<T extends Trained> {
  /** What the arguments are, in a line: 'texts: what each word adds to the label'. */
  readonly inputs: string
  readonly examples: readonly string[]
  /** Which of the options that say what is explained it obeys. */
  readonly takes?: readonly (keyof ExplainOptions)[]
  run(from: {
    trained: T
    training: TrainingRecord
    inputs: string[]
    options: ExplainOptions
  }): Promise<Fact[]>
}

/** What of an answer is explained. */
export interface ExplainOptions {
  /** A label, or a word's tag, instead of the likeliest. */
  readonly label?: string
  /** The word whose tag it is. */
  readonly word?: string
  /** The column that is forecast or told. */
  readonly column?: string
  /** The step of the forecast, from 1. */
  readonly ahead?: number
}

/** The types of the options that each verb's `options` adds, and of its data. */
export interface TaskTypes {
  trainOptions?: object
  evaluateOptions?: object
  predictOptions?: object
  generateOptions?: object
  data?: unknown
  item?: unknown
}

type Of<Types extends TaskTypes, Name extends keyof TaskTypes> = Types[Name] extends object
  ? Types[Name]
  : object

/** A task: what the verbs do with it. A verb that is missing does not exist for its models. */
export interface Task<T extends Trained = Trained, Types extends TaskTypes = TaskTypes> {
  /** The name after `refrain train`, and the field `task` of its files' encoders. */
  readonly name: string
  /** The trained thing in a file that is read already; `path` is for errors. */
  fromFile(file: LoadedFile, path: string): T
  /** What `refrain inspect` says of it: vocabulary, labels, limits; lines. */
  inspect(trained: T): string
  /** What `refrain inspect` says of the training record's facts; '' for nothing. */
  inspectRecord?(training: NonNullable<TrainingRecord>): string
  readonly train: TrainVerb<T, Of<Types, 'trainOptions'>, Of<Types, 'data'>>
  readonly evaluate?: EvaluateVerb<T, Of<Types, 'evaluateOptions'>>
  readonly predict?: PredictVerb<T, Of<Types, 'predictOptions'>, Of<Types, 'item'>>
  readonly generate?: GenerateVerb<T, Of<Types, 'generateOptions'>>
  readonly explain?: ExplainVerb<T>
}
