/** The tasks, in the order in which help shows them. */
import type { Task } from '../task.ts'
import { classifyTask } from './classify.ts'
import { classifyAudioTask, classifySeriesTask, classifyVideoTask } from './classify-recordings.ts'
import { forecastTask } from './forecast.ts'
import { generateTask } from './generate.ts'
import { regressTask } from './regress.ts'
import { tagTask } from './tag.ts'
import { translateTask } from './translate.ts'

export const tasks: readonly Task[] = [
  classifyTask,
  classifySeriesTask,
  classifyAudioTask,
  classifyVideoTask,
  tagTask,
  translateTask,
  generateTask,
  forecastTask,
  regressTask,
]
