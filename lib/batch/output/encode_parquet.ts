/**
 * Tables as Parquet.
 *
 * @module
 */
import { ByteWriter, ParquetWriter } from "../../deps/hyparquet_writer.ts";
import type { Cell } from "../../table/table.ts";
import { VERSION } from "../../version.ts";
import type { RowEncoder } from "./row_encoder.ts";

/** Rows of a group; a group is held until it is written. */
const GROUP_ROWS = 65_536;

type Element = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];

const TEXT = { type: "BYTE_ARRAY", converted_type: "UTF8" } as const;
const INTEGER = { type: "INT32" } as const;
const FLOAT = { type: "FLOAT" } as const;
const DOUBLE = { type: "DOUBLE" } as const;
const BOOLEAN = { type: "BOOLEAN" } as const;

/** By column; the others are text. Attributions are computed in float32, means over prompts in float64. */
const TYPES: Readonly<Record<string, Pick<Element, "type" | "converted_type">>> = {
  line: INTEGER,
  tokens: INTEGER,
  rows: INTEGER,
  metric: DOUBLE,
  position: INTEGER,
  is_special: BOOLEAN,
  feature: INTEGER,
  activation: FLOAT,
  gradient: FLOAT,
  attribution: FLOAT,
  n: INTEGER,
  questions: INTEGER,
  fraction_active: DOUBLE,
  mean: DOUBLE,
  mean_abs: DOUBLE,
  mean_when_active: DOUBLE,
  sign_consistency: DOUBLE,
};

/**
 * An encoder for a table with these columns; it writes a row group whenever it holds enough rows.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parquetEncoder } from "./encode_parquet.ts";
 *
 * const encoder = parquetEncoder(["prompt_id", "attribution"]);
 * const [bytes] = [...encoder.rows([["a", 0.5]]), ...encoder.end()];
 * assert.equal(new TextDecoder().decode(bytes.subarray(0, 4)), "PAR1");
 * ```
 */
export function parquetEncoder(columns: readonly string[]): RowEncoder {
  const writer = new ByteWriter();
  const schema: Element[] = [
    { name: "root", num_children: columns.length },
    ...columns.map((name): Element => ({ name, ...TYPES[name] ?? TEXT, repetition_type: "OPTIONAL" })),
  ];
  const parquet = new ParquetWriter({ writer, schema, createdBy: `sae-attribution version ${VERSION}` });
  let held: (readonly Cell[])[] = [];
  const take = (): Uint8Array[] => {
    const bytes = writer.getBytes().slice();
    writer.index = 0; // its `offset`, which the index of the file is made from, goes on
    return bytes.length === 0 ? [] : [bytes];
  };
  const writeGroup = (): void => {
    const columnData = columns.map((name, i) => ({ name, data: held.map((row) => row[i]) }));
    if (held.length > 0) parquet.write({ columnData, rowGroupSize: held.length });
    held = [];
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
      writeGroup();
      parquet.finish();
      return take();
    },
  };
}
