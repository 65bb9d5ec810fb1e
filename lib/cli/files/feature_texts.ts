/**
 * Files of feature explanations: JSON, JSON lines or CSV, as people keep them and as Neuronpedia exports them.
 *
 * @module
 */
import { fileError } from "../../platform/file_error.ts";
import { excerpt } from "../../quote.ts";
import { listed } from "../args/values.ts";
import { isRecord, parseJson } from "../../weights/json/json.ts";

/** What a file says. */
export interface FeatureTexts {
  /** By feature; of several texts for one feature, the first. */
  readonly texts: ReadonlyMap<number, string>;
  /** The Neuronpedia ids, `model/sae`, that it is about. */
  readonly ids: ReadonlySet<string>;
}

/** The largest file, unpacked: a million features with 256 bytes each. */
const MOST_BYTES = 2 ** 28;
/** What is held of it at once: JSON lines are read one by one, a list or a CSV as a whole. */
const MOST_HELD = 2 ** 26;
/** Records of a file, and cells of a CSV; each takes memory whatever its text is. */
const [MOST_RECORDS, MOST_CELLS] = [2 ** 21, 2 ** 22];
/** What is unpacked at a time. */
const PIECE_BYTES = 2 ** 12;
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
  const what = `explanations from ${path}`;
  const texts = new Map<number, string>();
  const ids = new Set<string>();
  let count = 0;
  try {
    for await (const records of readRecords(readText(path), what)) {
      for (const record of records) {
        if (++count > MOST_RECORDS) throw new SyntaxError(`it has more than ${MOST_RECORDS} records`);
        collect(record, count, texts, ids);
      }
    }
    if (count > 0 && texts.size === 0) throw new SyntaxError(`no record has a ${listed(TEXT_KEYS)}`);
  } catch (error) {
    if (!(error instanceof Error) || isAboutFile(error) || error.message.startsWith(`Cannot read ${what}`)) throw error;
    // What the reader of CSV says repeats the cell.
    const reason = error instanceof SyntaxError ? error.message : excerpt(error.message);
    throw new SyntaxError(`Cannot read ${what}: ${reason}`, { cause: error });
  }
  return { texts, ids };
}

/** Not about its content, and complete as it is. */
function isAboutFile(error: Error): boolean {
  return error instanceof RangeError || Object.values(Deno.errors).some((kind) => error instanceof kind);
}

/** A record as its file has it. */
type FileRecord = Readonly<Record<string, unknown>>;

/** Of JSON lines, as the text comes; of what else there is, when all has come. */
async function* readRecords(pieces: AsyncIterable<string>, what: string): AsyncGenerator<FileRecord[]> {
  let text = "";
  let line = 0;
  let isLines: boolean | undefined;
  for await (const piece of pieces) {
    text += piece;
    if (isLines === undefined && piece.includes("\n")) isLines = beginsWithRecord(text);
    if (isLines) {
      const lines = text.split("\n");
      text = lines.pop()!;
      yield lines.flatMap((whole) => fromLine(whole, line++));
    }
    if (text.length > MOST_HELD) throw new SyntaxError(`it has more than ${MOST_HELD} characters: use JSON lines`);
  }
  yield isLines ? fromLine(text, line) : await parse(text, what);
}

/** Whether its first line is a record; undefined if it has not come yet. */
function beginsWithRecord(text: string): boolean | undefined {
  const rest = text.trimStart();
  const end = rest.indexOf("\n");
  if (end < 0) return undefined;
  const first = rest.startsWith("{") ? tryParse(rest.slice(0, end), (value) => value) : undefined;
  return isRecord(first) && valueOf(first, FEATURE_KEYS) !== undefined;
}

async function parse(text: string, what: string): Promise<FileRecord[]> {
  const start = text.trimStart()[0];
  if (start === "[") return fromList(parseJson(text, what) as unknown[]);
  if (start !== "{") return await parseCsv(text);
  return tryParse(text, fromObject) ?? text.split("\n").flatMap(fromLine);
}

function tryParse<T>(text: string, use: (value: unknown) => T): T | undefined {
  let value: unknown;
  try {
    value = parseJson(text, "it");
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
  const { parse } = await import(new URL("../../deps/csv_parse.ts", import.meta.url).href) as CsvModule;
  const columns = (names: string[]): string[] => {
    for (const keys of [FEATURE_KEYS, TEXT_KEYS]) {
      if (!keys.some((key) => names.includes(key))) throw new SyntaxError(`it has no column ${listed(keys)}`);
    }
    return names;
  };
  let cells = 1;
  for (const character of text) if (character === "," || character === "\n") cells++;
  if (cells > MOST_CELLS) throw new SyntaxError(`it has more than ${MOST_CELLS} cells`);
  return parse(text, { columns, bom: true, skip_empty_lines: true, max_record_size: MOST_RECORD });
}

function collect(record: FileRecord, number: number, texts: Map<number, string>, ids: Set<string>): void {
  const said = valueOf(record, FEATURE_KEYS);
  const feature = typeof said === "string" && /^\d{1,10}$/.test(said.trim()) ? Number(said) : said;
  if (typeof feature !== "number" || !Number.isSafeInteger(feature) || feature < 0) {
    throw new SyntaxError(`record ${number} has no ${listed(FEATURE_KEYS)} that is the number of a feature`);
  }
  const text = valueOf(record, TEXT_KEYS);
  if (text === undefined) return; // nobody has explained it yet
  if (typeof text !== "string") throw new SyntaxError(`record ${number} has no ${listed(TEXT_KEYS)} that is a text`);
  if (text !== "" && !texts.has(feature)) texts.set(feature, text);
  const { modelId, layer } = record;
  if (typeof modelId === "string" && typeof layer === "string") ids.add(`${modelId}/${layer}`);
}

function valueOf(record: FileRecord, keys: readonly string[]): unknown {
  const key = keys.find((name) => Object.hasOwn(record, name) && record[name] !== null);
  return key === undefined ? undefined : record[key];
}

async function* readText(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let size = 0;
  try {
    for await (const chunk of unpacked(await openFile(path))) {
      size += chunk.length;
      if (size > MOST_BYTES) throw tooLarge(path);
      yield decoder.decode(chunk, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new SyntaxError("it is no text in UTF-8, or cut", { cause: error });
    throw error;
  }
}

/** Gzip is unpacked, a little at a time: it makes at most 1032 bytes of one. */
async function* unpacked(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]();
  const { value: first = new Uint8Array() } = await iterator.next();
  const pieces = async function* (): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      for (let chunk = first, isDone = false; !isDone;) {
        for (let at = 0; at < chunk.length; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES);
        const next = await iterator.next();
        isDone = next.done === true;
        chunk = next.value ?? chunk;
      }
    } finally {
      await iterator.return?.(); // closes the file
    }
  };
  const isGzip = first[0] === 0x1f && first[1] === 0x8b;
  yield* isGzip ? ReadableStream.from(pieces()).pipeThrough(new DecompressionStream("gzip")) : pieces();
}

async function openFile(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  try {
    const { isDirectory, size } = await Deno.stat(path);
    if (isDirectory) {
      throw new Deno.errors.IsADirectory(`Cannot read explanations from ${path}: it is a directory, give a file`);
    }
    if (size > MOST_BYTES) throw tooLarge(path);
    return (await Deno.open(path)).readable; // which closes the file
  } catch (error) {
    throw fileError("read", path, error, "explanations from");
  }
}

function tooLarge(path: string): RangeError {
  return new RangeError(`${path} holds more than ${MOST_BYTES / 2 ** 20} MiB: give the explanations of one SAE`);
}
