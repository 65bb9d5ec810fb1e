/**
 * The files of one SAE, read at most once while formats look at them.
 *
 * @module
 */
import { excerpt, quote } from "../../quote.ts";
import { parseJsonObject } from "../../weights/json.ts";
import { readSafetensorsHeader } from "../../weights/safetensors.ts";
import { readTextIfThere } from "../../weights/read_text.ts";
import type { FileSource } from "../../weights/source.ts";
import type { Stored } from "./view.ts";

/** The tensors of one file by name. */
export type StoredTensors = ReadonlyMap<string, Stored>;

const MAX_CONFIG_BYTES = 4 * 2 ** 20;

/** A directory, and the file in it that the user named, if one was named. */
export class SaeFiles {
  /** The directory. */
  readonly source: FileSource;
  /** The weights that were named. */
  readonly named: string | undefined;
  /** The path or URL, for messages. */
  readonly location: string;
  /** The same for what names of directories say: with `/` between them, also on Windows. */
  readonly names: string;
  #texts = new Map<string, Promise<string | undefined>>();
  #tensors = new Map<string, Promise<StoredTensors>>();

  constructor(source: FileSource, named?: string) {
    this.source = source;
    this.named = named;
    this.location = named === undefined ? source.location : `${source.location}/${named}`;
    this.names = this.location.replaceAll("\\", "/");
  }

  /** Whether there is such a file. */
  async has(file: string): Promise<boolean> {
    return await this.source.size(file) !== undefined;
  }

  /**
   * The weights to look at: the file that was named, if it has this ending, else the usual one if it is there.
   * Undefined where another file was named, or none is there.
   */
  async weights(usual: string | undefined, ending: RegExp): Promise<string | undefined> {
    if (this.named !== undefined) return ending.test(this.named) ? this.named : undefined;
    return usual !== undefined && await this.has(usual) ? usual : undefined;
  }

  /** A text file; undefined if there is none. */
  text(file: string): Promise<string | undefined> {
    let reading = this.#texts.get(file);
    if (!reading) {
      reading = readTextIfThere(this.source, file, MAX_CONFIG_BYTES);
      this.#texts.set(file, reading);
    }
    return reading;
  }

  /** A JSON object; undefined if there is no such file. */
  async json(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const text = await this.text(file);
    if (text === undefined) return undefined;
    return parseJsonObject(text, file, { python: true });
  }

  /** The tensors of a safetensors, npz or torch file: headers only. */
  tensors(file: string): Promise<StoredTensors> {
    let reading = this.#tensors.get(file);
    if (!reading) {
      reading = readTensors(this.source, file);
      this.#tensors.set(file, reading);
    }
    return reading;
  }
}

async function readTensors(source: FileSource, file: string): Promise<StoredTensors> {
  if (/\.npz$/i.test(file)) {
    const { openZip } = await import("../../weights/zip_source.ts");
    const { readNpz } = await import("../../weights/npz.ts");
    const zip = await openZip(source, file);
    return byName((await readNpz(zip)).map((info) => ({ ...info, from: zip, path: file })));
  }
  if (/\.pth?$/i.test(file)) {
    const { openTorchFile } = await import("../../weights/pickle_tensors.ts");
    const { zip, tensors } = await openTorchFile(source, file);
    return byName(tensors.map((info) => ({ ...info, from: zip, path: file })));
  }
  const tensors = await readSafetensorsHeader(source, file);
  return byName(tensors.map((info) => ({ ...info, order: "C" as const, from: source, path: file })));
}

function byName(tensors: readonly Stored[]): StoredTensors {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

/** Whether a file has all these tensors. */
export function hasAll(tensors: StoredTensors, names: readonly string[]): boolean {
  return names.every((name) => tensors.has(name));
}

/**
 * A tensor that must be there, with as many dimensions as given.
 *
 * @throws {TypeError} if it is missing or of another rank
 */
export function need(tensors: StoredTensors, name: string, rank: number): Stored {
  const tensor = tensors.get(name);
  if (!tensor) {
    throw new TypeError(`The SAE has no tensor "${name}"; it has ${excerpt([...tensors.keys()].join(", "))}`);
  }
  if (tensor.shape.length !== rank) {
    throw new TypeError(`The SAE's tensor "${name}" has shape ${quote(tensor.shape)}: ${rank} dimensions are expected`);
  }
  return tensor;
}
