/**
 * Where the tokens and merges of a `tokenizer.json` stand in its text. A vocabulary has up to 300,000 tokens and twice as
 * many merges, of which a prompt needs a few hundred: here they are found without making an object of each.
 *
 * @module
 */

/** A `tokenizer.json` whose vocabulary and merges are left in its text. */
export interface IndexedFile {
  /** All but the vocabulary and the merges of the model, which are empty. */
  readonly document: Readonly<Record<string, unknown>> & { readonly model: Readonly<Record<string, unknown>> };
  /** The vocabulary and the merges. */
  readonly index: VocabularyIndex;
}

/** The file is not as those that tokenizers write, or not JSON at all: whoever parses all of it will see. */
class Irregular extends Error {}

const [QUOTE, COMMA, COLON, BACKSLASH] = [34, 44, 58, 92];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];

/**
 * Looks through a `tokenizer.json`.
 *
 * @returns undefined if it is not a byte-pair encoding in the form that tokenizers write
 *
 * @example
 * ```ts
 * import { indexVocabulary } from "./vocabulary_index.ts";
 *
 * const { index } = indexVocabulary('{"model": {"type": "BPE", "vocab": {"a": 0, "ab": 1}, "merges": ["a b"]}}')!;
 * console.assert(index.id("ab") === 1 && index.token(0) === "a");
 * ```
 */
