/**
 * Where a run keeps its files. Machines that work on one run share a store.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../../table/write_file.ts";

/** Objects by name, with `/` between folders. */
export interface Store {
  /** For messages. */
  readonly location: string;
  /** The whole object; undefined where there is none. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** The SHA-256 of its bytes; undefined where there is none. */
  sha256(name: string): Promise<string | undefined>;
  /** Writes it whole or not at all, over one that is there; it is there to stay when this returns. */
  write(name: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  /** The names directly in a folder, without it; in no order. */
  list(folder: string): Promise<string[]>;
  /** Removes it, if it is there; a folder only if it is empty. */
  remove(name: string): Promise<void>;
  /** Removes what interrupted writes have left in a folder. No write may be going on there. */
  sweep(folder: string): Promise<void>;
}

/** A directory as a store: of one machine, or shared over the network. */
export function directoryStore(directory: string): Store {
  const at = (name: string): string => join(directory, name);
  return {
    location: directory,
    read: async (name) => {
      try {
        return await orUndefined(Deno.readFile(at(name)));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotADirectory)) throw error;
        throw new Deno.errors.NotADirectory(`${directory} is no directory: choose another place`, { cause: error });
      }
    },
    sha256: async (name) => await orUndefined(hashFile(at(name))),
    async write(name, chunks) {
      await Deno.mkdir(dirname(at(name)), { recursive: true });
      await writeFileAtomic(at(name), chunks, { isDurable: true, replacesLinks: true });
    },
    list: (folder) => namesIn(at(folder), (name) => !isLeftover(name)),
    async remove(name) {
      await orUndefined(Deno.remove(at(name)));
    },
    async sweep(folder) {
      for (const name of await namesIn(at(folder), isLeftover)) await orUndefined(Deno.remove(join(at(folder), name)));
    },
  };
}

/** What `writeFileAtomic` calls a file until it is whole. */
function isLeftover(name: string): boolean {
  return /^\.[0-9a-f-]{36}\.tmp$/.test(name);
}

async function namesIn(directory: string, wanted: (name: string) => boolean): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(directory)) if (isFile && wanted(name)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}

async function orUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}

/** SHA-256 of bytes or of a text's UTF-8. */
export function hashOf(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** An object's text, if there is an object. */
export function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
