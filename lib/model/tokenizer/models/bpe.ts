/**
 * Byte-pair encoding: a word's characters, joined pair by pair in the order of the merges.
 *
 * @module
 */
import { quote } from "../../../quote.ts";
import { type Part } from "../part.ts";
import type { Merges, Vocabulary } from "../vocabulary/vocabulary.ts";

/** Appends the ids of a word. */
export type WordModel = (word: string, ids: number[]) => void;

/** How many words and pairs are remembered. */
const MAX_REMEMBERED = 100_000;
const MAX_REMEMBERED_LENGTH = 256;

/** What a pair becomes, and when. */
interface Merge {
  readonly rank: number;
  readonly id: number;
}

/** A byte-pair encoding as tokenizers 0.23.3 has it. */
export function createBpe(part: Part, vocabulary: Vocabulary, merges: Merges): WordModel {
  const settings = readSettings(part);
  const findMerge = mergeFinder(vocabulary, merges, settings.prefix);
  const symbolsOf = symbolReader(settings, vocabulary);
  const remembered = new Map<string, readonly number[]>();
  return (word, ids) => {
    const whole = settings.ignoreMerges ? vocabulary.id(word) : undefined;
    if (whole !== undefined) {
      ids.push(whole);
      return;
    }
    let made = remembered.get(word);
    if (!made) {
      made = mergeAll(symbolsOf(word), findMerge);
      if (word.length <= MAX_REMEMBERED_LENGTH && remembered.size < MAX_REMEMBERED) remembered.set(word, made);
    }
    for (const id of made) ids.push(id);
  };
}

interface Settings {
  readonly unknown: string | undefined;
  readonly prefix: string;
  readonly suffix: string;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
}

function readSettings(part: Part): Settings {
  const dropout = part.value("dropout");
  if (dropout !== null && dropout !== 0) throw part.refused(`has the dropout ${quote(dropout)}: it encodes by chance`);
  return {
    unknown: part.optionalText("unk_token"),
    prefix: part.optionalText("continuing_subword_prefix") ?? "",
    suffix: part.optionalText("end_of_word_suffix") ?? "",
    fuseUnknown: part.flag("fuse_unk", false),
    byteFallback: part.flag("byte_fallback", false),
    ignoreMerges: part.flag("ignore_merges", false),
  };
}

/** What each pair of ids becomes. */
function mergeFinder(vocabulary: Vocabulary, merges: Merges, prefix: string) {
  const remembered = new Map<number, Merge | null>();
  const find = (left: number, right: number): Merge | null => {
    const [first, second] = [vocabulary.token(left)!, vocabulary.token(right)!];
    const rank = merges.rank(first, second);
    if (rank === undefined) return null;
    if (!second.startsWith(prefix)) {
      throw new SyntaxError(
        `Cannot use tokenizer.json: it merges ${quote(second)}, which does not start with ${quote(prefix)}`,
      );
    }
    const joined = first + second.slice(prefix.length);
    const id = vocabulary.id(joined);
    if (id === undefined) {
      throw new SyntaxError(`Cannot use tokenizer.json: it merges to ${quote(joined)}, which is no token`);
    }
    return { rank, id };
  };
  return (left: number, right: number): Merge | null => {
    const key = left * 0x1000000 + right;
    let merge = remembered.get(key);
    if (merge === undefined) {
      merge = find(left, right);
      if (remembered.size < 10 * MAX_REMEMBERED) remembered.set(key, merge);
    }
    return merge;
  };
}

/** The ids that a word starts with: one a character, or one a byte, or unknown. */
function symbolReader(settings: Settings, vocabulary: Vocabulary): (word: string) => number[] {
  const { unknown, prefix, suffix, fuseUnknown, byteFallback } = settings;
  const encoder = new TextEncoder();
  const bytesOf = (spelling: string): number[] | undefined => {
    const ids = Array.from(encoder.encode(spelling), (byte) => vocabulary.id(byteToken(byte)));
    return ids.includes(undefined) ? undefined : ids as number[];
  };
  const unknownId = (): number => {
    const id = vocabulary.id(unknown!);
    if (id === undefined) {
      throw new SyntaxError(`Cannot use tokenizer.json: its unk_token ${quote(unknown)} is no token`);
    }
    return id;
  };
  return (word) => {
    const symbols: number[] = [];
    let pending: number | undefined; // an unknown character goes in before the next known one, not before bytes
    for (let at = 0; at < word.length;) {
      const character = String.fromCodePoint(word.codePointAt(at)!);
      const end = at + character.length;
      const spelling = (at > 0 ? prefix : "") + character + (end === word.length ? suffix : "");
      at = end;
      const id = vocabulary.id(spelling);
      if (id !== undefined) {
        if (pending !== undefined) symbols.push(pending);
        pending = undefined;
        symbols.push(id);
        continue;
      }
      const bytes = byteFallback ? bytesOf(spelling) : undefined;
      if (bytes) symbols.push(...bytes);
      else if (unknown !== undefined) {
        if (pending !== undefined && !fuseUnknown) symbols.push(pending);
        pending ??= unknownId();
      }
    }
    if (pending !== undefined) symbols.push(pending);
    return symbols;
  };
}

/** How a vocabulary with byte fallback spells a byte. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** Places and ranks are below it. */
const PLACES = 0x1000000;

/** Joins pairs, those of the lowest rank first and of equal ones the leftmost. */
function mergeAll(ids: number[], findMerge: (left: number, right: number) => Merge | null): readonly number[] {
  const { length } = ids;
  if (length < 2) return ids;
  const nextOf = Int32Array.from(ids, (_, at) => at + 1);
  const previousOf = Int32Array.from(ids, (_, at) => at - 1);
  const queue = new Queue();
  const idOfRank = new Map<number, number>();
  const look = (at: number, next: number): void => {
    const merge = findMerge(ids[at], ids[next]);
    if (!merge) return;
    idOfRank.set(merge.rank, merge.id);
    queue.push(merge.rank * PLACES + at);
  };
  for (let at = 0; at + 1 < length; at++) look(at, at + 1);
  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    const at = top % PLACES;
    const id = idOfRank.get((top - at) / PLACES)!;
    const next = nextOf[at];
    if (ids[at] < 0 || next >= length) continue;
    if (findMerge(ids[at], ids[next])?.id !== id) continue; // was merged otherwise meanwhile
    ids[at] = id;
    ids[next] = -1;
    const following = nextOf[at] = nextOf[next];
    if (following < length) previousOf[following] = at;
    if (previousOf[at] >= 0) look(previousOf[at], at);
    if (following < length) look(at, following);
  }
  return ids.filter((id) => id >= 0);
}

/** Numbers, of which the smallest comes first. */
class Queue {
  readonly #heap: number[] = [];

  push(item: number): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (item >= heap[parent]) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = item;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return last;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= last) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
