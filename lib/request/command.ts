/**
 * The command line that a request is.
 *
 * @module
 */
import { type Field, type FieldValue, flagOf } from "./field.ts";
import { REQUEST_FIELDS, type RequestValues } from "./fields.ts";
import type { SaeRequest } from "./saes.ts";

/** What a command line is made of. */
export interface CommandParts {
  /** Fields in the order in which they shall stand; what is undefined is left out, as are `sae` and what belongs to it. */
  readonly values: RequestValues;
  readonly saes?: readonly SaeRequest[];
  /** The prompt, if it is a text. */
  readonly prompt?: string;
}

/** A command line for a POSIX shell. */
export function commandLine(args: readonly string[]): string {
  return ["deno run -A cli.ts", ...args.map(shellQuoted)].join(" ");
}

function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The arguments of a request, after the command's name. */
export function requestArgs({ values, saes = [], prompt }: CommandParts): string[] {
  const isPlain = prompt !== undefined && !prompt.startsWith("-");
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : fieldArgs(name, REQUEST_FIELDS[name as keyof RequestValues], value)
  );
  // What looks like an option stands after all of them.
  const last = prompt === undefined || isPlain ? [] : ["--", prompt];
  return [...(isPlain ? [prompt] : []), ...given, ...saes.flatMap(saeArgs), ...last];
}

function fieldArgs(name: string, field: Field, value: FieldValue | readonly FieldValue[]): string[] {
  const flag = flagOf(name, field);
  if (field.kind === "boolean") {
    if (field.negates === true) return value === false ? [`--${flag}`] : [];
    return value === true ? [`--${flag}`] : field.negatable === true ? [`--no-${flag}`] : [];
  }
  const items = field.multiple === true ? value as readonly FieldValue[] : [value as FieldValue];
  return items.flatMap((item) => [`--${flag}`, String(item)]); // of a list, with commas between
}

function saeArgs({ source, hook, hookIn, normScalingFactor, explanations = [] }: SaeRequest): string[] {
  return [
    "--sae",
    hook === undefined ? source : `${source}@${hook}`,
    ...(hookIn === undefined ? [] : ["--hook-in", hookIn]),
    ...(normScalingFactor === undefined ? [] : ["--norm-scaling-factor", String(normScalingFactor)]),
    ...explanations.flatMap((file) => ["--explanations", file]),
  ];
}
