/** What runs in a page that stands alone: its shell has <main>, and the model in <script id="model">. */
import { element } from './dom.ts'
import { formOf } from './forms.ts'
import { openBase64 } from './predictor.ts'

/** Puts the form of the model into the page. */
export function start(): void {
  const main = document.querySelector('main')!
  const output = element('output', { ariaLive: 'polite' })
  const show = (...shown: Node[]) => output.replaceChildren(...shown)
  const fail = (error: unknown) => {
    show(element('p', { className: 'error', role: 'alert' }, (error as Error).message))
  }
  try {
    const opened = openBase64(document.getElementById('model')!.textContent!, document.title)
    const { fields, action, answer } = formOf(opened)
    const button = element('button', { type: 'submit' }, action)
    const form = element('form', {}, ...fields, button)
    const submit = async () => {
      button.disabled = true
      form.ariaBusy = 'true'
      // So that the button is seen to be at work before the computation begins.
      await new Promise((resolve) => setTimeout(resolve))
      await answer(show).catch(fail)
      button.disabled = false
      form.ariaBusy = null
    }
    form.onsubmit = (event) => {
      event.preventDefault()
      void submit()
    }
    form.onkeydown = (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
    }
    main.append(form, output)
    form.querySelector('textarea')?.focus()
  } catch (error) {
    main.append(output)
    fail(error)
  }
}
