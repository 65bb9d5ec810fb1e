/**
 * Which rows and columns of the attribution table are wanted.
 *
 * @module
 */
import { nearestNames } from "../weights/nearest_names.ts";
import type { OptionSpec } from "./args_spec.ts";
import { quote, UsageError } from "./args_values.ts";

/** The columns that there are. */
export const COLUMNS = [
  "hook",
  "position",
  "token",
  "is_special",
  "feature",
  "activation",
  "gradient",
  "attribution",
  "label",
  "neuronpedia_url",
] as const;

/** A column's name. */
export type Column = typeof COLUMNS[number];

/** Positions as Python slices them: from the end when negative, a missing end is open. */
export interface Slice {
  readonly start: number | undefined;
  readonly end: number | undefined;
}

/** Rows and columns as asked for. */
export interface RowsRequest {
  readonly positions?: Slice;
  readonly features?: readonly number[];
  readonly top?: number;
  /** Undefined: position, feature, attribution, and the hook where there are several. */
  readonly columns?: readonly Column[];
}

/** The options. */
export const ROW_OPTIONS = {
  positions: {
    kind: "string",
    placeholder: "A:B",
    help: "rows of positions A to B - 1, from the end when negative, either left out (-3: is the last three)",
  },
  features: { kind: "integers", placeholder: "1,2", min: 0, help: "rows of these features" },
  top: { kind: "integer", placeholder: "K", min: 1, help: "the K rows with the largest |attribution|" },
  columns: {
    kind: "string",
    placeholder: "LIST",
    help: `columns, with commas between, of ${COLUMNS.join(", ")}; ` +
      "by default position,feature,attribution, after hook where there are several SAEs",
  },
} satisfies Record<string, OptionSpec>;

/**
 * The rows of a command line.
 *
 * @throws {UsageError} if a slice or a column is not understood
 */
export function readRows(values: {
  readonly positions: string | undefined;
  readonly features: readonly number[] | undefined;
  readonly top: number | undefined;
  readonly columns: string | undefined;
}): RowsRequest {
  return {
    positions: values.positions === undefined ? undefined : readSlice(values.positions),
    features: values.features,
    top: values.top,
    columns: values.columns === undefined ? undefined : readColumns(values.columns),
  };
}

/**
 * A slice as Python writes it.
 *
 * @throws {UsageError} if it is none
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readSlice } from "./row_options.ts";
 *
 * assert.deepEqual(readSlice("1:-1"), { start: 1, end: -1 });
 * assert.deepEqual(readSlice("-3:"), { start: -3, end: undefined });
 * ```
 */
export function readSlice(text: string): Slice {
  const match = /^\s*([+-]?\d{1,9})?\s*:\s*([+-]?\d{1,9})?\s*$/.exec(text);
  if (match === null) {
    throw new UsageError(`--positions is ${quote(text)}: write A:B as Python does, such as 1:4, 1: or -3:`);
  }
  const [start, end] = [match[1], match[2]].map((part) => part === undefined ? undefined : Number(part));
  return { start, end };
}

/** The first position of a slice and the one after its last, among `length` of them. */
export function sliceBounds({ start, end }: Slice, length: number): { first: number; after: number } {
  const at = (index: number): number => Math.min(length, Math.max(0, index < 0 ? length + index : index));
  return { first: at(start ?? 0), after: at(end ?? length) };
}

function readColumns(text: string): Column[] {
  const names = text.split(",").map((name) => name.trim());
  for (const [i, name] of names.entries()) {
    if (!(COLUMNS as readonly string[]).includes(name)) {
      const [nearest] = nearestNames(name, COLUMNS, 1);
      throw new UsageError(
        `--columns has no column ${quote(name)}: the nearest is ${nearest}, there are ${COLUMNS.join(", ")}`,
      );
    }
    if (names.indexOf(name) !== i) throw new UsageError(`--columns names ${name} twice: name it once`);
  }
  return names as Column[];
}
