/**
 * How a command is described and what its arguments become.
 *
 * @module
 */
import type { Field, FieldValue, ValuesOf } from "../../request/field.ts";

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
