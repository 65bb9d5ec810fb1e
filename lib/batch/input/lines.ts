/**
 * Lines of a stream of bytes, however long the stream or a line is.
 *
 * @module
 */

/** One line, or why it cannot be read. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its `\n`, but with a `\r` before it. */
  readonly text: string;
  /** It is too long or no text; `text` is then empty. */
  readonly problem?: string;
}

/** The most bytes of a line that are held. */
export const MOST_LINE_BYTES = 2 ** 22;

/**
 * Splits bytes into lines. A line of more than {@linkcode MOST_LINE_BYTES} is passed over without being held, and one
 * that is not UTF-8 is a problem of its own; a byte order mark at the beginning is left out.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let held: Uint8Array[] = [];
  let length = 0;
  let number = 0;
  const take = (part: Uint8Array): void => {
    length += part.length;
    if (length > MOST_LINE_BYTES) held = [];
    else if (part.length > 0) held.push(part);
  };
  const end = (): Line => {
    number++;
    const line = decodeLine(decoder, held, length, number);
    held = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      take(chunk.subarray(start, at));
      yield end();
      start = at + 1;
    }
    // A copy: the chunk may be a reader's buffer, which the next read overwrites.
    take(chunk.slice(start));
  }
  if (length > 0) yield end();
}

function decodeLine(decoder: TextDecoder, parts: readonly Uint8Array[], length: number, number: number): Line {
  if (length > MOST_LINE_BYTES) {
    return { number, text: "", problem: `The line has ${length} bytes: give at most ${MOST_LINE_BYTES}` };
  }
  try {
    const text = decoder.decode(parts.length === 1 ? parts[0] : joined(parts, length));
    return { number, text: number === 1 && text.startsWith("\ufeff") ? text.slice(1) : text };
  } catch {
    return { number, text: "", problem: "The line is no text in UTF-8: convert it" };
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The line without a `\r` at its end. */
export function withoutReturn(text: string): string {
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
