/**
 * Values of a `cfg.json`, checked; errors name the setting.
 *
 * @module
 */
import { quote } from "../quote.ts";

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

const MAX_SIZE = 2 ** 31 - 1;

/** A whole number from 1 to `most`. @throws {TypeError} if it is none, or missing */
export function size(json: Json, key: string, most: number = MAX_SIZE): number {
  const value = json[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > most) {
    throw new TypeError(`cfg.json: "${key}" is ${quote(value)}, not a whole number from 1 to ${most}`);
  }
  return value;
}

/** A text; undefined where there is none. @throws {TypeError} if it is something else */
export function text(json: Json, key: string): string | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && typeof value !== "string") {
    throw new TypeError(`cfg.json: "${key}" is ${quote(value)}, not a text`);
  }
  return value;
}

/** True or false; undefined where there is none. @throws {TypeError} if it is something else */
export function boolean(json: Json, key: string): boolean | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && typeof value !== "boolean") {
    throw new TypeError(`cfg.json: "${key}" is ${quote(value)}, not true or false`);
  }
  return value;
}

/** One of some texts. @throws {RangeError} if it is another */
export function choice<T extends string>(json: Json, key: string, choices: readonly T[], fallback: T): T {
  const value = json[key] ?? fallback;
  if (!choices.includes(value as T)) {
    throw new RangeError(`cfg.json: "${key}" is ${quote(value)}; supported are ${choices.join(", ")}`);
  }
  return value as T;
}

/** An object; undefined where there is none. @throws {TypeError} if it is something else */
export function record(json: Json, key: string): Json | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && (typeof value !== "object" || Array.isArray(value))) {
    throw new TypeError(`cfg.json: "${key}" is ${quote(value)}, not an object`);
  }
  return value as Json | undefined;
}

/** How many features a top-k architecture keeps: no more than there are. */
export function keptFeatures(json: Json, key: string, dSae: number): number {
  const k = size(json, key);
  if (k > dSae) throw new RangeError(`cfg.json: "${key}" is ${k}, more than the ${dSae} features`);
  return k;
}
