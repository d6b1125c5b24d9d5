/** Search for good settings: at random, or with successive halving. */
import { platform } from '#platform'
import { RefrainError, show } from '../errors.ts'
import { Random } from '../tensor/random.ts'
import { checkInteger, checkNumber, checkOptions } from '../util/check.ts'

/** The values that one setting may take. Plain data. */
export type TuneRange =
  /** One of these, each as likely. JSON values. */
  | { readonly choice: readonly unknown[] }
  /** A number, evenly between low and high. */
  | { readonly uniform: readonly [low: number, high: number] }
  /** A number whose logarithm is even: 1e-4 to 1e-3 is as likely as 1e-3 to 1e-2. */
  | { readonly logUniform: readonly [low: number, high: number] }
  /** A whole number from low to high, both included. */
  | { readonly integer: readonly [low: number, high: number] }

/** Settings by name. */
export type TuneSpace = Readonly<Record<string, TuneRange>>

/** What the objective gets of a space. */
export type TuneValues<Space extends TuneSpace> = {
  readonly [Name in keyof Space]: Space[Name] extends { choice: readonly (infer Value)[] }
    ? Value
    : number
}

/** What the objective knows beside the settings. */
export interface TuneTrial {
  /** From 0. A trial that successive halving goes on with keeps its number. */
  readonly trial: number
  /** How much to spend on it in all: epochs, steps, whatever `minBudget` counts. */
  readonly budget: number
  /** How much of that has been spent by earlier evaluations of the trial; 0 at first. */
  readonly spent: number
  /** For the model: different for each trial, the same in each evaluation of it. */
  readonly seed: number
}

/** What one call of the objective gave. */
export interface TuneEvaluation<Values = Readonly<Record<string, unknown>>> {
  readonly trial: number
  readonly budget: number
  readonly values: Values
  /** Null if the objective's number was not finite, or it failed with `NOT_FINITE`. */
  readonly score: number | null
}

/** Options of `tune`. */
export interface TuneOptions<Values = Readonly<Record<string, unknown>>> {
  /**
   * 'random', the default (Bergstra & Bengio 2012): every trial gets `maxBudget`. 'halving' (Jamieson &
   * Talwalkar 2016): all begin with `minBudget`; the best `1 / eta` of them go on with `eta` times as
   * much, until one is left or `maxBudget` is reached.
   */
  readonly method?: 'random' | 'halving'
  /** How many settings are tried; default 20. */
  readonly trials?: number
  /** Default 1. */
  readonly minBudget?: number
  /** Default 1 for 'random', no limit for 'halving'. */
  readonly maxBudget?: number
  /** At least 2; default 3. */
  readonly eta?: number
  /** Whether small scores are good, 'min', the default, or large ones, 'max'. */
  readonly goal?: 'min' | 'max'
  /** Decides which settings are tried; default 0. */
  readonly seed?: number
  /**
   * A file that is written after every evaluation; if it is there, the search goes on where it was. Of a
   * finished random search it goes on with more `trials`. Without it nothing is kept.
   */
  readonly path?: string
  /** Called after every evaluation, not for those that the file holds. */
  readonly onEvaluation?: (evaluation: TuneEvaluation<Values>) => void | Promise<void>
}

/** The result of `tune`. */
export interface TuneResult<Values = Readonly<Record<string, unknown>>> {
  /** Of those with the largest budget, the one with the best score. */
  readonly best: TuneEvaluation<Values> & { readonly score: number }
  /** In their order. */
  readonly evaluations: readonly TuneEvaluation<Values>[]
}

const optionNames = [
  'method',
  'trials',
  'minBudget',
  'maxBudget',
  'eta',
  'goal',
  'seed',
  'path',
  'onEvaluation',
]

/**
 * Tries settings and finds the best.
 *
 *     const { best } = await tune(
 *       { units: { choice: [32, 64, 128] }, learningRate: { logUniform: [1e-4, 1e-2] } },
 *       async ({ units, learningRate }, { budget, seed }) => {
 *         const model = sequential([lstm({ units }), dense({ units: 1 })], { seed })
 *         model.compile({ optimizer: adam({ learningRate }), loss: 'mse' })
 *         const { history } = await model.fit(x, y, { epochs: budget, validationSplit: 0.2 })
 *         return history.valLoss.at(-1)!
 *       },
 *       { method: 'halving', trials: 27, minBudget: 2, path: 'search.json' },
 *     )
 *
 * A trial's settings depend on the seed and its number alone. An error with the code `NOT_FINITE` makes
 * a trial the last; any other ends the search, which a second call with the same `path` goes on with.
 *
 * @param objective a number for the settings, lower being better unless `goal` is 'max'
 *
 * Throws `BAD_ARGUMENT` for a file of another search, `NOT_FINITE` if no trial gave a number.
 */
