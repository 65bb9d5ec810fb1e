/**
 * Bytes of text as UTF-8 with lines that end with `\n`, as the other readers here expect it.
 *
 * @module
 */

/** So much is looked at to see how the text is written. */
const HEAD_BYTES = 2 ** 16;
const [LF, CR] = [10, 13];

/**
 * Passes UTF-8 on as it is, and makes UTF-8 of UTF-16 with a byte order mark (Excel's "Unicode text"). If the beginning has
 * lines that end with `\r` and none that end with `\n`, `\r` ends lines.
 *
 * @throws {SyntaxError} if it is UTF-32, UTF-16 without a mark or broken, or changes its line ends on the way
 */
export async function* decodeText(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const [head, rest] = await splitHead(decodeUtf16(chunks));
  const endsWithReturn = isReturn(head);
  yield endsWithReturn ? toLineFeeds(head) : head;
  for await (const chunk of rest) yield endsWithReturn ? toLineFeeds(chunk) : chunk;
}

/** The first bytes, and what follows; all are copies, since a reader may write over its own. */
async function splitHead(
  chunks: AsyncIterable<Uint8Array>,
): Promise<[head: Uint8Array<ArrayBuffer>, rest: AsyncGenerator<Uint8Array<ArrayBuffer>>]> {
  const iterator = chunks[Symbol.asyncIterator]();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const isEnough = (): boolean => length >= HEAD_BYTES && parts.at(-1)!.at(-1) !== CR;
  for (let isDone = false; !isDone && !isEnough();) {
    const { value, done } = await iterator.next();
    isDone = done === true;
    if (value === undefined || value.length === 0) continue;
    parts.push(value.slice());
    length += value.length;
  }
  const head = new Uint8Array(await new Blob(parts).arrayBuffer());
  const rest = async function* (): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value.slice();
  };
  return [head, rest()];
}

/** The first line ends with `\r` alone, and none with `\n`. */
function isReturn(head: Uint8Array): boolean {
  return head.includes(CR) && !head.includes(LF);
}

function toLineFeeds(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === LF) {
      throw new SyntaxError("its lines end with CR alone at first and with LF later: write them in one way");
    }
    if (bytes[i] === CR) bytes[i] = LF;
  }
  return bytes;
}

async function* decodeUtf16(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let first = new Uint8Array();
  let decoder: TextDecoder | undefined;
  let isKnown = false;
  const encoder = new TextEncoder();
  for await (const chunk of chunks) {
    let bytes = chunk;
    if (!isKnown) {
      first = new Uint8Array([...first, ...chunk]);
      if (first.length < 4) continue;
      [decoder, isKnown, bytes] = [utf16Decoder(first), true, first];
    }
    yield decoder === undefined ? bytes : encoder.encode(decodeWith(decoder, bytes));
  }
  if (!isKnown) {
    decoder = utf16Decoder(first);
    yield decoder === undefined ? first : encoder.encode(decodeWith(decoder, first));
  }
  if (decoder !== undefined) decodeWith(decoder, undefined);
}

/** @param bytes undefined: there are no more */
function decodeWith(decoder: TextDecoder, bytes: Uint8Array | undefined): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined });
  } catch {
    throw new SyntaxError("its UTF-16 is broken: save it as UTF-8");
  }
}

/** Undefined: what begins so is not UTF-16. */
function utf16Decoder([a, b, c, d]: Uint8Array): TextDecoder | undefined {
  const isLittle = a === 0xff && b === 0xfe;
  const isBig = a === 0xfe && b === 0xff;
  if ((isLittle && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff)) {
    throw new SyntaxError("it is UTF-32: save it as UTF-8");
  }
  if (isLittle || isBig) return new TextDecoder(isLittle ? "utf-16le" : "utf-16be", { fatal: true });
  if (a === 0 || b === 0) throw new SyntaxError("it is UTF-16 without a byte order mark, or no text: save it as UTF-8");
  return undefined;
}
