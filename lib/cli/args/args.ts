/**
 * A small declarative option parser. An option takes the next argument as its value whatever that begins with
 * (`--metric-position -1`, `--pos-token "--"`), `--` ends the options, and `-` is an ordinary argument.
 *
 * @module
 */
import { parseArgs } from "../../deps/args.ts";
import { type Field, type FieldValue, flagOf, type ValuesOf } from "../../request/field.ts";
import { whyNoOption } from "../../request/refused.ts";
import { meantName } from "../../nearest_names.ts";
import { convert, quote, UsageError } from "./values.ts";

/**
 * An argument without a name.
 */
export interface PositionalSpec {
  /** In capitals, as help shows it. */
  name: string;
  /** One sentence without a full stop. */
  help: string;
  /** Whether the command fails without it. */
  required: boolean;
  /** It names a file that the command reads. */
  reads?: boolean;
  /** The last one: more of them may follow. */
  repeats?: boolean;
  /** Under which title of the help page it stands; default "Arguments". */
  readonly title?: string;
}

/**
 * A command: all that parsing and help need. Write it with `satisfies CommandSpec`, so that the parsed values have
 * the types of their kinds.
 */
export interface CommandSpec {
  /** As typed. */
  name: string;
  /** One line: what it does. */
  summary: string;
  /** What follows the name in help's usage line; further lines are indented below it. */
  usage: string;
  /** The arguments without a name, in order. */
  positionals: readonly PositionalSpec[];
  /** The options by name, in camel case. `help` is always there. */
  options: Readonly<Record<string, Field>>;
  /** Command lines that work, without the program's name. */
  examples: readonly string[];
}

/**
 * What `parseCommand` makes of the arguments.
 */
export interface ParsedCommand<S extends CommandSpec = CommandSpec> {
  /** `--help` or `-h` was given: nothing else was read. */
  readonly help: boolean;
  /** The arguments without a name. */
  readonly positionals: readonly string[];
  /** By option name. Not given: the default, `[]` for `multiple`, false for a plain boolean, else undefined. */
  readonly values: ValuesOf<S["options"]>;
  /** The options as given, one entry each, for those whose meaning depends on what stands before them. */
  readonly order: readonly (readonly [name: keyof S["options"] & string, value: FieldValue])[];
}

export { UsageError } from "./values.ts";

/** One option as given: `text` is undefined for a boolean, whose `--no-` form is `negated`. */
interface Occurrence {
  /** In camel case. */
  readonly name: string;
  readonly text: string | undefined;
  readonly negated: boolean;
}

/** Reads a command's arguments. What does not fit the command is a {@linkcode UsageError} of one line. */
export function parseCommand<const S extends CommandSpec>(spec: S, args: readonly string[]): ParsedCommand<S> {
  const joined = joinValues(spec, args);
  const { positionals, occurrences } = joined === "help" ? { positionals: [], occurrences: [] } : read(spec, joined);
  if (joined !== "help") checkPositionals(spec, positionals);
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(spec.options)) {
    values[name] = option.multiple === true ? [] : absentValue(flagOf(name, option), option);
  }
  const order: [string, FieldValue][] = [];
  const given = new Set<string>();
  for (const { name, text, negated } of occurrences) {
    const option = spec.options[name];
    const flag = flagOf(name, option);
    const value = text === undefined ? negated === (option.negates === true) : convert(flag, option, text);
    if (option.multiple === true) (values[name] as FieldValue[]).push(value);
    else if (given.has(name)) throw new UsageError(`--${flag} is given twice: give it once`);
    else values[name] = value;
    given.add(name);
    order.push([name, value]);
  }
  return { help: joined === "help", positionals, values, order } as ParsedCommand<S>;
}

function absentValue(flag: string, option: Field): FieldValue | undefined {
  if (option.default === undefined) return option.kind === "boolean" && option.negatable !== true ? false : undefined;
  return option.kind === "boolean" ? option.default === "true" : convert(flag, option, option.default);
}

