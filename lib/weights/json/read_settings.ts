/**
 * Which settings of a file were read, so that those which were not can be named.
 *
 * @module
 */
import { isRecord } from "./json.ts";

/** A JSON object whose settings are noted as they are read, those of objects in it as `outer.inner`. */
export class ReadSettings {
  /** The object, to be read. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #read = new Set<string>();
  readonly #inner = new Map<string, ReadSettings>();

  constructor(value: Readonly<Record<string, unknown>>) {
    this.#value = value;
    this.value = new Proxy(value, { get: (_, key) => typeof key === "string" ? this.#get(key) : undefined });
  }

  #get(key: string): unknown {
    if (!Object.hasOwn(this.#value, key)) return undefined;
    this.#read.add(key);
    const value = this.#value[key];
    if (!isRecord(value)) return value;
    const inner = this.#inner.get(key) ?? new ReadSettings(value);
    this.#inner.set(key, inner);
    return inner.value;
  }

  /** Nothing has been read. */
  forget(): void {
    this.#read.clear();
    this.#inner.clear();
  }

  /** Names of what was not read. */
  unread(): string[] {
    return Object.keys(this.#value).flatMap((key) =>
      !this.#read.has(key) ? [key] : (this.#inner.get(key)?.unread() ?? []).map((name) => `${key}.${name}`)
    );
  }
}
