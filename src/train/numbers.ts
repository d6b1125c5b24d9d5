/** The numbers of an epoch: losses and metrics of a model's outputs. */
import type { Logs } from './callbacks.ts'
import type { Metric } from './metric.ts'
import { makeMetric } from './metrics.ts'
import type { OutputPlan } from './plan.ts'

/** Losses and metrics of each output over the batches so far. */
export class Numbers {
  /** Metrics by output. */
  readonly metrics: readonly Metric[][]
  readonly #outputs: readonly OutputPlan[]
  /** For each output the sum of its losses and of their rows. */
  #losses: [number, number][]

  constructor(outputs: readonly OutputPlan[]) {
    this.#outputs = outputs
    this.#losses = outputs.map(() => [0, 0])
    this.metrics = outputs.map(({ loss, metrics }) =>
      metrics.map((config) => makeMetric(config, loss!)),
    )
  }

  addLoss(output: number, value: number, rows: number): void {
    this.#losses[output][0] += value * rows
    this.#losses[output][1] += rows
  }

  reset(): void {
    this.#losses = this.#outputs.map(() => [0, 0])
    for (const metric of this.metrics.flat()) metric.reset()
  }

  /** As Keras: losses by output only where there are several, and then metrics with its name. */
  get logs(): Logs {
    const logs: Logs = {}
    const several = this.#outputs.length > 1
    if (this.#outputs.filter(({ loss }) => loss).length > 1) {
      this.#outputs.forEach(({ name, loss }, i) => {
        const [sum, rows] = this.#losses[i]
        if (loss) logs[`${name}_loss`] = sum / (rows || 1)
      })
    }
    this.#outputs.forEach(({ name }, i) => {
      for (const metric of this.metrics[i]) {
        for (const [own, value] of Object.entries(metric.logs)) {
          logs[several ? `${name}_${own}` : own] = value
        }
      }
    })
    return logs
  }

  /** valLoss, valAccuracy; with an output's name before it val_tags_loss. */
  validationName(name: string): string {
    const ofOutput = this.#outputs.length > 1 && name !== 'loss'
    return ofOutput ? `val_${name}` : `val${name[0].toUpperCase()}${name.slice(1)}`
  }

  /** What a checkpoint keeps. */
  get state(): { losses: [number, number][]; metrics: Metric['state'][] } {
    return {
      losses: this.#losses.map((sums) => [...sums]),
      metrics: this.metrics.flat().map((metric) => metric.state),
    }
  }

  set state({ losses, metrics }) {
    this.#losses = losses.map((sums) => [...sums])
    this.metrics.flat().forEach((metric, i) => {
      metric.state = metrics[i]
    })
  }
}
