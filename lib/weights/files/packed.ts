/**
 * A directory whose files are packed one by one: `config.json` is `config.json.gzip`, compressed so. Each is fetched whole
 * when it is first read. (`.gz` would not do: some hosts say of it that it is `config.json`, and browsers then unpack it.)
 *
 * @module
 */
import { cached } from "../../concurrency.ts";
import { NotFound } from "../../platform/errors.ts";
import type { FileSource } from "./file_source.ts";
import { checkRange, destinationFor } from "./ranges.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "./text.ts";

const ENDING = ".gzip";
/** Unpacked; what is bundled has less. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * The files of a packed directory. It closes the source that it reads them from.
 *
 * @example
 * ```ts
 * import { openPacked } from "./packed.ts";
 * import { openSource } from "./source.ts";
 *
 * await using files = openPacked(openSource("."));
 * console.log(await files.size("no-such-file.json")); // undefined
 * ```
 */
export function openPacked(packed: FileSource): FileSource {
  const files = new Map<string, Promise<Uint8Array<ArrayBuffer> | undefined>>();
  const unpacked = (path: string): Promise<Uint8Array<ArrayBuffer> | undefined> =>
    cached(files, path, () => unpack(packed, path));
  const find = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = await unpacked(path);
    if (bytes === undefined) throw new NotFound(`Cannot read ${packed.location}/${path}: no such file`);
    return bytes;
  };
  const close = async (): Promise<void> => {
    files.clear();
    await packed.close();
  };
  return {
    location: packed.location,
    size: async (path) => (await unpacked(path))?.length,
    async read(path, offset, length, into) {
      const bytes = await find(path);
      checkRange(path, offset, length, bytes.length);
      const destination = destinationFor(path, length, into);
      destination.set(bytes.subarray(offset, offset + length));
      return destination;
    },
    async readText(path, maxBytes = MAX_TEXT_BYTES) {
      const bytes = await find(path);
      checkWholeSize(path, bytes.length, maxBytes);
      return decodeText(path, bytes);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function unpack(packed: FileSource, path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const size = await packed.size(path + ENDING);
  if (size === undefined) return undefined;
  const bytes = await packed.read(path + ENDING, 0, size);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const chunk of new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"))) {
      length += chunk.length;
      checkWholeSize(path, length, MOST_BYTES);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new SyntaxError(`${packed.location}/${path}${ENDING} is damaged: load the page anew`);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** A file packed, as {@linkcode openPacked} finds it: its path and its bytes. */
export async function pack(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<[path: string, bytes: Uint8Array]> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return [path + ENDING, new Uint8Array(await new Response(packed).arrayBuffer())];
}
