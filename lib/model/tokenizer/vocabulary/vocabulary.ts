/**
 * The tokens and merges of a `tokenizer.json`, found where they stand in its text. A vocabulary has up to 300,000 tokens
 * and twice as many merges, of which a prompt needs a few hundred: no object is made of the others.
 *
 * @module
 */
import { excerpt, quote } from "../../../quote.ts";
import { hashOf, Irregular, type JsonScanner } from "./json_scanner.ts";
import { mix, Numbers } from "./numbers.ts";

/** Far above any vocabulary (the largest have about 300,000 tokens). */
export const MAX_TOKEN_ID = 16_777_215;

/** The ids of tokens, and back. */
export interface Vocabulary {
  /** How many tokens it has. */
  readonly size: number;
  /** The largest id; −1 if there is none. */
  readonly largestId: number;
  /** The id of a token. */
  id(token: string): number | undefined;
  /** The token of an id. */
  token(id: number): string | undefined;
}

/** Entries by their hashes. */
class HashTable {
  readonly #hashes = new Numbers();
  /** Entries plus 1 where their hashes put them; made when the first one is looked for. */
  #slots: Int32Array | undefined;

  /** How many entries there are. */
  get size(): number {
    return this.#hashes.length;
  }

  /** The next entry. */
  add(hash: number): void {
    this.#hashes.push(hash);
  }

  /** The last of the entries with a hash for which `is` holds; −1 if there is none. */
  find(hash: number, is: (entry: number) => boolean): number {
    const slots = this.#slots ??= this.#placed();
    const { data } = this.#hashes;
    for (let slot = mix(hash) & (slots.length - 1);; slot = (slot + 1) & (slots.length - 1)) {
      const entry = slots[slot] - 1;
      if (entry < 0 || (data[entry] === hash && is(entry))) return entry;
    }
  }

  /** Last entries first: of equal ones the last counts. */
  #placed(): Int32Array {
    const { data, length } = this.#hashes;
    const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * length + 2)));
    for (let entry = length - 1; entry >= 0; entry--) {
      let slot = mix(data[entry]) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = entry + 1;
    }
    return slots;
  }
}

const QUOTE = '"';

/** The tokens of `{ "token": id, … }`. */
export class TextVocabulary implements Vocabulary {
  readonly #text: string;
  /** By entry, where its token starts; it ends before a quote. */
  readonly #starts = new Numbers();
  readonly #ids = new Numbers();
  /** Of tokens written with escapes. */
  readonly #escaped = new Map<number, string>();
  readonly #table = new HashTable();
  #entries: Int32Array | undefined;
  largestId = -1;

  /** Reads where tokens are; the scanner stands before them. */
  constructor(text: string, scanner: JsonScanner) {
    this.#text = text;
    const add = (start: number, hash: number, id: number): void => {
      this.#table.add(hash);
      this.#starts.push(start);
      this.#ids.push(id);
      if (id > this.largestId) this.largestId = id;
    };
    scanner.object(() => {
      const { start, isEscaped, hash } = scanner;
      const token = isEscaped ? scanner.text() : undefined;
      if (token !== undefined) this.#escaped.set(this.#table.size, token);
      const id = scanner.integer();
      if (id < 0 || id > MAX_TOKEN_ID) {
        const said = id < 0 ? excerpt(scanner.skip()) : id;
        throw new Irregular(`token ${quote(this.#token(this.#table.size, start))} has the id ${said}`);
      }
      add(start, token === undefined ? hash : hashOf(token), id);
    }, add);
  }

  get size(): number {
    return this.#table.size;
  }

  id(token: string): number | undefined {
    const entry = this.#table.find(hashOf(token), (one) => this.#isAt(one, token));
    return entry < 0 ? undefined : this.#ids.data[entry];
  }

