/**
 * Options of public functions at run time: a name that no option has is an error, as the compiler would say in
 * TypeScript.
 *
 * @module
 */
import { nearestNames } from "./nearest_names.ts";

/** The names of all options of a kind; the compiler asks for one that is left out. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Checks that options are an object with known names only.
 *
 * @param of whose options they are, for the message
 * @throws {TypeError} if they are something else, or have a name that is none
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { checkOptions } from "./options.ts";
 *
 * interface Options {
 *   readonly saes?: readonly string[];
 * }
 * const misspelt = { sae: [] } as Options;
 * assert.throws(() => checkOptions("attribute", misspelt, { saes: true }), {
 *   message: 'attribute has no option "sae": the nearest is "saes"',
 * });
 * ```
 */
export function checkOptions<Options extends object>(
  of: string,
  options: Options,
  names: OptionNames<Options>,
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const what = Array.isArray(options) ? "a list" : options === null ? "null" : `a ${typeof options}`;
    throw new TypeError(`The options of ${of} are ${what}: give an object such as { ${Object.keys(names)[0]}: … }`);
  }
  const wrong = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (wrong === undefined) return;
  const [nearest] = nearestNames(wrong, Object.keys(names), 1);
  throw new TypeError(`${of} has no option "${wrong.slice(0, 80)}": the nearest is "${nearest}"`);
}
