/**
 * Options that several commands share, and what they ask for: where rows go, exact ablation, the queue.
 *
 * @module
 */
import { DOWNSTREAM_ERRORS, type DownstreamError } from "../../attribution/change/downstream_error.ts";
import type { Fields } from "../../request/fields.ts";
import { RequestError } from "../../request/request_error.ts";
import { endingOf, formatByEnding, TABLE_FORMATS, type TableFormat } from "../../table/formats.ts";
import { quote, UsageError } from "./values.ts";

/** Where and how rows are written. */
export interface Destination {
  readonly format: TableFormat;
  /** The user chose the format, by name or by the file's ending. */
  readonly isChosen: boolean;
  /** A file; undefined: standard output. */
  readonly file: string | undefined;
}

export const FORMAT_OPTIONS = {
  format: {
    kind: "string",
    choices: TABLE_FORMATS,
    placeholder: "F",
    help: "how rows are written; by default from --output's ending, else table on a terminal and csv otherwise",
  },
  output: {
    kind: "string",
    writes: "file",
    placeholder: "FILE",
    help: "write the rows to a file, whole or not at all",
  },
} as const satisfies Fields;

/** Values of the options. */
interface Asked {
  readonly format: string | undefined;
  readonly output: string | undefined;
}

/**
 * The format from `--format`, else from the ending of `--output`, else from what standard output is.
 *
 * @param formats the command's, that for programs first
 * @throws {UsageError} if the ending says nothing, or the format is not for a terminal
 */
export function readDestination(
  { format, output: file }: Asked,
  isTerminal: boolean,
  formats: readonly TableFormat[] = TABLE_FORMATS,
): Destination {
  const [usual] = formats;
  if (file === "") throw new UsageError("--output is empty: give the name of a file");
  if (format !== undefined) {
    if (format === "parquet" && file === undefined && isTerminal) {
      throw new UsageError("--format parquet is not for a terminal: give --output FILE");
    }
    return { format: format as TableFormat, isChosen: true, file };
  }
  if (file === undefined) return { format: isTerminal ? "table" : usual, isChosen: false, file };
  const [ending, known] = [endingOf(file), formatByEnding(file)];
  if (ending === undefined) return { format: usual, isChosen: false, file };
  if (known !== undefined && formats.includes(known)) return { format: known, isChosen: true, file };
  throw new UsageError(`--output ends with ${quote(`.${ending}`)}: say how with --format ${formats.join(", ")}`);
}

/** What becomes of the SAEs further up. */
export const DOWNSTREAM_OPTIONS = {
  downstreamError: {
    kind: "string",
    choices: DOWNSTREAM_ERRORS,
    placeholder: "E",
    help: "when features are removed: errors of SAEs further up are what those miss then, so that everything passes " +
      "(recomputed, the default), or stay what they were, so that effects pass through those SAEs' features only",
  },
} as const satisfies Fields;

/** Comparing attributions with exact ablation. */
export const VERIFY_OPTIONS = {
  verify: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    help: "remove the K strongest features, and K random ones, one at a time, and compare; takes longer",
  },
  verifySeed: { kind: "integer", placeholder: "N", min: 0, help: "decides which random ones; by default 0" },
  ...DOWNSTREAM_OPTIONS,
} as const satisfies Fields;

/** What `--verify` asks for. */
export interface VerifyRequest {
  readonly count: number;
  readonly seed: number;
  readonly downstreamError: DownstreamError;
}

/** The parsed value of {@linkcode DOWNSTREAM_OPTIONS}; the choice was checked when it was parsed. */
export function readDownstreamError(
  values: { readonly downstreamError: DownstreamError | undefined },
): DownstreamError {
  return values.downstreamError ?? DOWNSTREAM_ERRORS[0];
}

/**
 * What the parsed {@linkcode VERIFY_OPTIONS} ask for; undefined without `--verify`.
 *
 * @throws {RequestError} if an option has nothing to belong to
 */
export function readVerify(values: {
  readonly verify: number | undefined;
  readonly verifySeed: number | undefined;
  readonly downstreamError: DownstreamError | undefined;
}): VerifyRequest | undefined {
  if (values.verify !== undefined) {
    return { count: values.verify, seed: values.verifySeed ?? 0, downstreamError: readDownstreamError(values) };
  }
  for (const name of ["verifySeed", "downstreamError"] as const) {
    if (values[name] !== undefined) throw new RequestError(`\`${name}\` means nothing without \`verify\` K: add it`);
  }
  return undefined;
}

export const QUEUE_OPTION = {
  kind: "string",
  placeholder: "URL",
  help: "the address of a Redis, such as redis://localhost:6379",
} as const;

/**
 * The address of a Redis.
 *
 * @throws {UsageError} if it is none
 */
export function readQueue(text: string): string {
  if (URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol)) return text;
  throw new UsageError(`--queue is no address of a Redis: give one such as redis://localhost:6379`);
}
