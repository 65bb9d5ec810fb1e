/**
 * Tables as Parquet.
 *
 * @module
 */
import { ByteWriter, ParquetWriter } from "../deps/hyparquet_writer.ts";
import { VERSION } from "../version.ts";
import { type Cell, checkedRows, formatNumber, type RowEncoder, type Table } from "./table.ts";

/** Rows of a group; a group is held until it is written. */
const GROUP_ROWS = 65_536;

type Element = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];
type Type = Pick<Element, "type" | "converted_type">;

const TEXT: Type = { type: "BYTE_ARRAY", converted_type: "UTF8" };
const INTEGER: Type = { type: "INT32" };
const FLOAT: Type = { type: "FLOAT" };
const DOUBLE: Type = { type: "DOUBLE" };
const BOOLEAN: Type = { type: "BOOLEAN" };

/**
 * By column, so that files of the same columns have the same types; others go by their first cells. Attributions are
 * computed in float32, means over prompts in float64.
 */
const TYPES: Readonly<Record<string, Type>> = {
  line: INTEGER,
  tokens: INTEGER,
  rows: INTEGER,
  metric: DOUBLE,
  position: INTEGER,
  is_special: BOOLEAN,
  feature: INTEGER,
  activation: FLOAT,
  baseline: FLOAT,
  gradient: FLOAT,
  attribution: FLOAT,
  exact: BOOLEAN,
  curvature: FLOAT,
  second_order: FLOAT,
  direct_effect: FLOAT,
  positions: INTEGER,
  max_activation: FLOAT,
  id: INTEGER,
  rank: INTEGER,
  rank_before: INTEGER,
  rank_after: INTEGER,
  log_probability: FLOAT,
  effect: FLOAT,
  k: INTEGER,
  nodes: INTEGER,
  faithfulness: FLOAT,
  position_a: INTEGER,
  feature_a: INTEGER,
  position_b: INTEGER,
  feature_b: INTEGER,
  effect_a: FLOAT,
  effect_b: FLOAT,
  joint: FLOAT,
  interaction: FLOAT,
  shapley: FLOAT,
  faith_shapley: FLOAT,
  shapley_error: FLOAT,
  faith_shapley_error: FLOAT,
  source_position: INTEGER,
  source_feature: INTEGER,
  target_position: INTEGER,
  target_feature: INTEGER,
  weight: DOUBLE,
  n: INTEGER,
  questions: INTEGER,
  fraction_active: DOUBLE,
  mean: DOUBLE,
  mean_abs: DOUBLE,
  mean_when_active: DOUBLE,
  sign_consistency: DOUBLE,
};

/** Text, unless all cells say another. */
function typeOf(cells: readonly Cell[]): Type {
  const kinds = new Set(cells.filter((cell) => cell !== null).map((cell) => typeof cell));
  return kinds.size !== 1 || kinds.has("string") ? TEXT : kinds.has("number") ? DOUBLE : BOOLEAN;
}

/** A cell as its column has it. */
function converted(cell: Cell, name: string, { type }: Type): Cell {
  if (cell === null || typeof cell === (type === BOOLEAN.type ? "boolean" : "number") && type !== TEXT.type) {
    return cell;
  }
  if (type === TEXT.type) return typeof cell === "number" ? formatNumber(cell) : String(cell);
  throw new TypeError(`Cannot write the table: ${name} is a column of ${type} and has ${JSON.stringify(cell)}`);
}

/** An encoder for a table with these columns; it writes a row group whenever it holds enough rows. */
export function parquetEncoder(columns: readonly string[]): RowEncoder {
  const writer = new ByteWriter();
  let file: { readonly parquet: ParquetWriter; readonly types: readonly Type[] } | undefined;
  let held: (readonly Cell[])[] = [];
  const take = (): Uint8Array[] => {
    const bytes = writer.getBytes().slice();
    writer.index = 0; // its `offset`, which the index of the file is made from, goes on
    return bytes.length === 0 ? [] : [bytes];
  };
  const writeGroup = (): ParquetWriter => {
    const cells = columns.map((_, i) => held.map((row) => row[i]));
    const { parquet, types } = file ??= begin(writer, columns, cells);
    const columnData = columns.map((name, i) => ({
      name,
      data: cells[i].map((cell) => converted(cell, name, types[i])),
    }));
    if (held.length > 0) parquet.write({ columnData, rowGroupSize: held.length });
    held = [];
    return parquet;
  };
  return {
    rows(rows) {
      for (const row of rows) {
        held.push(row);
        if (held.length === GROUP_ROWS) writeGroup();
      }
      return take();
    },
    end() {
      writeGroup().finish();
      return take();
    },
  };
}

function begin(
  writer: ByteWriter,
  columns: readonly string[],
  cells: readonly (readonly Cell[])[],
): { parquet: ParquetWriter; types: readonly Type[] } {
  const types = columns.map((name, i) => Object.hasOwn(TYPES, name) ? TYPES[name] : typeOf(cells[i]));
  const schema: Element[] = [
    { name: "root", num_children: columns.length },
    ...columns.map((name, i): Element => ({ name, ...types[i], repetition_type: "OPTIONAL" })),
  ];
  return { parquet: new ParquetWriter({ writer, schema, createdBy: `sae-attribution version ${VERSION}` }), types };
}

/** A whole table. */
export function* parquetChunks(table: Table): Generator<Uint8Array> {
  const encoder = parquetEncoder(table.columns);
  for (const row of checkedRows(table)) yield* encoder.rows([row]);
  yield* encoder.end();
}
