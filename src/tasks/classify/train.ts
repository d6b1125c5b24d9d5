/** Trains classifiers. */
import { pick, split } from '../../data/split.ts'
import type { SymbolicTensor } from '../../layers/layer.ts'
import { checkNumber } from '../../util/check.ts'
import { settingsOf, stoppingByAccuracy } from '../training.ts'
import { cool, fitTemperature, fitThresholds } from './calibration.ts'
import { Classifier, checkLengths, encodersOf, type Parts, probabilitiesOf } from './classifier.ts'
import type { Encoder, Inputs } from './encoder.ts'
import { type Examples, inputs, itemsOf, type KindOf, kindOf, type OptionsOf } from './inputs.ts'
import { buildModel } from './network.ts'
import type { CommonSettings } from './options.ts'
import { Targets } from './targets.ts'

/**
 * Trains a classifier on labelled texts, series, sounds or clips. What turns them into numbers
 * (vocabulary, scaler) and weights come from the training part alone; the validation part decides when
 * to stop, the best epoch's weights stay, and probabilities are calibrated on it.
 *
 * Throws `BAD_DATA` if there are fewer than two labels.
 */
export async function train<E extends Examples>(
  examples: E,
  options: OptionsOf<E> = {} as OptionsOf<E>,
): Promise<Classifier<KindOf<E>>> {
  const kind = kindOf('classify.train', examples)
  const input = inputs[kind] as unknown as Inputs<unknown, CommonSettings, Encoder<unknown>>
  const settings = settingsOf('classify.train', input.defaults, options)
  checkNumber("classify.train 'validation'", settings.validation, 0, 0.9)
  const fixed = settings.threshold === 'validation' ? 0.5 : settings.threshold
  checkNumber("classify.train 'threshold'", fixed, 0, 1)
  const items = itemsOf('classify.train', examples, kind)
  input.check('classify', items)
  checkLengths(items, examples.labels)
  const targets = Targets.learn(examples.labels)
  const numbers = targets.numbers(examples.labels)
  const { seed, validation } = settings
  const parts = split(targets.strata(numbers), { validation, seed })
  const classWeight = targets.balance(pick(numbers, parts.train), settings.balance)
  const { encoder, rows } = input.learn(pick(items, parts.train), settings)
  const front = (x: SymbolicTensor) => input.front(x, encoder, settings)
  const steps = settings.epochs * Math.ceil(parts.train.length / settings.batchSize)
  const model = buildModel(encoder, { front, whole: input.whole }, targets, settings, steps)
  const labels = targets.several ? targets.size : 1
  const thresholds = new Array<number>(targets.several ? labels : 0).fill(fixed)
  // Before training, so that a checkpoint can predict, too; the settings, to resume with the same.
  model.encoders = { ...encodersOf(encoder, targets, 1, thresholds), settings }
  const validated = parts.validation.length > 0
  const stop = stoppingByAccuracy(settings.patience, parts.validation.length * labels)
  const held = validated ? encoder.encode(pick(items, parts.validation)) : null
  const truth = pick(numbers, parts.validation)
  const history = await model.fit(rows, targets.data(pick(numbers, parts.train)), {
    epochs: settings.epochs,
    batchSize: settings.batchSize,
    seed,
    validationData: held ? [held, targets.data(truth)] : undefined,
    classWeight,
    callbacks: [...(validated ? [stop] : []), ...(options.callbacks ?? [])],
    resume: options.resume,
  })
  const trained = { model, encoder, targets, thresholds, temperature: 1, history }
  if (held) {
    const probabilities = await probabilitiesOf(model, held, targets)
    if (settings.calibrate) trained.temperature = fitTemperature(probabilities, truth)
    if (targets.several && settings.threshold === 'validation') {
      const values = cool(probabilities, trained.temperature)
      trained.thresholds = fitThresholds({ ...probabilities, values }, truth)
    }
  }
  return new Classifier(trained as unknown as Parts<KindOf<E>>)
}