/**
 * Writes each option and its value as one argument, `--name=value`: parseArgs refuses a value that stands alone and
 * begins with a dash. Unknown options, missing and needless values are found here, so that parseArgs sees none.
 */
function joinValues(spec: CommandSpec, args: readonly string[]): string[] | "help" {
  const joined: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--") return [...joined, ...args.slice(i)];
    if (!arg.startsWith("-") || arg === "-") {
      joined.push(arg);
      continue;
    }
    if (arg === "--help" || arg === "-h") return "help";
    const equals = arg.indexOf("=");
    const flag = equals < 0 ? arg : arg.slice(0, equals);
    const { option } = find(spec, flag);
    if (option.kind === "boolean") {
      if (equals >= 0) throw new UsageError(`${flag} takes no value: write it without ${quote(arg.slice(equals))}`);
      joined.push(arg);
    } else if (equals >= 0) joined.push(arg);
    else if (i + 1 === args.length) {
      throw new UsageError(`${flag} has no value: write ${flag} ${option.placeholder ?? "VALUE"}`);
    } else joined.push(`${arg}=${args[++i]}`);
  }
  return joined;
}

/** The option that `--flag` or `--no-flag` means. */
function find(spec: CommandSpec, flag: string): { name: string; option: Field; negated: boolean } {
  const options = Object.entries(spec.options);
  for (const [name, option] of options) {
    if (flag === `--${flagOf(name, option)}`) return { name, option, negated: false };
    if (option.negatable === true && flag === `--no-${flagOf(name, option)}`) return { name, option, negated: true };
  }
  if (!flag.startsWith("--")) {
    throw new UsageError(
      `unknown option ${quote(flag)}: options have two dashes; text that begins with one goes after --`,
    );
  }
  const why = whyNoOption(spec.name, flag, spec.options);
  if (why !== undefined) throw new UsageError(`${spec.name} has no ${flag}: ${why}`);
  const flags = options.flatMap(([name, option]) => {
    const known = flagOf(name, option);
    return option.negatable === true ? [known, `no-${known}`] : [known];
  });
  const meant = meantName(flag.slice(2), [...flags, "help"]);
  const nearest = meant === undefined ? "" : `the nearest is --${meant}, `;
  throw new UsageError(`unknown option ${quote(flag)}: ${nearest}${spec.name} --help lists all`);
}

/** Splits joined arguments into what has a name and what has none. */
function read(spec: CommandSpec, args: string[]): { positionals: string[]; occurrences: Occurrence[] } {
  const options: Record<string, { type: "string" | "boolean"; multiple: true }> = {};
  for (const [name, field] of Object.entries(spec.options)) {
    const type = field.kind === "boolean" ? "boolean" : "string";
    const flag = flagOf(name, field);
    options[flag] = { type, multiple: true };
    if (field.negatable === true) options[`no-${flag}`] = { type, multiple: true };
  }
  const { tokens, positionals } = parseArgs({ args, options, strict: true, allowPositionals: true, tokens: true });
  const occurrences: Occurrence[] = [];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const { name, negated } = find(spec, `--${token.name}`);
    occurrences.push({ name, negated, text: token.value });
  }
  return { positionals, occurrences };
}

function checkPositionals(spec: CommandSpec, positionals: readonly string[]): void {
  const missing = spec.positionals.slice(positionals.length).find(({ required }) => required);
  if (missing !== undefined) {
    throw new UsageError(
      `${missing.name} is missing (${missing.help}): write ${spec.name} ${spec.usage.split("\n", 1)[0]}`,
    );
  }
  if (positionals.length > spec.positionals.length && spec.positionals.at(-1)?.repeats !== true) {
    const extra = quote(positionals[spec.positionals.length]);
    throw new UsageError(`unexpected argument ${extra}: write text that has spaces in quotes, and options with --`);
  }
}
