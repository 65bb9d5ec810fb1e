/**
 * The pages of a Parquet column, gone through before they are decoded.
 *
 * @module
 */
import { deltaBinaryUnpack, type PageHeader, parquetHeader } from "../../../deps/hyparquet.ts";
import { Bytes, damaged } from "./bytes.ts";
import { decompress } from "./decompress.ts";
import { type Chunk, type Column, count } from "./metadata.ts";
import { checkDeltas, readRuns } from "./streams.ts";

/** Of a page, uncompressed: DuckDB makes up to 100 MB. */
const MOST_PAGE_BYTES = 2 ** 27;
/** Of a column in a row group: what a few bytes in a dictionary can be made into has no other limit. */
const MOST_TEXT_BYTES = 2 ** 28;

const WIDTHS: Readonly<Record<string, number>> = { INT32: 4, INT64: 8, INT96: 12, FLOAT: 4, DOUBLE: 8 };

/** Bytes of each text that a dictionary or page has; undefined for numbers. */
type Lengths = Uint32Array | undefined;

interface State {
  /** What is left to come. */
  values: number;
  rows: number;
  textBytes: number;
  dictionary?: { readonly size: number; readonly lengths: Lengths };
}

/**
 * Goes through a chunk's pages as they will be decoded: sizes, counts, levels and the indexes into its dictionary.
 *
 * @throws {SyntaxError} if something reaches beyond its page, or does not add up
 * @throws {RangeError} if it is compressed or encoded in a way that is not supported
 */
