/**
 * What `console.log` shows of an object that holds a model, a run or files: a few lines, not all that it is made of.
 *
 * @module
 */

/** Under which name Deno looks for it. */
export const DENO_INSPECT: unique symbol = Symbol.for("Deno.customInspect") as never;

/** How Deno shows a value. */
export type Inspect = (value: unknown, options?: unknown) => string;

/** An object's name and some fields, laid out as those of any object; what is undefined is left out. */
export function showFields(
  name: string,
  fields: Readonly<Record<string, unknown>>,
  inspect: Inspect,
  options: unknown,
): string {
  const there = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  return `${name} ${inspect(there, options)}`;
}