  token(id: number): string | undefined {
    const entry = (this.#entries ??= this.#entriesById())[id] ?? -1;
    return entry < 0 ? undefined : this.#token(entry, this.#starts.data[entry]);
  }

  #isAt(entry: number, token: string): boolean {
    const escaped = this.#escaped.size > 0 ? this.#escaped.get(entry) : undefined;
    return escaped === undefined ? stands(this.#text, token, this.#starts.data[entry], QUOTE) : escaped === token;
  }

  #token(entry: number, start: number): string {
    return this.#escaped.get(entry) ?? this.#text.slice(start, this.#text.indexOf(QUOTE, start));
  }

  /** By id, which token. */
  #entriesById(): Int32Array {
    const entries = new Int32Array(this.largestId + 1).fill(-1);
    const { data, length } = this.#ids;
    for (let entry = 0; entry < length; entry++) entries[data[entry]] = entry;
    return entries;
  }
}

/** The merges of `[["a", "b"], …]` or `["a b", …]`, of which the first go before the others. */
export class Merges {
  readonly #text: string;
  /** By merge, where its parts start. */
  readonly #lefts = new Numbers();
  readonly #rights = new Numbers();
  /** Of merges written with escapes. */
  readonly #escaped = new Map<number, readonly [left: string, right: string]>();
  readonly #table = new HashTable();
  /** What ends a left part. */
  #leftEnd: string | undefined;

  /** Reads where merges are; the scanner stands before them. */
  constructor(text: string, scanner: JsonScanner) {
    this.#text = text;
    scanner.list(() => {
      const leftEnd = scanner.isAtString() ? " " : QUOTE;
      if (leftEnd !== (this.#leftEnd ??= leftEnd)) throw new Irregular("some merges are texts and some are pairs");
      if (leftEnd === " ") this.#addJoined(scanner);
      else this.#addPair(scanner);
    });
  }

  /** The place of a merge among all. */
  rank(left: string, right: string): number | undefined {
    const rank = this.#table.find(pairHash(hashOf(left), hashOf(right)), (one) => this.#isAt(one, left, right));
    return rank < 0 ? undefined : rank;
  }

  #isAt(rank: number, left: string, right: string): boolean {
    const escaped = this.#escaped.size > 0 ? this.#escaped.get(rank) : undefined;
    if (escaped) return escaped[0] === left && escaped[1] === right;
    return stands(this.#text, left, this.#lefts.data[rank], this.#leftEnd!) &&
      stands(this.#text, right, this.#rights.data[rank], QUOTE);
  }

  #addPair(scanner: JsonScanner): void {
    scanner.openList();
    scanner.string();
    const { start, end, isEscaped, hash } = scanner;
    const left = isEscaped ? scanner.text() : undefined;
    scanner.comma();
    scanner.string();
    if (isEscaped || scanner.isEscaped) this.#addEscaped(left ?? this.#text.slice(start, end), scanner.text());
    else this.#add(start, scanner.start, pairHash(hash, scanner.hash));
    scanner.closeList();
  }

  #addJoined(scanner: JsonScanner): void {
    scanner.string();
    const text = scanner.text();
    if (text.startsWith("#version")) return;
    const space = text.indexOf(" ");
    if (space < 0 || text.includes(" ", space + 1)) throw new Irregular("a merge has not 2 parts");
    const [left, right] = [text.slice(0, space), text.slice(space + 1)];
    if (scanner.isEscaped) this.#addEscaped(left, right);
    else this.#add(scanner.start, scanner.start + space + 1, pairHash(hashOf(left), hashOf(right)));
  }

  #addEscaped(left: string, right: string): void {
    this.#escaped.set(this.#table.size, [left, right]);
    this.#add(0, 0, pairHash(hashOf(left), hashOf(right)));
  }

  #add(left: number, right: number, hash: number): void {
    this.#table.add(hash);
    this.#lefts.push(left);
    this.#rights.push(right);
  }
}

/** Whether a text is at a place, and what ends it behind. */
function stands(text: string, wanted: string, start: number, end: string): boolean {
  return text.startsWith(wanted, start) && text[start + wanted.length] === end;
}

function pairHash(left: number, right: number): number {
  return (Math.imul(left, 0x9e3779b1) + right) | 0;
}
