/** What a text file may have at most unless told otherwise: 256 MiB. */
export const MAX_TEXT_BYTES: number = 256 * 2 ** 20;

/** Refuses a file that is too long to be read whole; `Infinity`: how long is not known. */
export function checkWholeSize(path: string, size: number, maxBytes: number): void {
  if (size > maxBytes) {
    const what = size === Infinity ? "more bytes came than" : `${size} bytes exceed`;
    throw new RangeError(`Cannot read ${path} whole: ${what} the limit of ${maxBytes}`);
  }
}

/** Decodes UTF-8; other bytes are a `SyntaxError`. */
export function decodeText(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError(`Cannot read ${path} as text: it is not UTF-8`, { cause });
  }
}
