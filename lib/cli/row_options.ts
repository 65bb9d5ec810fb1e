/**
 * Which table of the attribution is wanted, and which of its rows and columns.
 *
 * @module
 */
import { LONG_COLUMNS, type LongColumn } from "../attribution/long_table.ts";
import { type Positions, type Slice } from "../attribution/positions.ts";
import { nearestNames } from "../nearest_names.ts";
import type { OptionSpec } from "./args_spec.ts";
import { quote, UsageError } from "./args_values.ts";

/** The tables: the long table, one row per position, one row per feature. */
export type TableName = "rows" | "positions" | "features";

const TABLES: readonly TableName[] = ["rows", "positions", "features"];

/** Table, rows and columns as asked for. */
export interface RowsRequest {
  readonly table: TableName;
  readonly positions?: Positions;
  readonly features?: readonly number[];
  readonly top?: number;
  readonly includeError?: boolean;
  /** Undefined: position, feature, attribution; the hook and the kind where there are several. */
  readonly columns?: readonly LongColumn[];
}

/** The options. */
export const ROW_OPTIONS = {
  table: {
    kind: "string",
    choices: TABLES,
    placeholder: "NAME",
    default: "rows",
    help: "a row per position and feature, or the sums by position or by feature",
  },
  positions: {
    kind: "string",
    placeholder: "LIST",
    help:
      "rows of these positions, with commas between: P, or A:B for A to B - 1; from the end when negative, A or B " +
      "left out (-3: is the last three)",
  },
  features: { kind: "integers", placeholder: "1,2", min: 0, help: "rows of these features" },
  top: { kind: "integer", placeholder: "K", min: 1, help: "the K rows with the largest |attribution|" },
  "include-error": {
    kind: "boolean",
    help: "rows of the SAE's bias and error too, one each per position; the column kind tells them apart",
  },
  columns: {
    kind: "string",
    placeholder: "LIST",
    help: `columns, with commas between, of ${LONG_COLUMNS.join(", ")}; ` +
      "by default position,feature,attribution, after hook and kind where there are several",
  },
} satisfies Record<string, OptionSpec>;

/** The parsed values of {@linkcode ROW_OPTIONS}. */
export interface RowValues {
  readonly table: string;
  readonly positions: string | undefined;
  readonly features: readonly number[] | undefined;
  readonly top: number | undefined;
  readonly "include-error": boolean;
  readonly columns: string | undefined;
}

/** What a table has no use for. */
const USELESS: Readonly<Record<TableName, readonly (keyof RowValues)[]>> = {
  rows: [],
  positions: ["features", "top", "include-error", "columns"],
  features: ["include-error", "columns"],
};

/**
 * The rows of a command line.
 *
 * @throws {UsageError} if a slice or a column is not understood, or the table has no use for an option
 */
export function readRows(values: RowValues): RowsRequest {
  const table = values.table as TableName;
  const useless = USELESS[table].find((name) => values[name] !== undefined && values[name] !== false);
  if (useless !== undefined) {
    throw new UsageError(`--${useless} means nothing in --table ${table}: leave one of them out`);
  }
  return {
    table,
    positions: values.positions === undefined ? undefined : readPositions(values.positions),
    features: values.features,
    top: values.top,
    includeError: values["include-error"],
    columns: values.columns === undefined ? undefined : readColumns(values.columns),
  };
}

/**
 * Positions, and slices as Python writes them.
 *
 * @throws {UsageError} if they are not understood
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readPositions } from "./row_options.ts";
 *
 * assert.deepEqual(readPositions("1:-1"), { start: 1, end: -1 });
 * assert.deepEqual(readPositions("2,-3:"), [2, { start: -3, end: undefined }]);
 * ```
 */
export function readPositions(text: string): Positions {
  const parts = text.split(",").map((part) => readPosition(part.trim()));
  if (parts.includes(undefined)) {
    throw new UsageError(
      `--positions is ${quote(text)}: write positions and A:B as Python does, such as 6, 2,6, 1:4, 1: or -3:`,
    );
  }
  const [first, ...more] = parts as (number | Slice)[];
  return typeof first === "number" || more.length > 0 ? [first, ...more] : first;
}

function readPosition(text: string): number | Slice | undefined {
  const [, start, colon, end] = /^([+-]?\d{1,9})?\s*(:)?\s*([+-]?\d{1,9})?$/.exec(text) ?? [];
  if (colon === undefined) return start === undefined || end !== undefined ? undefined : Number(start);
  const at = (part?: string): number | undefined => part === undefined ? undefined : Number(part);
  return { start: at(start), end: at(end) };
}

function readColumns(text: string): LongColumn[] {
  const names = text.split(",").map((name) => name.trim());
  for (const [i, name] of names.entries()) {
    if (!(LONG_COLUMNS as readonly string[]).includes(name)) {
      const [nearest] = nearestNames(name, LONG_COLUMNS, 1);
      throw new UsageError(
        `--columns has no column ${quote(name)}: the nearest is ${nearest}, there are ${LONG_COLUMNS.join(", ")}`,
      );
    }
    if (names.indexOf(name) !== i) throw new UsageError(`--columns names ${name} twice: name it once`);
  }
  return names as LongColumn[];
}
