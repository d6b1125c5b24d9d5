// What lzma1 itself gives as its types are sources that do not pass our checks.
/** A whole .lzma file: 13 bytes of header, then the stream. */
export function compress(data: Uint8Array, mode?: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9): Int8Array
