/**
 * Tables as bytes, some rows at a time.
 *
 * @module
 */
import { toCsv } from "../../table/csv.ts";
import { toJsonLines } from "../../table/json.ts";
import type { RowEncoder } from "./row_encoder.ts";
import type { RowFormat } from "../settings.ts";

/** What `encode_parquet.ts` exports. */
type ParquetModule = typeof import("./encode_parquet.ts");

/**
 * An encoder for a table with these columns.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { rowEncoder } from "./encode.ts";
 *
 * const encoder = await rowEncoder("csv", ["prompt_id", "feature"]);
 * const bytes = [...encoder.rows([["a", 1]]), ...encoder.rows([["b", 2]]), ...encoder.end()];
 * assert.equal(await new Blob(bytes as BlobPart[]).text(), "prompt_id,feature\na,1\nb,2\n");
 * ```
 */
export async function rowEncoder(format: RowFormat, columns: readonly string[]): Promise<RowEncoder> {
  if (format === "parquet") {
    // By a computed address: the package is downloaded when it is needed.
    const { parquetEncoder } = await import(new URL("./encode_parquet.ts", import.meta.url).href) as ParquetModule;
    return parquetEncoder(columns);
  }
  const encoder = new TextEncoder();
  const header = format === "csv" ? toCsv({ columns, rows: [] }) : "";
  let before = header;
  return {
    rows(rows) {
      const text = format === "csv" ? toCsv({ columns, rows }).slice(header.length) : toJsonLines({ columns, rows });
      const bytes = encoder.encode(before + text);
      before = "";
      return [bytes];
    },
    end: () => before === "" ? [] : [encoder.encode(before)],
  };
}

/** How many bytes of a table's file stand before its first row. */
export function headerBytes(format: Exclude<RowFormat, "parquet">, columns: readonly string[]): number {
  return format === "csv" ? new TextEncoder().encode(toCsv({ columns, rows: [] })).length : 0;
}
