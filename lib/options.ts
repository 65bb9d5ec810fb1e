/**
 * Options of public functions at run time: a name that no option has, or a value that it cannot have, is an error, as the
 * compiler would say in TypeScript.
 *
 * @module
 */
import { meantName } from "./nearest_names.ts";
import { quote } from "./quote.ts";

/** What an option may be: one of some texts (or no text at all), options of its own, or as {@linkcode KINDS} says. */
export type OptionKind = "any" | keyof typeof KINDS | readonly string[] | OptionGroup;

/** Options in an option. */
export interface OptionGroup {
  readonly [name: string]: OptionKind;
}

/** All options of a kind; the compiler asks for one that is left out. */
export type OptionKinds<Options> = Readonly<Record<keyof Options, OptionKind>>;

const KINDS = {
  flag: [(value: unknown) => typeof value === "boolean", "true or false"],
  list: [(value: unknown) => Array.isArray(value), "a list"],
  "flag or list": [(value: unknown) => typeof value === "boolean" || Array.isArray(value), "true, false or token ids"],
  count: [(value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0, "a whole number, at least 0"],
  positive: [(value: unknown) => typeof value === "number" && value > 0, "a number above 0"],
} as const;

/**
 * Checks that options are an object with known names and values only.
 *
 * @param of whose options they are, for the message
 * @throws {TypeError} if they are something else, or have a name that is none
 * @throws {RangeError} if a value is none of those that the option may have
 */
export function checkOptions<Options extends object>(
  of: string,
  options: Options,
  kinds: OptionKinds<Options>,
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const what = Array.isArray(options) ? "a list" : options === null ? "null" : `a ${typeof options}`;
    throw new TypeError(`The options of ${of} are ${what}: give an object such as { ${Object.keys(kinds)[0]}: … }`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(kinds, name)) {
      const names = Object.keys(kinds);
      const meant = meantName(name, names);
      const advice = meant === undefined ? `there are ${names.join(", ")}` : `the nearest is "${meant}"`;
      throw new TypeError(`${of} has no option "${name.slice(0, 80)}": ${advice}`);
    }
    if (value !== undefined) checkValue(of, name, value, kinds[name as keyof Options]);
  }
}

/** What of options is given: a name that is there without a value is as if it were not. */
export function withoutUndefined<Options extends object>(
  options: Options,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as ReturnType<typeof withoutUndefined<Options>>;
}

function checkValue(of: string, name: string, value: unknown, kind: OptionKind): void {
  const wrong = (what: string): RangeError => new RangeError(`${name} of ${of} is ${quote(value)}: ${what}`);
  if (isChoices(kind)) {
    if (typeof value !== "string" || kind.includes(value)) return;
    throw wrong(`choose ${kind.slice(0, -1).join(", ")} or ${kind.at(-1)}`);
  }
  if (typeof kind === "object") return checkOptions<OptionGroup>(name, value as OptionGroup, kind);
  if (kind === "any") return;
  const [isRight, what] = KINDS[kind];
  if (!isRight(value)) throw wrong(`give ${what}`);
}

const isChoices = (kind: OptionKind): kind is readonly string[] => Array.isArray(kind);
