/**
 * Text that is read as a whole: no more than is allowed, whatever the system says of its size.
 *
 * @module
 */
import { fileSystem } from "./files.ts";
import { fileError } from "./file_error.ts";

/** What may be read of a file that a person writes: settings, prompts, figures. */
export const MOST_TEXT_BYTES: number = 64 * 2 ** 20;

/**
 * A stream as text.
 *
 * @param name for messages: of what, `prompts from a.txt`
 * @throws {RangeError} if more than {@linkcode MOST_TEXT_BYTES} come
 * @throws {SyntaxError} if it is not UTF-8
 */
export async function readText(stream: ReadableStream<Uint8Array<ArrayBuffer>>, name: string): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > MOST_TEXT_BYTES) {
      throw new RangeError(`Cannot read ${name}: it has more than ${MOST_TEXT_BYTES} bytes, give less`);
    }
    text += decode(decoder, name, chunk);
  }
  return text + decode(decoder, name);
}

function decode(decoder: TextDecoder, name: string, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw new SyntaxError(`Cannot read ${name}: it is no text in UTF-8, convert it first`);
  }
}

/**
 * A file as text.
 *
 * @param what of what it is, such as `prompts from`; empty: the file itself
 * @throws {Error} as {@linkcode readText} does, or of the class of the system's error, in words
 */
export async function readTextFile(path: string, what: string = ""): Promise<string> {
  try {
    const { readable } = await fileSystem.open(path); // which closes the file
    return await readText(readable, what === "" ? path : `${what} ${path}`);
  } catch (error) {
    throw fileError("read", path, error, what);
  }
}
