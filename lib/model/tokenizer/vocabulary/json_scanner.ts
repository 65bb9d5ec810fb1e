/**
 * Goes through JSON without making an object of all of it.
 *
 * @module
 */

import { MULTIPLIER } from "./numbers.ts";

/** Why a text cannot be gone through; whoever parses all of it may find that it is no JSON at all. */
export class Irregular extends Error {}

const [QUOTE, COMMA, COLON, BACKSLASH] = [34, 44, 58, 92];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];

/** The hash of a string. */
export function hashOf(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, MULTIPLIER) + text.charCodeAt(at)) | 0;
  return hash;
}

/** Goes through a JSON text. What it steps over is not checked. */
export class JsonScanner {
  /** Where the last string stands, without its quotes. */
  start = 0;
  end = 0;
  /** It has backslashes. */
  isEscaped = false;
  /** The hash of its characters as they stand there. */
  hash = 0;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next character that is no space. */
  peek(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 32 || code === 10 || code === 13 || code === 9) code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  /** There is a string next. */
  isAtString(): boolean {
    return this.peek() === QUOTE;
  }

  /** There is an object next. */
  isAtObject(): boolean {
    return this.peek() === OPEN_OBJECT;
  }

  /** There is a list next. */
  isAtList(): boolean {
    return this.peek() === OPEN_LIST;
  }

  /** There is nothing left. */
  isAtEnd(): boolean {
    return Number.isNaN(this.peek());
  }

  /**
   * An object's entries: steps over each key, then calls `entry`, which steps over the value.
   *
   * @param plain gets entries with a number instead, where nothing about them is unusual: where the key starts, its hash,
   * the number
   */
  object(entry: () => void, plain?: (start: number, hash: number, value: number) => void): void {
    this.#inside(OPEN_OBJECT, CLOSE_OBJECT, () => {
      if (plain) this.#plainEntries(plain);
      this.string();
      this.#expect(COLON);
      entry();
    });
  }

  /**
   * Steps over entries `"key": 12,` of up to 7 digits, without backslashes, each with its comma: all but a few of a
   * vocabulary. The engine compiles this loop before it compiles what is called once for each of 50,000 entries.
   */
  #plainEntries(visit: (start: number, hash: number, value: number) => void): void {
    const text = this.#text;
    for (let code = this.peek(); code === QUOTE; code = this.peek()) {
      const start = this.#at + 1;
      let at = start;
      let hash = 0;
      for (
        code = text.charCodeAt(at);
        code !== QUOTE && code !== BACKSLASH && code >= 32;
        code = text.charCodeAt(++at)
      ) {
        hash = (Math.imul(hash, MULTIPLIER) + code) | 0;
      }
      if (code !== QUOTE || text.charCodeAt(++at) !== COLON) return;
      if (text.charCodeAt(++at) === 32) at++;
      const first = at;
      let value = 0;
      for (code = text.charCodeAt(at); code >= 48 && code <= 57; code = text.charCodeAt(++at)) {
        value = 10 * value + code - 48;
      }
      if (code !== COMMA || at === first || at - first > 7) return;
      this.#at = at + 1;
      visit(start, hash, value);
    }
  }

  /** A list's items: calls `item`, which steps over one. */
  list(item: () => void): void {
    this.#inside(OPEN_LIST, CLOSE_LIST, item);
  }

  /** Steps into a list, over a comma, out of a list. */
  openList(): void {
    this.#expect(OPEN_LIST);
  }
  comma(): void {
    this.#expect(COMMA);
  }
  closeList(): void {
    this.#expect(CLOSE_LIST);
  }

  #inside(open: number, close: number, step: () => void): void {
    this.#expect(open);
    if (this.peek() === close) {
      this.#at++;
      return;
    }
    for (let code = COMMA; code === COMMA;) {
      step();
      code = this.peek();
      if (code !== COMMA && code !== close) throw new Irregular("it is damaged");
      this.#at++;
    }
  }

  #expect(code: number): void {
    if (this.peek() !== code) throw new Irregular(`it has no ${String.fromCharCode(code)} where one is due`);
    this.#at++;
  }

  /** Steps over a string. */
  string(): void {
    this.#expect(QUOTE);
    this.#string(this.#at);
  }

  /** The string whose first character is at a place; returns the place after its quote. */
  #string(start: number): number {
    const text = this.#text;
    let at = start;
    let hash = 0;
    let isEscaped = false;
    for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(++at)) {
      if (code === BACKSLASH) {
        isEscaped = true;
        at++;
      } else if (code < 32 || code !== code) throw new Irregular("it is damaged"); // no JSON, or its end
      hash = (Math.imul(hash, MULTIPLIER) + code) | 0;
    }
    this.start = start;
    this.end = at;
    this.hash = hash;
    this.isEscaped = isEscaped;
    return this.#at = at + 1;
  }

  /** The last string's characters. */
  text(): string {
    return this.isEscaped
      ? JSON.parse(this.#text.slice(this.start - 1, this.end + 1))
      : this.#text.slice(this.start, this.end);
  }

  /** Steps over a whole number that is not negative; −1 where there is none. */
  integer(): number {
    const text = this.#text;
    this.peek();
    let at = this.#at;
    let value = 0;
    let code = text.charCodeAt(at);
    for (; code >= 48 && code <= 57; code = text.charCodeAt(++at)) value = 10 * value + code - 48;
    const isWhole = at > this.#at && at - this.#at <= 8 && (code === COMMA || code === CLOSE_OBJECT || code <= 32);
    if (isWhole) this.#at = at;
    return isWhole ? value : -1;
  }

  /** Steps over a value and returns its text. */
  skip(): string {
    this.peek();
    const start = this.#at;
    let depth = 0;
    do {
      const code = this.peek();
      if (code === QUOTE) this.string();
      else if (code === OPEN_LIST || code === OPEN_OBJECT) [depth, this.#at] = [depth + 1, this.#at + 1];
      else if (code === CLOSE_LIST || code === CLOSE_OBJECT) [depth, this.#at] = [depth - 1, this.#at + 1];
      else if (depth > 0 && (code === COMMA || code === COLON)) this.#at++;
      else this.#word();
    } while (depth > 0);
    return this.#text.slice(start, this.#at);
  }

  /** A number, true, false or null. */
  #word(): void {
    const word = /[\w.+-]+/y;
    word.lastIndex = this.#at;
    if (!word.test(this.#text)) throw new Irregular("it is damaged");
    this.#at = word.lastIndex;
  }
}
