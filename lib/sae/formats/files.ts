/**
 * The files of one SAE, read at most once while formats look at them.
 *
 * @module
 */
import { readTextIfThere } from "../../weights/files/source.ts";
import { excerpt, quote } from "../../quote.ts";
import { scalarsIn } from "./yaml.ts";
import type { FileSource } from "../../weights/files/file_source.ts";
import { readSafetensorsHeader } from "../../weights/formats/safetensors.ts";
import { parseJsonObject } from "../../weights/json/json.ts";
import { ReadSettings } from "../../weights/json/read_settings.ts";
import type { Stored } from "../../weights/tensors/stored.ts";

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
  #settings = new Map<string, Promise<ReadSettings | undefined>>();
  #tensors = new Map<string, Promise<ReadTensors>>();

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
    return await this.#readSettings(file, (text) => parseJsonObject(text, file, { python: true }));
  }

  /** The texts and numbers at the top level of a YAML file, as texts; undefined if there is no such file. */
  async yaml(file: string): Promise<Readonly<Record<string, string | undefined>> | undefined> {
    return await this.#readSettings(file, scalarsIn) as Readonly<Record<string, string | undefined>> | undefined;
  }

  async #readSettings(
    file: string,
    parse: (text: string) => Readonly<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    let reading = this.#settings.get(file);
    if (!reading) {
      reading = this.text(file).then((text) => text === undefined ? undefined : new ReadSettings(parse(text)));
      this.#settings.set(file, reading);
    }
    return (await reading)?.value;
  }

  /** From here on another format looks at the files. */
  async forget(): Promise<void> {
    for (const read of [...this.#tensors.values(), ...this.#settings.values()]) (await read)?.forget();
  }

  /** What was not read since: tensors of files of which others were, and settings. */
  async unread(): Promise<{ readonly tensors: string[]; readonly settings: string[] }> {
    const [tensors, settings] = [await Promise.all(this.#tensors.values()), await Promise.all(this.#settings.values())];
    return {
      tensors: tensors.flatMap((read) => read.unused()),
      settings: [
        ...tensors.flatMap((read) => read.isUsed() ? read.others : []),
        ...settings.flatMap((read) => read?.unread() ?? []),
      ],
    };
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

async function readTensors(source: FileSource, file: string): Promise<ReadTensors> {
  if (/\.npz$/i.test(file)) {
    const { openZip } = await import(
      new URL("../../weights/formats/zip_source.ts", import.meta.url).href
    ) as typeof import("../../weights/formats/zip_source.ts");
    const { readNpz } = await import(
      new URL("../../weights/formats/npz.ts", import.meta.url).href
    ) as typeof import("../../weights/formats/npz.ts");
    const zip = await openZip(source, file);
    return byName((await readNpz(zip)).map((info) => ({ ...info, from: zip, path: file })));
  }
  if (/\.pth?$/i.test(file)) {
    const { openTorchFile } = await import(
      new URL("../../weights/formats/pickle_tensors.ts", import.meta.url).href
    ) as typeof import("../../weights/formats/pickle_tensors.ts");
    const { zip, tensors, others } = await openTorchFile(source, file);
    return byName(tensors.map((info) => ({ ...info, from: zip, path: file })), others);
  }
  const tensors = await readSafetensorsHeader(source, file);
  return byName(tensors.map((info) => ({ ...info, order: "C" as const, from: source, path: file })));
}

function byName(tensors: readonly Stored[], others: readonly string[] = []): ReadTensors {
  return new ReadTensors(tensors, others);
}

/**
 * A whole number above 0 that a file has as a tensor.
 *
 * @throws {TypeError} if it is something else
 */
export async function readCount({ name, dtype, shape, from, file, offset, byteLength }: Stored): Promise<number> {
  const isOne = shape.every((size) => size === 1);
  if (!isOne || (dtype !== "I64" && dtype !== "I32")) {
    throw new TypeError(`The SAE's tensor "${name}" is ${dtype} [${shape}], not one whole number`);
  }
  const view = new DataView((await from.read(file, offset, byteLength)).slice().buffer);
  const count = dtype === "I64" ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true);
  if (!Number.isSafeInteger(count) || count < 1) throw new TypeError(`The SAE's tensor "${name}" is ${count}`);
  return count;
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

/** The tensors of one file; those that were got are used. */
export class ReadTensors extends Map<string, Stored> {
  /** What the file has beside tensors. */
  readonly others: readonly string[];
  readonly #used = new Set<string>();

  constructor(tensors: readonly Stored[], others: readonly string[]) {
    super();
    for (const tensor of tensors) this.set(tensor.name, tensor);
    this.others = others;
  }

  override get(name: string): Stored | undefined {
    this.#used.add(name);
    return super.get(name);
  }

  /** Nothing has been used. */
  forget(): void {
    this.#used.clear();
  }

  /** Whether one of its tensors is used. */
  isUsed(): boolean {
    return [...this.#used].some((name) => this.has(name));
  }

  /** Names of the tensors that are not; none where the file is not used at all. */
  unused(): string[] {
    return this.isUsed() ? [...this.keys()].filter((name) => !this.#used.has(name)) : [];
  }
}
