/**
 * What a field of a request is: on the command line an option, in JSON a property, in messages a name.
 *
 * @module
 */

/** The commands that run a request, schedules, files of figures, and the requests of the local page's server. */
export const FRONT_ENDS = [
  ...["attribute", "report", "ablate", "evaluate", "batch", "predict"] as const,
  ...["schedule", "verify", "/api/attribute", "/api/predict", "/api/steer", "/api/select"] as const,
];

/** One of them. */
export type FrontEnd = typeof FRONT_ENDS[number];

/** Why a file that a request names is not opened. */
export const NO_FILES = "a request cannot name files of the server's machine: leave it out";

/** Of a field that names one. */
export const NO_FILES_OVER_HTTP = {
  "/api/attribute": NO_FILES,
  "/api/predict": NO_FILES,
  "/api/steer": NO_FILES,
  "/api/select": NO_FILES,
} as const satisfies Partial<Record<FrontEnd, string>>;

/** What a field's value is. On the command line, `integers` is a list such as `1,2,3`, and `boolean` takes no value. */
export type FieldKind = "string" | "boolean" | "integer" | "number" | "integers";

/** One field. Its name in programs is in camel case; the others are made of that. */
export interface Field {
  /** What its value is. */
  kind: FieldKind;
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
  /** A boolean that is true unless its option is given. */
  negates?: boolean;
  /** The smallest number that it takes. */
  min?: number;
  /** All numbers that it takes are larger. */
  above?: number;
  /** The largest number that it takes. */
  max?: number;
  /** Its value names a file or directory that the command writes. */
  writes?: "file" | "directory";
  /** Its value names a file that the command reads; a pattern: where it fits, its first group does. */
  reads?: true | RegExp;
  /** The option, if it is not the name in kebab case. */
  flag?: string;
  /** The property, if it is not the name in snake case. */
  json?: string;
  /** The tables that have a use for it, if not all have. */
  tables?: readonly string[];
  /** Where it is not taken, and why; everywhere else it is. */
  refused?: Partial<Record<FrontEnd, string>>;
}

/** The value of one field, or of one occurrence of a `multiple` one. */
export type FieldValue = string | number | boolean | readonly number[];

/** The type of one value of each kind. */
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
 * The type of a field's value. It is there whether or not it was given for `multiple` ones, plain booleans, and those
 * with a default.
 */
export type ValueOf<F extends Field> = F extends { multiple: true } ? readonly ValueOfKind[F["kind"]][]
  : F extends { negatable: true } ? ValueOfKind[F["kind"]] | undefined
  : F extends { default: string } | { kind: "boolean" } ? ChoiceOf<F>
  : ChoiceOf<F> | undefined;

/** One of its choices, where they are known to the compiler. */
type ChoiceOf<F extends Field> = F extends { choices: readonly (infer C extends string)[] } ? C
  : ValueOfKind[F["kind"]];

/** The values of several fields by their names. */
export type ValuesOf<Fields extends Readonly<Record<string, Field>>> = {
  readonly [Name in keyof Fields]: ValueOf<Fields[Name]>;
};

/** Values of fields by their names, of which any may be left out. */
type Given<Fields extends Readonly<Record<string, Field>>> = { readonly [Name in keyof Fields]?: unknown };

/** What fields are: what was given, else their defaults. */
export function valuesOf<Fields extends Readonly<Record<string, Field>>>(
  fields: Fields,
  given: Given<Fields>,
): ValuesOf<Fields> {
  const values = Object.entries(fields).map(([name, field]) => [name, given[name] ?? defaultOf(field)]);
  return Object.fromEntries(values) as ValuesOf<Fields>;
}

function defaultOf({ kind, multiple, negatable, default: text }: Field): FieldValue | undefined {
  if (multiple === true) return [];
  if (kind === "boolean") return text === undefined ? (negatable === true ? undefined : false) : text === "true";
  if (text === undefined || kind === "string") return text;
  return kind === "integers" ? text.split(",").map(Number) : Number(text);
}

/** A field's option, without dashes. */
export function flagOf(name: string, field?: Pick<Field, "flag">): string {
  return field?.flag ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A field's property in JSON. */
export function jsonNameOf(name: string, field?: Pick<Field, "json">): string {
  return field?.json ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
