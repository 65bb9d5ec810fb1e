/**
 * What a Parquet file says of itself at its end, checked before anything else is read: nothing else in it can be looked at
 * without believing it.
 *
 * @module
 */
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync } from "../../../deps/hyparquet.ts";
import { quote } from "../../../quote.ts";
import { Bytes, damaged } from "./bytes.ts";
import { checkThrift } from "./thrift.ts";

const MOST_INDEX_BYTES = 16 * 2 ** 20;
/** Each takes up to 200 bytes once it is read. */
const MOST_INDEX_VALUES = 1_000_000;
const MOST_DEPTH = 8;
/** A group is held in memory as a whole; what pyarrow writes unless it is told otherwise has 2^20 rows. */
const MOST_GROUP_ROWS = 2 ** 21;
const MOST_ROWS = 2 ** 28;
/** Numbers in the lists of a group's column. */
const MOST_VALUES = 2 ** 24;

/** A column: the elements of the schema from the root to it. */
export interface Column {
  /** Names from the top. */
  readonly path: readonly string[];
  /** Its physical type. */
  readonly type: string;
  /** Of a type of fixed length. */
  readonly typeLength: number;
  /** Lists that it is in. */
  readonly maxRepetition: number;
  /** Lists and values that need not be there. */
  readonly maxDefinition: number;
}

/** A column's part of a row group. */
export interface Chunk {
  readonly column: Column;
  readonly codec: string;
  readonly start: number;
  readonly end: number;
  readonly rows: number;
  /** With lists, more than rows. */
  readonly values: number;
}

/** What a file says, and what is read of it. */
export interface CheckedMetadata {
  /** As hyparquet takes it. */
  readonly metadata: FileMetaData;
  /** Names of the columns at the top. */
  readonly names: readonly string[];
  /** By row group. */
  readonly groups: readonly { readonly rows: number; readonly chunks: readonly Chunk[] }[];
}

/**
 * Reads the end of a file.
 *
 * @throws {SyntaxError} if it is no Parquet file, is damaged, or has more rows than are read
 */
export async function readMetadata(file: AsyncBuffer): Promise<CheckedMetadata> {
  await checkFooter(file);
  try {
    return interpret(await parquetMetadataAsync(file, { geoparquet: false }), file.byteLength);
  } catch (cause) {
    // Any field may be of another kind than its type says: what the engine says then is of no use.
    if (!(cause instanceof TypeError || cause instanceof RangeError) && (cause as Error).constructor !== Error) {
      throw cause;
    }
    throw new SyntaxError("it is damaged: its index makes no sense", { cause });
  }
}

function interpret(metadata: FileMetaData, size: number): CheckedMetadata {
  const root = readSchema(metadata.schema);
  const columns = leaves(root);
  let rows = 0;
  const groups = metadata.row_groups.map((group, g) => {
    const own = count(group.num_rows, MOST_GROUP_ROWS, `rows of row group ${g + 1}`);
    rows += own;
    if (group.columns.length !== columns.length) throw damaged(`row group ${g + 1} has not one part for each column`);
    return { rows: own, chunks: columns.map((column, i) => readChunk(group.columns[i], column, own, size)) };
  });
  if (rows > MOST_ROWS) throw new SyntaxError(`it has ${rows} rows, at most ${MOST_ROWS} are read: split it`);
  if (rows !== Number(metadata.num_rows)) {
    throw damaged(`it has ${quote(metadata.num_rows)} rows, its row groups have ${rows}`);
  }
  checkOverlap(groups.flatMap(({ chunks }) => chunks));
  return { metadata, names: root.children.map(({ name }) => name), groups };
}

