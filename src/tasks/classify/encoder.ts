/** What the classifier needs to know of a kind of inputs: how to check, learn, encode and store them. */
import type { ArrayData } from '../../data/column.ts'
import { RefrainError, show } from '../../errors.ts'
import type { Shape, SymbolicTensor } from '../../layers/layer.ts'
import type { DType } from '../../tensor/tensor.ts'

/** Turns items, texts for example, into a model's inputs, as it learned from the training part. */
export interface Encoder<Item> {
  readonly kind: string
  /** Shape of one input, without the batch, and its type. */
  readonly input: { readonly shape: Shape; readonly dtype: DType }
  /** What the first weights depend on, and what it counts: 20,000 'words'. */
  readonly size: number
  readonly unit: string
  /** The model's inputs. */
  encode(items: readonly Item[]): ArrayData
  /** What the file holds of it. */
  toJSON(): Record<string, unknown>
}

/** A kind of inputs. */
export interface Inputs<Item, Settings, Encoder> {
  /** For messages: 'text'. */
  readonly what: string
  readonly defaults: Settings
  /** Throws `BAD_DATA` and the like unless these are such items. */
  check(where: string, items: readonly Item[]): void
  /** Learns from the training part, and encodes it. */
  learn(items: readonly Item[], settings: Settings): { encoder: Encoder; rows: ArrayData }
  fromJSON(json: Record<string, unknown>): Encoder
  /** Whether the LSTM reads what `front` makes without dropout. */
  readonly whole?: boolean
  /** The layers from the input to a sequence of vectors [B,T,F], on which the LSTM runs. */
  front(x: SymbolicTensor, encoder: Encoder, settings: Settings): SymbolicTensor
}

/** Fails unless this is an array. */
export function checkList(where: string, items: unknown, what: string): void {
  if (Array.isArray(items)) return
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${where}: expected an array of ${what}, got ${show(items)}`,
  )
}
