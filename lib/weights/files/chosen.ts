/**
 * Files that somebody chose or dropped in a page: read in place, wherever they are on the disk, by the browser's File.
 *
 * @module
 */
import { BadResource, NotFound } from "../../platform/errors.ts";
import { makeGate, settleAll } from "../../concurrency.ts";
import { quote } from "../../quote.ts";
import type { FileSource } from "./file_source.ts";
import { checkPath } from "./places.ts";
import { type ByteRange, checkParts, checkRange, destinationFor, joinParts, scatterBlock } from "./ranges.ts";
import { addScheme } from "./source.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "./text.ts";

/** Reading and dropping this many bytes costs about as much as one more read. */
const MAX_GAP = 64 * 2 ** 10;
const CONCURRENCY = 8;
const SCHEME = "chosen";
/** More are no model: somebody has chosen their home directory. */
const MAX_FILES = 20_000;
const MAX_DEPTH = 16;
/** A file on its own that is an SAE. */
const WEIGHTS = /\.(?:npz|safetensors|pth?)$/i;

/** A chosen file, as a file input or a drop gives it: with a path below the directory that was chosen, if one was. */
export type ChosenFile = Blob & { readonly name: string; readonly webkitRelativePath?: string };

/** A chosen directory, as a directory picker gives it. */
export interface ChosenDirectory {
  readonly kind: "directory";
  readonly name: string;
  values(): AsyncIterable<ChosenDirectory | { readonly kind: "file"; getFile(): Promise<ChosenFile> }>;
}

/** Files by their paths. */
export interface ChosenFiles {
  /** Of the directory, or of the one file. */
  readonly name: string;
  readonly files: ReadonlyMap<string, Blob>;
}

/**
 * What was chosen, by path. Files may go to a Worker then; they are not read here.
 *
 * @throws {RangeError} if nothing was chosen, or far more than a model has
 */
export async function chosenFiles(chosen: readonly (ChosenFile | ChosenDirectory)[]): Promise<ChosenFiles> {
  if (chosen.length === 0) throw new RangeError("Nothing was chosen: choose a directory, or files");
  const files = new Map<string, Blob>();
  const paths = chosen.map((one) => "kind" in one ? `${one.name}/` : one.webkitRelativePath || one.name);
  const [directory] = paths[0].split("/");
  // What lies in one directory has paths below it.
  const isOne = paths.every((path) => path.startsWith(`${directory}/`));
  const inside = (path: string): string => isOne ? path.slice(directory.length + 1) : path;
  for (const [i, one] of chosen.entries()) {
    if ("kind" in one) await walk(one, inside(paths[i]), files, 0);
    else add(files, inside(paths[i]), one);
  }
  return { name: isOne ? directory : paths[0], files };
}

async function walk(directory: ChosenDirectory, path: string, into: Map<string, Blob>, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) {
    throw new RangeError(`${quote(directory.name)} lies too deep: choose the model's own directory`);
  }
  for await (const entry of directory.values()) {
    if (entry.kind === "directory") await walk(entry, `${path}${entry.name}/`, into, depth + 1);
    else {
      const file = await entry.getFile();
      add(into, `${path}${file.name}`, file);
    }
  }
}

function add(files: Map<string, Blob>, path: string, file: Blob): void {
  if (files.size >= MAX_FILES) {
    throw new RangeError(`There are more than ${MAX_FILES} files: choose the directory of one model or SAE`);
  }
  files.set(path, file);
}

const offered = new Map<string, ReadonlyMap<string, Blob>>();

/**
 * Makes files known, and returns the location by which they are opened, as any model's or SAE's: `chosen://NAME`, or of a
 * file that is an SAE on its own its path below.
 */
export function offerFiles({ name, files }: ChosenFiles): string {
  let key = name;
  for (let n = 2; offered.has(key); n++) key = `${name} (${n})`;
  const location = `${SCHEME}://${encodeURIComponent(key)}`;
  offerFilesAt(location, files);
  const [only, ...others] = files.keys();
  return others.length === 0 && WEIGHTS.test(only) ? `${location}/${encodeURIComponent(only)}` : location;
}

/** The same in another realm, a Worker say, by the location that {@linkcode offerFiles} gave there. */
export function offerFilesAt(location: string, files: ReadonlyMap<string, Blob>): void {
  addScheme(SCHEME, openChosen);
  offered.set(hostOf(location), files);
}

/** Whether somebody chose what is at a location, or below it. */
export function isChosen(location: string): boolean {
  return location.startsWith(`${SCHEME}://`) && offered.has(hostOf(location));
}

/** The name after which the directory is called. */
function hostOf(location: string): string {
  return decodeURIComponent(/^[^:]+:\/\/([^/]*)/.exec(location)?.[1] ?? "");
}

function openChosen(location: string): FileSource {
  const [, path] = /^[^:]+:\/\/[^/]*\/*(.*?)\/*$/.exec(location)!;
  const files = offered.get(hostOf(location));
  if (files === undefined) throw new NotFound(`Cannot open ${location}: choose the files again`);
  const prefix = path === "" ? "" : `${decodeURIComponent(path)}/`;
  return new ChosenSource(location.replace(/\/+$/, ""), files, prefix);
}

class ChosenSource implements FileSource {
  readonly location: string;
  readonly #files: ReadonlyMap<string, Blob>;
  readonly #prefix: string;
  readonly #gate = makeGate(CONCURRENCY);
  #closed = false;

  constructor(location: string, files: ReadonlyMap<string, Blob>, prefix: string) {
    this.location = location;
    this.#files = files;
    this.#prefix = prefix;
  }

  // Async, so that a path that is not allowed is a rejection.
  async size(path: string): Promise<number | undefined> {
    return await this.#get(path)?.size;
  }

  async read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const file = this.#find(path);
    checkRange(path, offset, length, file.size);
    const destination = destinationFor(path, length, into);
    await this.#fill(path, file, offset, destination);
    return destination;
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const file = this.#find(path);
    checkParts(path, parts, file.size, into);
    await settleAll(
      joinParts(parts, MAX_GAP).map(async (block) => {
        const whole = into.subarray(block.destination, block.destination + block.length);
        if (block.whole) return await this.#fill(path, file, block.offset, whole);
        scatterBlock(block, await this.#slice(path, file, block.offset, block.length), into);
      }),
    );
  }

  async readText(path: string, maxBytes: number = MAX_TEXT_BYTES): Promise<string> {
    const file = this.#find(path);
    checkWholeSize(path, file.size, maxBytes);
    return decodeText(path, await this.read(path, 0, file.size));
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #get(path: string): Blob | undefined {
    checkPath(path);
    if (this.#closed) throw new BadResource(`Cannot read ${path}: the source ${this.location} is closed`);
    return this.#files.get(this.#prefix + path);
  }

  #find(path: string): Blob {
    const file = this.#get(path);
    if (file === undefined) throw new NotFound(`Cannot read ${this.location}/${path}: no such file`);
    return file;
  }

  async #fill(path: string, file: Blob, offset: number, into: Uint8Array): Promise<void> {
    into.set(await this.#slice(path, file, offset, into.length));
  }

  #slice(path: string, file: Blob, offset: number, length: number): Promise<Uint8Array> {
    return this.#gate(async () => {
      const bytes = await file.slice(offset, offset + length).arrayBuffer().catch((cause) => {
        const why = "it was changed, moved or removed since it was chosen; choose it again";
        throw new NotFound(`Cannot read ${this.location}/${path}: ${why}`, { cause });
      });
      return new Uint8Array(bytes);
    });
  }
}
