/**
 * How a data set may be written.
 *
 * @module
 */

/** By format, the endings of its files; `txt` has one prompt a line. */
const ENDINGS = {
  csv: ["csv"],
  tsv: ["tsv", "tab"],
  jsonl: ["jsonl", "ndjson"],
  parquet: ["parquet"],
  txt: ["txt"],
} as const;

/** A format of data sets. */
export type InputFormat = keyof typeof ENDINGS;

/** The formats. */
export const INPUT_FORMATS = Object.keys(ENDINGS) as readonly InputFormat[];

/** The format that an ending says; undefined where it says none. */
export function inputFormat(ending: string | undefined): InputFormat | undefined {
  return INPUT_FORMATS.find((format) => (ENDINGS[format] as readonly (string | undefined)[]).includes(ending));
}
