/** What `#backends` is in Node: the backends that bundles for pages leave out. */
export { nativeBackend, nativeVariants } from './native/native.ts'
export { referenceBackend } from './reference.ts'

/** Why the plain loops are not there. */
export const whyNoReference: string | undefined = undefined
