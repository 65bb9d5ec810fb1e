/**
 * Settings of one part of a `tokenizer.json`. A part is read completely or refused: a setting that is not known here could
 * change the ids.
 *
 * @module
 */

import { isRecord } from "../../weights/json/json.ts";
import { excerpt, quote } from "../../quote.ts";
import { type Finder, textFinder } from "./piece.ts";
import { Regex } from "./regex/regex.ts";

/** How deep sequences of parts may stand in each other. */
const MAX_DEPTH = 8;

/** What cannot be used: an error in one line. */
export function refused(what: string, file = "tokenizer.json"): SyntaxError {
  return new SyntaxError(`Cannot use ${file}: ${what}: without tokenizer.json, a model takes token ids`);
}

/** A part, such as `{ "type": "Digits", "individual_digits": true }`. Say `done` when all settings were asked for. */
export class Part {
  /** Which kind of part it is. */
  readonly type: string;
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #place: string;
  readonly #depth: number;
  readonly #left: Set<string>;

  /** From what stands at a place of the file. */
  constructor(value: unknown, place: string, depth = 0) {
    if (depth > MAX_DEPTH) throw refused(`its ${place} is nested more than ${MAX_DEPTH} deep`);
    if (!isRecord(value)) throw refused(`its ${place} is ${quote(value)} where a part is due`);
    if (typeof value.type !== "string") throw refused(`its ${place} has no type`);
    this.type = value.type;
    this.#settings = value;
    this.#place = place;
    this.#depth = depth;
    this.#left = new Set(Object.keys(value));
    this.#left.delete("type");
  }

  /** What to throw about it. */
  refused(what: string): SyntaxError {
    return refused(`its ${this.#place} ${quote(this.type)} ${what}`);
  }

  /** A setting as it stands there; null where it does not. */
  value(key: string): unknown {
    this.#left.delete(key);
    return this.#settings[key] ?? null;
  }

  /** A text. */
  text(key: string, absent?: string): string {
    const value = this.value(key) ?? absent;
    if (typeof value !== "string") throw this.#wrong(key, "a text");
    return value;
  }

  /** A text, or that there is none. */
  optionalText(key: string): string | undefined {
    return this.value(key) === null ? undefined : this.text(key);
  }

  /** One character. */
  character(key: string): string {
    const value = this.text(key);
    if ([...value].length !== 1) throw this.#wrong(key, "one character");
    return value;
  }

  /** Yes or no. */
  flag(key: string, absent?: boolean): boolean {
    const value = this.value(key) ?? absent;
    if (typeof value !== "boolean") throw this.#wrong(key, "true or false");
    return value;
  }

  /** A whole number from 0 on. */
  count(key: string, most: number, absent?: number): number {
    const value = this.value(key) ?? absent;
    if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most) {
      throw this.#wrong(key, `a whole number from 0 to ${most}`);
    }
    return value as number;
  }

  /** One of several words. */
  choice<Word extends string>(key: string, words: readonly Word[], absent?: Word): Word {
    const value = (this.value(key) ?? absent) as Word;
    if (!words.includes(value)) throw this.#wrong(key, words.join(", "));
    return value;
  }

  /** The parts of a sequence. */
  parts(key: string): Part[] {
    const value = this.value(key);
    if (!Array.isArray(value)) throw this.#wrong(key, "a list");
    return value.map((one) => new Part(one, this.#place, this.#depth + 1));
  }

  /** `{ "String": … }` or `{ "Regex": … }`. */
  pattern(key: string): { readonly text: string; readonly isRegex: boolean } {
    const value = this.value(key);
    const [[kind, text] = [], ...more] = isRecord(value) ? Object.entries(value) : [];
    if (more.length > 0 || (kind !== "String" && kind !== "Regex") || typeof text !== "string") {
      throw this.#wrong(key, '{"String": …} or {"Regex": …}');
    }
    return { text, isRegex: kind === "Regex" };
  }

  /** Settings that say nothing about ids. */
  ignore(...keys: string[]): void {
    for (const key of keys) this.#left.delete(key);
  }

  /** Nothing else may stand there. */
  done(): void {
    for (const key of this.#left) {
      if (this.#settings[key] !== null) throw this.refused(`has the setting ${quote(key)}, which is not known here`);
    }
  }

  #wrong(key: string, due: string): SyntaxError {
    return this.refused(`has ${key} ${quote(this.#settings[key])} where ${due} is due`);
  }
}

/** The mark that stands for a space, and where it is put in front of a text. */
export function readMetaspace(part: Part): { readonly mark: string; readonly scheme: "first" | "never" | "always" } {
  part.ignore("str_rep");
  const mark = part.character("replacement");
  const scheme = part.choice("prepend_scheme", ["first", "never", "always"], "always");
  if (part.value("add_prefix_space") === false && scheme !== "never") {
    throw part.refused(`has add_prefix_space false and prepend_scheme ${scheme}`);
  }
  return { mark, scheme };
}

/** What finds a part's pattern, and whether it may find nothing at all between two characters. */
export function readPattern(part: Part): { readonly find: Finder; readonly canBeEmpty: boolean } {
  const { text, isRegex } = part.pattern("pattern");
  if (!isRegex && text !== "") return { find: textFinder(text), canBeEmpty: false };
  try {
    const regex = new Regex(text);
    return { find: (inside) => regex.find(inside), canBeEmpty: regex.canBeEmpty };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw part.refused(`has a pattern that is not known here: it ${excerpt(reason)}`);
  }
}
