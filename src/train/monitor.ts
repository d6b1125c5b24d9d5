/** What callbacks that watch a number share. */
import { RefrainError } from '../errors.ts'
import type { Logs } from './callbacks.ts'

/** What makes a number the smaller the better: -1 where larger is better. */
export function signOf(monitor: string, mode?: 'min' | 'max'): 1 | -1 {
  return (mode ?? (/accuracy|f1/i.test(monitor) ? 'max' : 'min')) === 'max' ? -1 : 1
}

/** The number that a callback watches; throws `BAD_ARGUMENT` where there is none of that name. */
export function monitored(callback: string, monitor: string, logs: Logs): number {
  if (monitor in logs) return logs[monitor]
  throw new RefrainError(
    'BAD_ARGUMENT',
    `${callback} 'monitor': expected one of ${Object.keys(logs).join(', ')}, got '${monitor}'`,
    monitor.startsWith('val') ? 'give fit validationSplit or validationData' : '',
  )
}
