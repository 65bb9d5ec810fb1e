/**
 * Reading the fields of a JSON object from outside: each of its kind, none unknown.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { isRecord } from "../weights/json.ts";
import { nearestNames } from "../weights/nearest_names.ts";
import { ApiError } from "./api_error.ts";

/** A field that is wrong: one line that ends with what to do. */
function wrong(name: string, value: unknown, what: string): ApiError {
  return new ApiError(400, `"${name}" is ${quote(value)}: give ${what}`);
}

/**
 * A JSON object whose fields are read one by one; absent and null are the same.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Fields } from "./fields.ts";
 *
 * const fields = new Fields({ prompt: "hello", top: 3 });
 * assert.equal(fields.text("prompt"), "hello");
 * assert.equal(fields.integer("top", { min: 1, max: 100 }), 3);
 * fields.end();
 * assert.throws(() => new Fields({ top: "3" }).integer("top"), /"top" is "3": give a whole number/);
 * ```
 */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #known = new Set<string>();

  constructor(record: Readonly<Record<string, unknown>>, path: string = "") {
    this.#record = record;
    this.#path = path;
  }

  #value(name: string): unknown {
    this.#known.add(name);
    return Object.hasOwn(this.#record, name) ? this.#record[name] ?? undefined : undefined;
  }

  /** A text. */
  text(name: string, { max = 1000 }: { readonly max?: number } = {}): string | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw wrong(this.#path + name, value, "a text");
    if (value.length > max) throw wrong(this.#path + name, value, `a text of at most ${max} characters`);
    return value;
  }

  /** One of some texts. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw wrong(this.#path + name, value, `one of ${choices.join(", ")}`);
    return found;
  }

  /** True or false. */
  flag(name: string): boolean | undefined {
    const value = this.#value(name);
    if (value === undefined || typeof value === "boolean") return value;
    throw wrong(this.#path + name, value, "true or false");
  }

  /** A whole number. */
  integer(
    name: string,
    { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } =
      {},
  ): number | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw wrong(this.#path + name, value, "a whole number");
    }
    if (value < min || value > max) throw wrong(this.#path + name, value, `a whole number from ${min} to ${max}`);
    return value;
  }

  /** A list of values that each pass a test. */
  list<T>(
    name: string,
    test: (item: unknown) => item is T,
    { what, max = 100 }: { readonly what: string; readonly max?: number },
  ): readonly T[] | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every(test)) throw wrong(this.#path + name, value, `a list of ${what}`);
    if (value.length > max) throw wrong(this.#path + name, value, `at most ${max}`);
    return value;
  }

  /** An object of its own. */
  object(name: string): Fields | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (!isRecord(value)) throw wrong(this.#path + name, value, "an object");
    return new Fields(value, `${this.#path}${name}.`);
  }

  /** Every field has been asked for. @throws {ApiError} 400 if there is another */
  end(): void {
    const other = Object.keys(this.#record).find((name) => !this.#known.has(name));
    if (other === undefined) return;
    const [nearest] = nearestNames(other, [...this.#known], 1);
    throw new ApiError(
      400,
      `Unknown field ${quote(this.#path + other)}: the nearest is "${this.#path}${nearest}"`,
    );
  }
}
