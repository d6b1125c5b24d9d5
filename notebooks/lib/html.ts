/** A text as it is written in a page, in an attribute, too. */
export const inHtml = (text: string) =>
  text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`)
