/**
 * Added tokens: texts that are one token wherever they stand, before anything else is done with a text.
 *
 * @module
 */
import { isRecord } from "../../weights/json/json.ts";
import { quote } from "../../quote.ts";
import { Budget } from "./regex/budget.ts";
import { characterSet, RUST_WORD, WHITE_SPACE } from "./regex/character_set.ts";
import { refused } from "./part.ts";
import { type Piece, slicePiece } from "./piece.ts";
import { Trie } from "./vocabulary/trie.ts";
import { MAX_TOKEN_ID, type Vocabulary } from "./vocabulary/vocabulary.ts";

/** A token as `added_tokens` of tokenizer.json, or another file, has it. */
export interface AddedToken {
  readonly content: string;
  /** Not where letters stand beside it. */
  readonly singleWord: boolean;
  /** Takes the space before it, behind it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is found in the normalized text, as its normalized content. */
  readonly normalized: boolean;
  readonly special: boolean;
  /** The id that the file says. */
  readonly id?: number;
  /** The file. */
  readonly file: string;
}

/** A piece that is a token already, or is not. */
export interface TokenPiece {
  readonly piece: Piece;
  readonly id?: number;
}

/** Reads one. */
export function readAddedToken(value: unknown, file: string, id?: unknown): AddedToken {
  if (!isRecord(value) || typeof value.content !== "string") throw refused("an added token has no content", file);
  const { content } = value;
  const flag = (key: string, absent: boolean): boolean => {
    const found = value[key] ?? absent;
    if (typeof found === "boolean") return found;
    throw refused(`its added token ${quote(content)} has ${key} ${quote(found)}`, file);
  };
  if (id !== undefined && !(Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) <= MAX_TOKEN_ID)) {
    throw refused(`its added token ${quote(content)} has the id ${quote(id)}`, file);
  }
  const special = flag("special", false);
  return {
    content,
    singleWord: flag("single_word", false),
    lstrip: flag("lstrip", false),
    rstrip: flag("rstrip", false),
    normalized: flag("normalized", !special),
    special,
    id: id as number | undefined,
    file,
  };
}

/** The added tokens of a tokenizer. */
export class AddedTokens {
  readonly #vocabulary: Vocabulary;
  readonly #ids = new Map<string, number>();
  readonly #tokens = new Map<number, AddedToken>();
  readonly #normalize: (text: string) => string;
  readonly #splitSpecial: boolean;
  readonly #budget = new Budget();
  readonly #raw: Trie | undefined;
  readonly #normalized: Trie | undefined;
  #largest = -1;

  /**
   * Adds tokens, those of `tokenizer.json` and then those of other files.
   *
   * @param splitSpecial special tokens are no tokens in a text
   */
  constructor(
    batches: readonly (readonly AddedToken[])[],
    vocabulary: Vocabulary,
    normalize: (text: string) => string,
    splitSpecial: boolean,
  ) {
    this.#vocabulary = vocabulary;
    this.#normalize = normalize;
    this.#splitSpecial = splitSpecial;
    for (const tokens of batches) this.#add(tokens);
    this.#raw = this.#trieOf(false);
    this.#normalized = this.#trieOf(true);
  }

  /** The largest id; −1 if there is none. */
  get largestId(): number {
    return this.#largest;
  }

  /** The id of a token. */
  id(content: string): number | undefined {
    return this.#ids.get(content);
  }

  /** What an id decodes to. */
  token(id: number): string | undefined {
    const token = this.#tokens.get(id);
    return token && (token.normalized ? this.#normalize(token.content) : token.content);
  }

  /** Cuts out the tokens that are found in the text as it is, or those that are found in the normalized text. */
  split(piece: Piece, isNormalized: boolean): TokenPiece[] {
    const trie = isNormalized ? this.#normalized : this.#raw;
    if (!trie) return [{ piece }];
    const made: TokenPiece[] = [];
    let from = 0;
    for (const { start, end, id } of this.#found(piece.text, trie)) {
      const token = this.#tokens.get(id)!;
      if (this.#splitSpecial && token.special) continue;
      if (token.singleWord && !isWordOfItsOwn(piece.text, start, end)) continue;
      const first = token.lstrip ? Math.max(spaceStart(piece.text, start), from) : start;
      const last = token.rstrip ? spaceEnd(piece.text, end) : end;
      if (last < first) {
        throw new RangeError(`Cannot encode this text: two added tokens take ${quote(piece.text.slice(last, first))}`);
      }
      if (first > from) made.push({ piece: slicePiece(piece, from, first) });
      if (last > first) made.push({ piece: slicePiece(piece, first, last), id }); // else the token before took its spaces
      from = last;
    }
    if (from < piece.text.length) made.push({ piece: slicePiece(piece, from, piece.text.length) });
    return made;
  }

  /** A token that the vocabulary has keeps its id, others get the next ones. */
  #add(tokens: readonly AddedToken[]): void {
    const { size } = this.#vocabulary;
    let next = this.#largest >= size || size === 0 ? this.#largest + 1 : size;
    for (const token of tokens) {
      const { content, id: said, file } = token;
      if (content === "") continue;
      const id = this.#ids.get(content) ?? this.#vocabulary.id(content) ?? next++;
      if (said !== undefined && said !== id) {
        throw refused(`its added token ${quote(content)} has the id ${said} where tokenizers gives it ${id}`, file);
      }
      this.#ids.set(content, id);
      this.#tokens.set(id, token);
      this.#largest = Math.max(this.#largest, id);
    }
  }

  #trieOf(isNormalized: boolean): Trie | undefined {
    const wanted = [...this.#tokens].filter(([, token]) => token.normalized === isNormalized);
    if (wanted.length === 0) return undefined;
    const trie = new Trie();
    for (const [id, { content }] of wanted) {
      const text = isNormalized ? this.#normalize(content) : content;
      if (text === "") throw refused(`its added token ${quote(content)} is normalized to nothing`);
      if (!trie.add(text, id)) {
        throw refused(`two of its added tokens are ${quote(text)} when normalized, and chance decides`);
      }
    }
    return trie;
  }

  /** The leftmost and of those the longest, again and again. */
  *#found(text: string, trie: Trie): Generator<{ start: number; end: number; id: number }> {
    this.#budget.start(text.length);
    for (let start = 0; start < text.length;) {
      let [end, id] = [-1, -1];
      trie.prefixes(text, start, this.#budget, (to, value) => [end, id] = [to, value]);
      if (end > 0) yield { start, end, id };
      start = end > 0 ? end : start + 1;
    }
  }
}

function isWordOfItsOwn(text: string, start: number, end: number): boolean {
  const word = characterSet(RUST_WORD);
  const before = Array.from(text.slice(Math.max(0, start - 2), start)).at(-1);
  const after = text.codePointAt(end);
  return !(before !== undefined && word.has(before.codePointAt(0)!)) && !(after !== undefined && word.has(after));
}

function spaceStart(text: string, end: number): number {
  let start = end;
  while (start > 0 && characterSet(WHITE_SPACE).has(text.charCodeAt(start - 1))) start--;
  return start;
}

function spaceEnd(text: string, start: number): number {
  let end = start;
  while (end < text.length && characterSet(WHITE_SPACE).has(text.charCodeAt(end))) end++;
  return end;
}
