/**
 * Reading settings of somebody else's JSON: every value is checked, errors name the file and the setting.
 *
 * @module
 */
import { quote } from "./quote.ts";

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

const MAX_SIZE = 2 ** 31 - 1;

/** Readers of one file's settings; null is as good as absent. */
export interface SettingsReader {
  /** A whole number from 1 to `most`. @throws {TypeError} if it is none, or missing */
  size(json: Json, key: string, most?: number): number;
  /** A number above 0; undefined where there is none. @throws {TypeError} if it is something else */
  positive(json: Json, key: string): number | undefined;
  /** A text; undefined where there is none. @throws {TypeError} if it is something else */
  text(json: Json, key: string): string | undefined;
  /** True or false; undefined where there is none. @throws {TypeError} if it is something else */
  flag(json: Json, key: string): boolean | undefined;
  /** One of some texts. @throws {RangeError} if it is another */
  choice<T extends string>(json: Json, key: string, choices: readonly T[], fallback: T): T;
  /** An object; undefined where there is none. @throws {TypeError} if it is something else */
  section(json: Json, key: string): Json | undefined;
}

/**
 * Readers of a file's settings.
 *
 * @param file what errors call it
 */
export function settingsReader(file: string): SettingsReader {
  const wrong = (key: string, value: unknown, what: string): TypeError =>
    new TypeError(`${file}: "${key}" is ${quote(value)}, not ${what}`);
  const read = <T>(is: (value: unknown) => value is T, what: string) => (json: Json, key: string): T | undefined => {
    const value = json[key] ?? undefined;
    if (value === undefined || is(value)) return value;
    throw wrong(key, value, what);
  };
  return {
    size(json, key, most = MAX_SIZE) {
      const value = json[key] ?? undefined;
      if (value === undefined) throw new TypeError(`${file} has no "${key}"`);
      if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most) return value;
      throw wrong(key, value, `a whole number from 1 to ${most}`);
    },
    positive: read(
      (value): value is number => typeof value === "number" && value > 0 && Number.isFinite(value),
      "a positive number",
    ),
    text: read((value) => typeof value === "string", "a text"),
    flag: read((value) => typeof value === "boolean", "true or false"),
    choice(json, key, choices, fallback) {
      const value = json[key] ?? fallback;
      const found = choices.find((choice) => choice === value);
      if (found !== undefined) return found;
      throw new RangeError(`${file}: "${key}" is ${quote(value)}; supported are ${choices.join(", ")}`);
    },
    section: read(
      (value): value is Json => typeof value === "object" && value !== null && !Array.isArray(value),
      "an object",
    ),
  };
}