export function indexVocabulary(text: string): IndexedFile | undefined {
  try {
    const scanner = new Scanner(text);
    const index = new VocabularyIndex(text);
    const document = scanObject(scanner, (key) => key === "model" ? scanModel(scanner, index) : undefined);
    if (!scanner.isAtEnd() || !isBpe(document.model)) return undefined;
    return { document: document as IndexedFile["document"], index };
  } catch (error) {
    if (error instanceof Irregular || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isBpe(model: unknown): boolean {
  if (typeof model !== "object" || model === null || !("vocab" in model) || !("merges" in model)) return false;
  const { type, end_of_word_suffix, continuing_subword_suffix } = model as Record<string, unknown>;
  return type === "BPE" && !end_of_word_suffix && !continuing_subword_suffix; // then tokens are parts of words
}

function scanModel(scanner: Scanner, index: VocabularyIndex): object {
  return scanObject(scanner, (key) => {
    if (key === "vocab") return index.scanTokens(scanner);
    if (key === "merges") return index.scanMerges(scanner);
  });
}

/**
 * An object's entries.
 *
 * @param scanValue scans the values that are not to be parsed, and says what stands for them
 */
function scanObject(scanner: Scanner, scanValue: (key: string) => object | undefined): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (let more = scanner.open(OPEN_OBJECT, CLOSE_OBJECT); more; more = scanner.more(CLOSE_OBJECT)) {
    scanner.string();
    const key = scanner.text();
    if (Object.hasOwn(found, key) || key === "__proto__") throw new Irregular();
    scanner.expect(COLON);
    found[key] = scanValue(key) ?? JSON.parse(scanner.skip());
  }
  return found;
}

/** Goes through JSON. What it steps over is not checked. */
class Scanner {
  /** Where the last string stands, without its quotes. */
  start = 0;
  end = 0;
  /** It has backslashes. */
  isEscaped = false;
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

  expect(code: number): void {
    if (this.peek() !== code) throw new Irregular();
    this.#at++;
  }

  isAtEnd(): boolean {
    return Number.isNaN(this.peek());
  }

  /** Steps into brackets; false if there is nothing in them. */
  open(open: number, close: number): boolean {
    this.expect(open);
    if (this.peek() !== close) return true;
    this.#at++;
    return false;
  }

  /** Steps over the comma after an item; false at the end of the brackets. */
  more(close: number): boolean {
    const code = this.peek();
    if (code !== COMMA && code !== close) throw new Irregular();
    this.#at++;
    return code === COMMA;
  }

  /** Steps over a string. */
  string(): void {
    this.expect(QUOTE);
    const text = this.#text;
    let at = this.#at;
    this.start = at;
    this.isEscaped = false;
    for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(++at)) {
      if (code === BACKSLASH) {
        this.isEscaped = true;
        at++;
      } else if (code < 32 || code !== code) throw new Irregular(); // no JSON, or its end
    }
    this.end = at;
    this.#at = at + 1;
  }

  /** The last string's characters. */
  text(): string {
    return this.isEscaped
      ? JSON.parse(this.#text.slice(this.start - 1, this.end + 1))
      : this.#text.slice(this.start, this.end);
  }

  /** A whole number that is not negative. */
  integer(): number {
    this.peek();
    const start = this.#at;
    let value = 0;
    for (;; this.#at++) {
      const digit = this.#text.charCodeAt(this.#at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = 10 * value + digit;
    }
    if (this.#at === start || this.#at - start > 8) throw new Irregular();
    return value;
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
    if (!word.test(this.#text)) throw new Irregular();
    this.#at = word.lastIndex;
  }
}

/** Whole numbers one after another. */
class Numbers {
  data = new Uint32Array(1 << 12);
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) {
      const longer = new Uint32Array(2 * this.length);
      longer.set(this.data);
      this.data = longer;
    }
    this.data[this.length++] = value;
  }
}

/** The tokens and merges of a file's text. */
export class VocabularyIndex {
  readonly #text: string;
  /** Start, end and id of every token. */
  readonly #tokens = new Numbers();
  /** Of tokens written with escapes, which have no length there. */
  readonly #escaped = new Map<number, string>();
  /** Starts and ends of both parts of every merge. */
  readonly #merges = new Numbers();
  /** Of merges written with escapes, which have no length there. */
  readonly #escapedMerges = new Map<number, readonly [left: string, right: string]>();
  #largest = -1;
  #longest = 1;
  #entries: Int32Array | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** The largest id; −1 if there is none. */
  get largestId(): number {
    return this.#largest;
  }

  /** The characters of the longest token or merge. */
  get longest(): number {
    return this.#longest;
  }

  /** The token of an id. */
  token(id: number): string | undefined {
    const entry = (this.#entries ??= this.#entriesById())[id] ?? -1;
    return entry < 0 ? undefined : this.#token(entry);
  }

  /** The id of a token. */
  id(token: string): number | undefined {
    const { data, length } = this.#tokens;
    for (let at = length - 3; at >= 0; at -= 3) { // of several the last counts
      const size = data[at + 1] - data[at];
      if ((size === token.length || size === 0) && this.#token(at / 3) === token) return data[at + 2];
    }
    return undefined;
  }

  /** All tokens that are among some strings; without strings all. */
  tokens(visit: (token: string, id: number) => void, fragments?: Fragments): void {
    const text = this.#text;
    const { data, length } = this.#tokens;
    for (let at = 0; at < length; at += 3) {
      if (fragments) {
        const start = data[at];
        const size = data[at + 1] - start;
        if (size === 0) continue;
        if (!fragments.mayHave(size, text.charCodeAt(start), size > 1 ? text.charCodeAt(start + 1) : NaN)) continue;
      }
      const token = this.#token(at / 3);
      if (!fragments || fragments.has(token)) visit(token, data[at + 2]);
    }
    if (!fragments) return;
    for (const [entry, token] of this.#escaped) if (fragments.has(token)) visit(token, data[3 * entry + 2]);
  }

  /** All merges that make one of some strings, with their ranks; without strings all. */
  merges(visit: (left: string, right: string, rank: number) => void, fragments?: Fragments): void {
    const text = this.#text;
    const { data, length } = this.#merges;
    for (let at = 0; at < length; at += 4) {
      if (fragments) {
        const start = data[at];
        const size = data[at + 1] - start; // of the first part
        if (size === 0) continue;
        const second = text.charCodeAt(size > 1 ? start + 1 : data[at + 2]);
        if (!fragments.mayHave(size + data[at + 3] - data[at + 2], text.charCodeAt(start), second)) continue;
      }
      const [left, right] = this.#merge(at / 4);
      if (!fragments || fragments.has(left + right)) visit(left, right, at / 4);
    }
    if (!fragments) return;
    for (const [rank, [left, right]] of this.#escapedMerges) if (fragments.has(left + right)) visit(left, right, rank);
  }

  /** Reads where tokens are. */
  scanTokens(scanner: Scanner): object {
    for (let more = scanner.open(OPEN_OBJECT, CLOSE_OBJECT); more; more = scanner.more(CLOSE_OBJECT)) {
      scanner.string();
      if (scanner.isEscaped) this.#escaped.set(this.#tokens.length / 3, scanner.text());
      this.#longest = Math.max(this.#longest, scanner.end - scanner.start); // with escapes, longer than it is
      this.#tokens.push(scanner.start);
      this.#tokens.push(scanner.isEscaped ? scanner.start : scanner.end);
      scanner.expect(COLON);
      const id = scanner.integer();
      this.#tokens.push(id);
      if (id > this.#largest) this.#largest = id;
    }
    return {};
  }

  /** Reads where merges are: `["a", "b"]` or `"a b"`. */
  scanMerges(scanner: Scanner): object {
    for (let more = scanner.open(OPEN_LIST, CLOSE_LIST); more; more = scanner.more(CLOSE_LIST)) {
      if (scanner.peek() === QUOTE) this.#addJoined(scanner);
      else this.#addPair(scanner);
    }
    return [];
  }

  #addPair(scanner: Scanner): void {
    scanner.expect(OPEN_LIST);
    scanner.string();
    const { start, end, isEscaped } = scanner;
    const left = isEscaped ? scanner.text() : undefined;
    scanner.expect(COMMA);
    scanner.string();
    if (isEscaped || scanner.isEscaped) this.#addEscaped(left ?? this.#text.slice(start, end), scanner.text());
    else this.#addMerge(start, end, scanner.start, scanner.end);
    scanner.expect(CLOSE_LIST);
  }

  #addJoined(scanner: Scanner): void {
    scanner.string();
    const { start, end } = scanner;
    const space = this.#text.indexOf(" ", start);
    if (scanner.isEscaped) {
      const [left, right, ...more] = scanner.text().split(" ");
      if (right === undefined || more.length > 0) throw new Irregular();
      this.#addEscaped(left, right);
    } else if (space < 0 || space >= end || this.#text.slice(space + 1, end).includes(" ")) {
      throw new Irregular();
    } else this.#addMerge(start, space, space + 1, end);
  }

  #addEscaped(left: string, right: string): void {
    this.#longest = Math.max(this.#longest, left.length + right.length);
    this.#escapedMerges.set(this.#merges.length / 4, [left, right]);
    this.#addMerge(0, 0, 0, 0);
  }

  #addMerge(start: number, end: number, rightStart: number, rightEnd: number): void {
    this.#longest = Math.max(this.#longest, end - start + rightEnd - rightStart);
    this.#merges.push(start);
    this.#merges.push(end);
    this.#merges.push(rightStart);
    this.#merges.push(rightEnd);
  }

  #token(entry: number): string {
    const { data } = this.#tokens;
    const [start, end] = [data[3 * entry], data[3 * entry + 1]];
    return start === end ? this.#escaped.get(entry) ?? "" : this.#text.slice(start, end);
  }

  #merge(rank: number): readonly [left: string, right: string] {
    const { data } = this.#merges;
    const at = 4 * rank;
    if (data[at] === data[at + 1]) return this.#escapedMerges.get(rank) ?? ["", ""];
    return [this.#text.slice(data[at], data[at + 1]), this.#text.slice(data[at + 2], data[at + 3])];
  }

  /** By id, which token. */
  #entriesById(): Int32Array {
    const entries = new Int32Array(this.#largest + 1).fill(-1);
    const { data, length } = this.#tokens;
    for (let at = 0; at < length; at += 3) entries[data[at + 2]] = at / 3;
    return entries;
  }
}

/** All strings up to a length that are parts of some words. */
export class Fragments {
  readonly #longest: number;
  readonly #all = new Set<string>();
  /** Which pairs of characters are in the words, by some of their bits. */
  readonly #pairs = new Uint8Array(PAIRS);

  /** Of no word yet. */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** Adds a word's parts. */
  add(word: string): void {
    for (let start = 0; start < word.length; start++) {
      this.#pairs[pairOf(word.charCodeAt(start), word.charCodeAt(start + 1))] = 1;
      const last = Math.min(word.length, start + this.#longest);
      for (let end = start + 1; end <= last; end++) this.#all.add(word.slice(start, end));
    }
  }

  /** Whether a string is a part. */
  has(text: string): boolean {
    return this.#all.has(text);
  }

  /** Whether a string may be one, by its first two characters (of a single character always). */
  mayHave(length: number, first: number, second: number): boolean {
    return length === 1 || this.#pairs[pairOf(first, second)] === 1;
  }
}

const PAIRS = 1 << 16;

function pairOf(first: number, second: number): number {
  return (first * 257 + second) & (PAIRS - 1);
}
