/**
 * Files of feature explanations: JSON, JSON lines or CSV, as people keep them and as Neuronpedia exports them.
 *
 * @module
 */
import { fileError } from "../platform/file_error.ts";
import { isRecord } from "../weights/json.ts";

/** What a file says. */
export interface FeatureTexts {
  /** By feature; of several texts for one feature, the first. */
  readonly texts: ReadonlyMap<number, string>;
  /** The Neuronpedia ids, `model/sae`, that it is about. */
  readonly ids: ReadonlySet<string>;
}

/** The largest file: a million features with 256 bytes each. */
const MOST_BYTES = 2 ** 28;
/** The longest line of a CSV. */
const MOST_RECORD = 2 ** 20;

const FEATURE_KEYS = ["feature", "index"] as const;
const TEXT_KEYS = ["label", "description", "explanation"] as const;

/**
 * Reads a file of explanations; its content says which format it is in, and gzip is unpacked.
 *
 * In JSON, a list of records, or an object from features to texts or records (also as its "features"). A record, a line
 * of JSON lines and a row of CSV have `feature` or `index`, and `label`, `description` or `explanation`.
 *
 * @throws {SyntaxError} if it is malformed; the message names the record
 * @throws {RangeError} if it is too large
 */
export async function readFeatureTexts(path: string): Promise<FeatureTexts> {
  const text = await readText(path);
  try {
    return collect(await parse(text));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SyntaxError(`Cannot read explanations from ${path}: ${reason.split("\n", 1)[0]}`, { cause: error });
  }
}

/** A record as its file has it. */
type FileRecord = Readonly<Record<string, unknown>>;

async function parse(text: string): Promise<FileRecord[]> {
  const start = text.trimStart()[0];
  if (start === "[") return fromList(JSON.parse(text));
  if (start !== "{") return await parseCsv(text);
  return tryParse(text, fromObject) ?? text.split("\n").flatMap(fromLine);
}

function tryParse<T>(text: string, use: (value: unknown) => T): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return use(value);
}

function fromList(list: readonly unknown[]): FileRecord[] {
  return list.map((record, i) => {
    if (!isRecord(record)) throw new SyntaxError(`record ${i + 1} is no object`);
    return record;
  });
}

function fromObject(value: unknown): FileRecord[] {
  const object = value as FileRecord;
  if (valueOf(object, FEATURE_KEYS) !== undefined) return [object];
  const features = isRecord(object.features) ? object.features : object;
  return Object.entries(features).map(([feature, entry]) =>
    isRecord(entry) ? { ...entry, feature } : { feature, label: entry }
  );
}

function fromLine(line: string, i: number): FileRecord[] {
  if (line.trim() === "") return [];
  const record = tryParse(line, (value) => value);
  if (!isRecord(record)) throw new SyntaxError(`line ${i + 1} is no JSON object`);
  return [record];
}

/** What `csv_parse.ts` exports. */
interface CsvModule {
  parse(text: string, options: Readonly<Record<string, unknown>>): FileRecord[];
}

async function parseCsv(text: string): Promise<FileRecord[]> {
  const { parse } = await import(new URL("../deps/csv_parse.ts", import.meta.url).href) as CsvModule;
  const columns = (names: string[]): string[] => {
    for (const keys of [FEATURE_KEYS, TEXT_KEYS]) {
      if (!keys.some((key) => names.includes(key))) throw new SyntaxError(`it has no column ${listed(keys)}`);
    }
    return names;
  };
  return parse(text, { columns, bom: true, skip_empty_lines: true, max_record_size: MOST_RECORD });
}

function collect(records: readonly FileRecord[]): FeatureTexts {
  const texts = new Map<number, string>();
  const ids = new Set<string>();
  for (const [i, record] of records.entries()) {
    const said = valueOf(record, FEATURE_KEYS);
    const feature = typeof said === "string" && /^\d{1,10}$/.test(said.trim()) ? Number(said) : said;
    if (typeof feature !== "number" || !Number.isSafeInteger(feature) || feature < 0) {
      throw new SyntaxError(`record ${i + 1} has no ${listed(FEATURE_KEYS)} that is the number of a feature`);
    }
    const text = valueOf(record, TEXT_KEYS);
    if (text === undefined) continue; // nobody has explained it yet
    if (typeof text !== "string") throw new SyntaxError(`record ${i + 1} has no ${listed(TEXT_KEYS)} that is a text`);
    if (text !== "" && !texts.has(feature)) texts.set(feature, text);
    const { modelId, layer } = record;
    if (typeof modelId === "string" && typeof layer === "string") ids.add(`${modelId}/${layer}`);
  }
  if (records.length > 0 && texts.size === 0) throw new SyntaxError(`no record has a ${listed(TEXT_KEYS)}`);
  return { texts, ids };
}

function valueOf(record: FileRecord, keys: readonly string[]): unknown {
  const key = keys.find((name) => Object.hasOwn(record, name) && record[name] !== null);
  return key === undefined ? undefined : record[key];
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  try {
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const unpacked = isGzip
      ? await gather(path, new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")))
      : bytes;
    return new TextDecoder("utf-8", { fatal: true }).decode(unpacked);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new SyntaxError(`Cannot read explanations from ${path}: it is no text in UTF-8`, { cause: error });
  }
}

async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { isDirectory, size } = await Deno.stat(path);
    if (isDirectory) {
      throw new Deno.errors.IsADirectory(`Cannot read explanations from ${path}: it is a directory, give a file`);
    }
    if (size > MOST_BYTES) throw tooLarge(path);
    const file = await Deno.open(path);
    return await gather(path, file.readable); // which closes the file
  } catch (error) {
    throw fileError("read", path, error, "explanations from");
  }
}

async function gather(path: string, stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MOST_BYTES) throw tooLarge(path);
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function tooLarge(path: string): RangeError {
  return new RangeError(`${path} holds more than ${MOST_BYTES / 2 ** 20} MiB: give the explanations of one SAE`);
}