export function checkPages(bytes: Uint8Array<ArrayBuffer>, chunk: Chunk): void {
  const state: State = { values: chunk.values, rows: chunk.rows, textBytes: 0 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFlat = chunk.column.path.length === 1 && chunk.column.maxRepetition === 0;
  // The pages of lists are read up to the end, those of other columns up to the last row.
  for (let offset = 0; offset < bytes.length - 1 && (state.values > 0 || !isFlat);) {
    const reader = { view, offset };
    const header = readHeader(reader);
    const stored = count(header.compressed_page_size, bytes.length - reader.offset, "bytes in a page");
    const size = count(header.uncompressed_page_size, MOST_PAGE_BYTES, "bytes in a page");
    checkPage(header, bytes.subarray(reader.offset, reader.offset + stored), size, chunk, state);
    offset = reader.offset + stored;
  }
  if (state.values !== 0) throw damaged(`${state.values} values are missing`);
  if (state.rows !== 0) throw damaged(`its pages have not ${chunk.rows} rows`);
}

function readHeader(reader: { view: DataView; offset: number }): PageHeader {
  try {
    return parquetHeader(reader);
  } catch (cause) {
    throw new SyntaxError("it is damaged: the head of a page makes no sense", { cause });
  }
}

function checkPage(header: PageHeader, stored: Uint8Array, size: number, chunk: Chunk, state: State): void {
  const { column, codec } = chunk;
  const { type, data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  if (type === "DICTIONARY_PAGE" && dictionary !== undefined) {
    const values = count(dictionary.num_values, chunk.values, "values in a dictionary");
    const lengths = checkPlain(new Bytes(decompress(codec, stored, size)), column, values);
    state.dictionary = { size: values, lengths };
  } else if (type === "DATA_PAGE" && v1 !== undefined) {
    const values = takeValues(v1.num_values, state);
    const page = new Bytes(decompress(codec, stored, size));
    const level = (most: number): Uint32Array => readLevels(page.take(page.uint32()), most, values);
    const repetition = column.maxRepetition > 0 ? level(column.maxRepetition) : undefined;
    const definition = column.maxDefinition > 0 ? level(column.maxDefinition) : undefined;
    checkValues(page, v1.encoding, column, takeLevels(column, values, state, repetition, definition), state);
  } else if (type === "DATA_PAGE_V2" && v2 !== undefined) {
    const values = takeValues(v2.num_values, state);
    const input = new Bytes(stored);
    const level = (most: number, length: number): Uint32Array | undefined => {
      const part = input.take(count(length, stored.length, "bytes of levels"));
      return most > 0 ? readLevels(part, most, values) : undefined;
    };
    const repetition = level(column.maxRepetition, v2.repetition_levels_byte_length);
    const definition = level(column.maxDefinition, v2.definition_levels_byte_length);
    const present = takeLevels(column, values, state, repetition, definition);
    if (present !== values - count(v2.num_nulls, values, "values without a number")) {
      throw damaged("a page's nulls do not add up");
    }
    const rest = size - input.at;
    if (rest < 0) throw damaged("a page is smaller than its levels");
    const page = decompress(v2.is_compressed === false ? "UNCOMPRESSED" : codec, stored.subarray(input.at), rest);
    checkValues(new Bytes(page), v2.encoding, column, present, state);
  } else throw damaged(`a page is of the kind ${type}`);
}

function takeValues(said: unknown, state: State): number {
  const values = count(said, state.values, "values in a page");
  state.values -= values;
  return values;
}

function readLevels(bytes: Uint8Array, most: number, values: number): Uint32Array {
  return readRuns(new Bytes(bytes), 32 - Math.clz32(most), values, most);
}

/** Counts the rows that begin in a page, and returns how many of its values are there. */
function takeLevels(
  { maxDefinition }: Column,
  values: number,
  state: State,
  repetition: Uint32Array | undefined,
  definition: Uint32Array | undefined,
): number {
  let [rows, present] = [0, 0];
  for (let i = 0; i < values; i++) {
    if (repetition === undefined || repetition[i] === 0) rows++;
    if (definition === undefined || definition[i] === maxDefinition) present++;
  }
  if (rows > state.rows) throw damaged("its pages have too many rows");
  state.rows -= rows;
  return present;
}

function checkValues(page: Bytes, encoding: string, column: Column, values: number, state: State): void {
  if (encoding === "PLAIN") return void addText(checkPlain(page, column, values), state);
  if (encoding === "PLAIN_DICTIONARY" || encoding === "RLE_DICTIONARY") return checkIndexes(page, values, state);
  if (encoding === "RLE" && column.type === "BOOLEAN") {
    return void readRuns(new Bytes(page.take(page.uint32())), 1, values, 1);
  }
  if (encoding === "BYTE_STREAM_SPLIT") return void page.skip(values * widthOf(column));
  if (values === 0) return;
  if (encoding === "DELTA_BINARY_PACKED") return checkDeltas(page, values);
  if (encoding === "DELTA_LENGTH_BYTE_ARRAY") return addText(readDeltas(page, values), state, page);
  if (encoding === "DELTA_BYTE_ARRAY") return checkPrefixes(page, values, state);
  throw new RangeError(`its encoding ${encoding} is not supported: write it with another`);
}

/** Passes values one after another; of texts, returns their lengths. */
function checkPlain(page: Bytes, column: Column, values: number): Lengths {
  if (column.type === "BOOLEAN") page.skip(Math.ceil(values / 8));
  if (column.type === "BOOLEAN") return undefined;
  if (column.type !== "BYTE_ARRAY") return void page.skip(values * widthOf(column));
  const lengths = new Uint32Array(values);
  for (let i = 0; i < values; i++) page.skip(lengths[i] = page.uint32());
  return lengths;
}

function widthOf({ type, typeLength }: Column): number {
  const width = type === "FIXED_LEN_BYTE_ARRAY" ? typeLength : WIDTHS[type];
  if (!(width > 0)) throw damaged(`values of the type ${type} have no size`);
  return width;
}

function checkIndexes(page: Bytes, values: number, state: State): void {
  const { dictionary } = state;
  const width = values === 0 && page.left === 0 ? 0 : page.byte();
  if (values === 0) return;
  if (dictionary === undefined) throw damaged("its dictionary is missing");
  const indexes = readRuns(page, width, width === 0 && page.left === 0 ? 0 : values, dictionary.size - 1);
  if (dictionary.size === 0) throw damaged("its dictionary is empty");
  if (dictionary.lengths) addText(indexes.map((index) => dictionary.lengths![index]), state);
}

/** Lengths in Parquet's delta encoding. */
function readDeltas(page: Bytes, values: number): Int32Array {
  const start = page.at;
  checkDeltas(page, values);
  const { buffer, byteOffset } = page.bytes;
  const lengths = new Int32Array(values);
  const reader = { view: new DataView(buffer, byteOffset, page.bytes.length), offset: start };
  deltaBinaryUnpack(reader, values, lengths);
  if (lengths.some((length) => length < 0)) throw damaged("a text has a negative length");
  return lengths;
}

/** Texts that begin as the one before. */
function checkPrefixes(page: Bytes, values: number, state: State): void {
  const prefixes = readDeltas(page, values);
  const suffixes = readDeltas(page, values);
  const lengths = prefixes.map((prefix, i) => {
    if (prefix > (i === 0 ? 0 : prefixes[i - 1] + suffixes[i - 1])) throw damaged("a text repeats more than there is");
    return prefix + suffixes[i];
  });
  addText(lengths, state);
  addText(suffixes, { ...state, textBytes: 0 }, page);
}

/** @param page where the texts are, if they are still to be passed */
function addText(lengths: ArrayLike<number> | undefined, state: State, page?: Bytes): void {
  for (let i = 0; lengths !== undefined && i < lengths.length; i++) {
    state.textBytes += lengths[i];
    page?.skip(lengths[i]);
  }
  if (state.textBytes > MOST_TEXT_BYTES) {
    throw new SyntaxError(`its text in one row group has more than ${MOST_TEXT_BYTES} bytes: write smaller row groups`);
  }
}