export async function tune<const Space extends TuneSpace>(
  space: Space,
  objective: (values: TuneValues<Space>, trial: TuneTrial) => number | Promise<number>,
  options: TuneOptions<TuneValues<Space>> = {},
): Promise<TuneResult<TuneValues<Space>>> {
  type Values = TuneValues<Space>
  const settings = settingsOf(space, options)
  const { method, trials, seed, goal, minBudget, maxBudget, eta } = settings
  const { path, onEvaluation } = options
  const before = path === undefined ? [] : await readSearch<Values>(path, settings)
  const known = new Map(before.map((one) => [`${one.trial} ${one.budget}`, one]))
  const evaluations: TuneEvaluation<Values>[] = []
  const evaluate = async (trial: number, budget: number, spent: number) => {
    let found = known.get(`${trial} ${budget}`)
    if (!found) {
      const values = draw(space, seed, trial) as Values
      const trialSeed = new Random(seed, `tune seed ${trial}`).word()
      const score = await scoreOf(() =>
        objective(values, { trial, budget, spent, seed: trialSeed }),
      )
      found = { trial, budget, values, score }
      known.set(`${trial} ${budget}`, found)
      if (path !== undefined) await writeSearch(path, settings, [...known.values()])
      await onEvaluation?.(found)
    }
    evaluations.push(found)
    return found
  }
  const sign = goal === 'min' ? 1 : -1
  const rank = ({ score }: TuneEvaluation<Values>) => (score === null ? Infinity : sign * score)
  const byRank = (a: TuneEvaluation<Values>, b: TuneEvaluation<Values>) =>
    rank(a) === rank(b) ? a.trial - b.trial : rank(a) - rank(b)
  let left = Array.from({ length: trials }, (_, trial) => trial)
  let budget = method === 'random' ? maxBudget : minBudget
  let ranked: TuneEvaluation<Values>[] = []
  for (let spent = 0; ; ) {
    const round: TuneEvaluation<Values>[] = []
    for (const trial of left) round.push(await evaluate(trial, budget, spent))
    ranked = round.sort(byRank)
    if (method === 'random' || left.length === 1 || budget >= maxBudget) break
    const kept = ranked.slice(0, Math.max(1, Math.floor(left.length / eta)))
    left = kept.map(({ trial }) => trial).sort((a, b) => a - b)
    spent = budget
    budget = Math.min(budget * eta, maxBudget)
  }
  const [best] = ranked
  if (best.score !== null) return { best: { ...best, score: best.score }, evaluations }
  throw new RefrainError(
    'NOT_FINITE',
    `tune: none of ${ranked.length} trials gave a finite score`,
    'look at what the objective returns, or narrow the space',
  )
}

/** What a search is; a file must have been made by the same. */
interface Settings {
  readonly space: TuneSpace
  readonly method: 'random' | 'halving'
  readonly trials: number
  readonly minBudget: number
  readonly maxBudget: number
  readonly eta: number
  readonly goal: 'min' | 'max'
  readonly seed: number
}

function settingsOf<Values>(space: TuneSpace, options: TuneOptions<Values>): Settings {
  checkSpace(space)
  checkOptions('tune', options, optionNames)
  const { method = 'random', goal = 'min', minBudget = 1 } = options
  const oneOf = (name: string, value: string, known: readonly string[]) => {
    if (known.includes(value)) return
    const expected = known.map(show).join(' or ')
    throw new RefrainError(
      'BAD_ARGUMENT',
      `tune '${name}': expected ${expected}, got ${show(value)}`,
    )
  }
  oneOf('method', method, ['random', 'halving'])
  oneOf('goal', goal, ['min', 'max'])
  checkNumber("tune 'minBudget'", minBudget, Number.MIN_VALUE)
  const { maxBudget = method === 'random' ? minBudget : Number.MAX_VALUE } = options
  return {
    space,
    method,
    trials: checkInteger("tune 'trials'", options.trials ?? 20),
    minBudget,
    maxBudget: checkNumber("tune 'maxBudget'", maxBudget, minBudget),
    eta: checkInteger("tune 'eta'", options.eta ?? 3, 2),
    goal,
    seed: checkInteger("tune 'seed'", options.seed ?? 0, 0),
  }
}