async function checkFooter(file: AsyncBuffer): Promise<void> {
  const size = file.byteLength;
  if (size < 12) throw new SyntaxError(`it is no Parquet file: it has ${size} bytes`);
  const end = new Bytes(new Uint8Array(await file.slice(size - 8, size)));
  const length = end.uint32();
  if (end.uint32() !== 0x31524150) throw new SyntaxError("it is no Parquet file, or cut: it does not end with PAR1");
  if (length > size - 12) throw damaged(`its index of ${length} bytes does not fit into the file's ${size}`);
  if (length > MOST_INDEX_BYTES) throw damaged(`its index has ${length} bytes, at most ${MOST_INDEX_BYTES} are read`);
  checkThrift(new Bytes(new Uint8Array(await file.slice(size - 8 - length, size - 8))), MOST_INDEX_VALUES);
}

type Element = FileMetaData["schema"][number];

interface Node {
  readonly name: string;
  readonly element: Element;
  readonly children: Node[];
}

/** The tree that the list of elements, parents before children, stands for. */
function readSchema(elements: readonly Element[]): Node {
  let next = 0;
  const read = (depth: number): Node => {
    const element = elements[next++];
    if (element === undefined || typeof element.name !== "string" || depth > MOST_DEPTH) {
      throw damaged("its schema is no tree of columns");
    }
    const children = count(element.num_children ?? 0, elements.length, "columns");
    if (children === 0 && element.type === undefined) throw damaged(`its column ${quote(element.name)} has no type`);
    return { name: element.name, element, children: Array.from({ length: children }, () => read(depth + 1)) };
  };
  const root = read(0);
  if (next !== elements.length || root.children.length === 0) throw damaged("its schema is no tree of columns");
  return root;
}

function leaves(root: Node): Column[] {
  const columns: Column[] = [];
  const visit = ({ name, element, children }: Node, parent: Omit<Column, "type" | "typeLength">): void => {
    const { repetition_type: repetition = "REQUIRED", type, type_length: typeLength } = element;
    const place = {
      path: [...parent.path, name],
      maxRepetition: parent.maxRepetition + (repetition === "REPEATED" ? 1 : 0),
      maxDefinition: parent.maxDefinition + (repetition === "REQUIRED" ? 0 : 1),
    };
    for (const child of children) visit(child, place);
    if (children.length === 0) {
      columns.push({ ...place, type: type!, typeLength: count(typeLength ?? 0, 2 ** 20, "bytes") });
    }
  };
  for (const child of root.children) visit(child, { path: [], maxRepetition: 0, maxDefinition: 0 });
  return columns;
}

type ColumnChunk = FileMetaData["row_groups"][number]["columns"][number];

function readChunk({ meta_data: meta }: ColumnChunk, column: Column, rows: number, size: number): Chunk {
  const name = quote(column.path.join("."));
  if (meta === undefined || meta.path_in_schema.join(".") !== column.path.join(".") || meta.type !== column.type) {
    throw damaged(`a part of column ${name} is not said to be one`);
  }
  const start = count(meta.dictionary_page_offset || meta.data_page_offset, size, "bytes");
  const length = count(meta.total_compressed_size, size, "bytes");
  if (start + length > size) throw damaged(`a part of column ${name} reaches beyond the file's end`);
  const values = count(meta.num_values, MOST_VALUES, `values in column ${name}`);
  if (column.maxRepetition === 0 && values !== rows) {
    throw damaged(`column ${name} has ${values} values for ${rows} rows`);
  }
  return { column, codec: String(meta.codec), start, end: start + length, rows, values };
}

/** Parts that lie on one another would make much of a small file. */
function checkOverlap(chunks: readonly Chunk[]): void {
  const filled = chunks.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  const i = filled.findIndex(({ start }, i) => i > 0 && start < filled[i - 1].end);
  if (i >= 0) throw damaged(`a part of column ${quote(filled[i].column.path.join("."))} lies on another`);
}

/** A whole number from 0, of a file whose fields may be of any kind. */
export function count(value: unknown, most: number, what: string): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) {
    if (number <= most) return number;
    throw new SyntaxError(`it says ${number} ${what}, at most ${most} are read`);
  }
  throw damaged(`its number of ${what} is ${quote(value)}`);
}
