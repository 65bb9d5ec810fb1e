/**
 * How a command is described and what its arguments become.
 *
 * @module
 */

/**
 * What an option's value is. `integers` is a list such as `1,2,3`; `boolean` options take no value.
 *
 * @example
 * ```ts
 * import type { OptionKind } from "./args_spec.ts";
 *
 * const kind: OptionKind = "integers";
 * console.log(kind);
 * ```
 */
export type OptionKind = "string" | "boolean" | "integer" | "number" | "integers";

/**
 * One option of a command.
 *
 * @example
 * ```ts
 * import type { OptionSpec } from "./args_spec.ts";
 *
 * const top: OptionSpec = { kind: "integer", placeholder: "K", help: "rows to show", default: "10", min: 1 };
 * console.log(top);
 * ```
 */
export interface OptionSpec {
  /** What its value is. */
  kind: OptionKind;
  /** It may be given several times; its value is the list of all. */
  multiple?: boolean;
  /** The only values that it takes. */
  choices?: readonly string[];
  /** How help writes its value, e.g. `FILE`. */
  placeholder?: string;
  /** One sentence without a full stop. */
  help: string;
  /** Its value when it is not given, written as on the command line. */
  default?: string;
  /** A boolean that also has a `--no-` form; undefined when neither is given. */
  negatable?: boolean;
  /** The smallest number that it takes. */
  min?: number;
  /** All numbers that it takes are larger. */
  above?: number;
  /** The largest number that it takes. */
  max?: number;
  /** Its value names a file or directory that the command writes. */
  writes?: "file" | "directory";
  /** Its value names a file that the command reads. */
  reads?: boolean;
}

/**
 * An argument without a name.
 *
 * @example
 * ```ts
 * import type { PositionalSpec } from "./args_spec.ts";
 *
 * const prompt: PositionalSpec = { name: "PROMPT", help: "the text", required: true };
 * console.log(prompt);
 * ```
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
}

/**
 * A command: all that parsing and help need. Write it with `satisfies CommandSpec`, so that the parsed values have
 * the types of their kinds.
 *
 * @example
 * ```ts
 * import type { CommandSpec } from "./args_spec.ts";
 * import { parseCommand } from "./args.ts";
 *
 * const predict = {
 *   name: "predict",
 *   summary: "Show what the model predicts next",
 *   usage: "PROMPT [--top K]",
 *   positionals: [{ name: "PROMPT", help: "the text", required: true }],
 *   options: { top: { kind: "integer", placeholder: "K", help: "rows to show", default: "10" } },
 *   examples: ['predict " Tiger Woods plays the sport of"'],
 * } satisfies CommandSpec;
 * console.log(parseCommand(predict, ["hello"]).values.top + 1); // 11
 * ```
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
  /** The options by name, in kebab case and without dashes. `help` is always there. */
  options: Readonly<Record<string, OptionSpec>>;
  /** Command lines that work, without the program's name. */
  examples: readonly string[];
}

/**
 * The value of one option, or of one occurrence of a `multiple` one.
 *
 * @example
 * ```ts
 * import type { OptionValue } from "./args_spec.ts";
 *
 * const value: OptionValue = [1, 2, 3];
 * console.log(value);
 * ```
 */
export type OptionValue = string | number | boolean | readonly number[];

/**
 * The type of one value of each kind.
 *
 * @example
 * ```ts
 * import type { ValueOfKind } from "./args_spec.ts";
 *
 * const features: ValueOfKind["integers"] = [1, 2, 3];
 * console.log(features);
 * ```
 */
export interface ValueOfKind {
  /** Any text. */
  string: string;
  /** Whether it was given. */
  boolean: boolean;
  /** A whole number. */
  integer: number;
  /** Any finite number. */
  number: number;
  /** Whole numbers. */
  integers: readonly number[];
}

/**
 * The type of an option's parsed value. It is there whether or not the option was given for `multiple` ones, plain
 * booleans, and those with a default.
 *
 * @example
 * ```ts
 * import type { ParsedValue } from "./args_spec.ts";
 *
 * const top: ParsedValue<{ kind: "integer"; help: string; default: "10" }> = 10;
 * console.log(top);
 * ```
 */
export type ParsedValue<O extends OptionSpec> = O extends { multiple: true } ? readonly ValueOfKind[O["kind"]][]
  : O extends { negatable: true } ? ValueOfKind[O["kind"]] | undefined
  : O extends { default: string } | { kind: "boolean" } ? ValueOfKind[O["kind"]]
  : ValueOfKind[O["kind"]] | undefined;

/**
 * What `parseCommand` makes of the arguments.
 *
 * @example
 * ```ts
 * import type { ParsedCommand } from "./args_spec.ts";
 *
 * function quiet(command: ParsedCommand): boolean {
 *   return command.values.quiet === true;
 * }
 * console.log(quiet({ help: false, positionals: [], values: { quiet: true }, order: [] }));
 * ```
 */
export interface ParsedCommand<S extends CommandSpec = CommandSpec> {
  /** `--help` or `-h` was given: nothing else was read. */
  readonly help: boolean;
  /** The arguments without a name. */
  readonly positionals: readonly string[];
  /** By option name. Not given: the default, `[]` for `multiple`, false for a plain boolean, else undefined. */
  readonly values: { readonly [Name in keyof S["options"]]: ParsedValue<S["options"][Name]> };
  /** The options as given, one entry each, for those whose meaning depends on what stands before them. */
  readonly order: readonly (readonly [name: keyof S["options"] & string, value: OptionValue])[];
}