function checkSpace(space: TuneSpace): void {
  for (const [name, range] of Object.entries(space)) {
    const where = `tune '${name}'`
    const [kind, ...more] = Object.keys(range ?? {})
    const bounds = Object.values(range ?? {})[0] as readonly unknown[]
    const isRange =
      more.length === 0 && ['choice', 'uniform', 'logUniform', 'integer'].includes(kind)
    if (!isRange || !Array.isArray(bounds) || bounds.length === 0) {
      throw new RefrainError(
        'BAD_ARGUMENT',
        `${where}: expected { choice: […] } or uniform, logUniform or integer of [low, high], ` +
          `got ${show(range)}`,
      )
    }
    if (kind === 'choice') continue
    const low = checkNumber(where, bounds[0], kind === 'logUniform' ? Number.MIN_VALUE : -Infinity)
    checkNumber(where, bounds[1], low)
    if (kind === 'integer') for (const bound of bounds) checkInteger(where, bound, -Infinity)
  }
}

/** The settings of a trial; each depends on its name, the seed and the trial's number alone. */
function draw(space: TuneSpace, seed: number, trial: number): Record<string, unknown> {
  const values = Object.entries(space).map(([name, range]) => {
    const random = new Random(seed, `tune ${trial} ${name}`)
    return [name, drawFrom(range, random)]
  })
  return Object.fromEntries(values)
}

function drawFrom(range: TuneRange, random: Random): unknown {
  if ('choice' in range) return range.choice[random.below(range.choice.length)]
  if ('integer' in range) {
    const [low, high] = range.integer
    return low + random.below(high - low + 1)
  }
  if ('uniform' in range) {
    const [low, high] = range.uniform
    return low + (high - low) * random.uniform()
  }
  const [low, high] = range.logUniform
  return Math.min(high, low * (high / low) ** random.uniform())
}

async function scoreOf(work: () => number | Promise<number>): Promise<number | null> {
  try {
    const score = await work()
    if (typeof score === 'number') return Number.isFinite(score) ? score : null
    throw new RefrainError(
      'BAD_ARGUMENT',
      `tune: expected a number from the objective, got ${show(score)}`,
      'return for example history.valLoss.at(-1)',
    )
  } catch (error) {
    if (error instanceof RefrainError && error.code === 'NOT_FINITE') return null
    throw error
  }
}

const format = 'refrain search 1'

async function writeSearch(
  path: string,
  settings: Settings,
  evaluations: readonly TuneEvaluation<unknown>[],
): Promise<void> {
  const text = JSON.stringify({ format, ...settings, evaluations }, null, 1)
  await platform.writeFile(path, new TextEncoder().encode(text))
}

/** What a file holds; nothing if there is none. */
async function readSearch<Values>(
  path: string,
  settings: Settings,
): Promise<TuneEvaluation<Values>[]> {
  const bytes = await platform.readFile(path).catch((error) => {
    if (error instanceof RefrainError && error.code === 'FILE_NOT_FOUND') return null
    throw error
  })
  if (!bytes) return []
  const saved = parse(bytes)
  if (saved?.format !== format || !Array.isArray(saved.evaluations)) {
    throw new RefrainError('BAD_FILE', `tune 'path': ${show(path)} is not the file of a search`)
  }
  for (const [name, value] of Object.entries(settings)) {
    const [old, now] = [JSON.stringify(saved[name]), JSON.stringify(value)]
    const more =
      name === 'trials' && settings.method === 'random' && Number(saved.trials) <= Number(value)
    if (old === now || more) continue
    throw new RefrainError(
      'BAD_ARGUMENT',
      `tune 'path': the search in ${show(path)} has ${name} ${old}, this one ${now}`,
      'go on with the same settings, or take another path',
    )
  }
  return saved.evaluations as TuneEvaluation<Values>[]
}

/** What a file's JSON holds; null if it is none. */
function parse(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return null
  }
}
