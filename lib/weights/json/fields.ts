/**
 * Reading the fields of a JSON object from outside: each of its kind, none unknown.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { isRecord } from "./json.ts";
import { meantName } from "../../nearest_names.ts";

/** Makes the error for something wrong: one line that ends with what to do. */
export type Fail = (message: string) => Error;

/** A JSON object whose fields are read one by one; absent and null are the same. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #fail: Fail;
  readonly #path: string;
  readonly #known = new Set<string>();

  /** @param path of the object in the document: `metric.`, `attributions[0].` */
  constructor(value: unknown, fail: Fail, path: string = "") {
    if (!isRecord(value)) {
      throw fail(`${path === "" ? "it" : `"${path.slice(0, -1)}"`} is ${quote(value)}: give an object`);
    }
    this.#record = value;
    this.#fail = fail;
    this.#path = path;
  }

  /** A value that passes a test. */
  value<T>(name: string, test: (value: unknown) => value is T, what: string): T | undefined {
    this.#known.add(name);
    const value = Object.hasOwn(this.#record, name) ? this.#record[name] ?? undefined : undefined;
    if (value === undefined || test(value)) return value;
    throw this.wrong(name, value, what);
  }

  /** What has been read must be there. */
  need<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw this.#fail(`"${this.#path}${name}" is missing`);
    return value;
  }

  /** A text. */
  text(name: string, { max = 1000 }: { readonly max?: number } = {}): string | undefined {
    const text = this.value(name, (value): value is string => typeof value === "string", "a text");
    if (text !== undefined && text.length > max) throw this.wrong(name, text, `a text of at most ${max} characters`);
    return text;
  }

  /** One of some texts. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    return this.value(name, (value): value is T => choices.includes(value as T), `one of ${choices.join(", ")}`);
  }

  /** True or false. */
  flag(name: string): boolean | undefined {
    return this.value(name, (value): value is boolean => typeof value === "boolean", "true or false");
  }

  /** A number. */
  number(name: string): number | undefined {
    return this.value(name, (value): value is number => typeof value === "number", "a number");
  }

  /** A whole number. */
  integer(
    name: string,
    { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } =
      {},
  ): number | undefined {
    const number = this.value(name, (value): value is number => Number.isSafeInteger(value), "a whole number");
    if (number === undefined || (number >= min && number <= max)) return number;
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw this.wrong(name, number, `a whole number ${range}`);
  }

  /** A list of values that each pass a test. */
  list<T>(
    name: string,
    test: (item: unknown) => item is T,
    { what, max = 100 }: { readonly what: string; readonly max?: number },
  ): readonly T[] | undefined {
    const isList = (value: unknown): value is readonly T[] => Array.isArray(value) && value.every(test);
    const list = this.value(name, isList, `a list of ${what}`);
    if (list !== undefined && list.length > max) throw this.wrong(name, list, `at most ${max}`);
    return list;
  }

  /** An object of its own. */
  object(name: string): Fields | undefined {
    const object = this.value(name, isRecord, "an object");
    return object && new Fields(object, this.#fail, `${this.#path}${name}.`);
  }

  /** A list of objects, each read; empty where there is none. */
  objects<T>(name: string, read: (fields: Fields) => T): T[] {
    const list = this.value(name, (value): value is unknown[] => Array.isArray(value), "a list of objects") ?? [];
    return list.map((item, i) => read(new Fields(item, this.#fail, `${this.#path}${name}[${i}].`)));
  }

  /** Every field has been asked for. */
  end(): void {
    const other = Object.keys(this.#record).find((name) => !this.#known.has(name));
    if (other === undefined) return;
    const meant = meantName(other, this.#known);
    const advice = meant === undefined
      ? `there are ${shownNames([...this.#known])}`
      : `the nearest is "${this.#path}${meant}"`;
    throw this.#fail(`Unknown field ${quote(this.#path + other)}: ${advice}`);
  }

  /** One object of a list, which passed a test before. */
  item(name: string, i: number): Fields {
    return new Fields((this.#record[name] as unknown[])[i], this.#fail, `${this.#path}${name}[${i}].`);
  }

  /** What is wrong with a value, and what it should be. */
  wrong(name: string, value: unknown, what: string): Error {
    return this.#fail(`"${this.#path}${name}" is ${quote(value)}: give ${what}`);
  }
}

/** Of many names a message has the first. */
const MOST_NAMES = 12;

function shownNames(names: readonly string[]): string {
  const left = names.length - MOST_NAMES;
  return names.slice(0, MOST_NAMES).join(", ") + (left > 0 ? ` and ${left} more` : "");
}
