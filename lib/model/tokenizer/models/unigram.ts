/**
 * Unigram: of all ways to write a text with tokens, the one with the largest sum of scores.
 *
 * @module
 */
import { byteToken, type WordModel } from "./bpe.ts";
import { Budget } from "../regex/budget.ts";
import type { Part } from "../part.ts";
import type { ScoredVocabulary } from "../vocabulary/scored_vocabulary.ts";
import type { Trie } from "../vocabulary/trie.ts";

/** What an unknown character costs beyond the lowest score. */
const UNKNOWN_PENALTY = 10;

/** A unigram model as tokenizers 0.23.3 has it: unknown characters that follow each other are one. */
export function createUnigram(part: Part, vocabulary: ScoredVocabulary): WordModel {
  const unknown = part.value("unk_id") === null ? undefined : part.count("unk_id", vocabulary.size - 1);
  const byteFallback = part.flag("byte_fallback", false);
  const lowest = vocabulary.scores.reduce((least, score) => Math.min(least, score), Infinity);
  const search = { vocabulary, unknown, unknownScore: lowest - UNKNOWN_PENALTY, budget: new Budget() };
  const encoder = new TextEncoder();
  let trie: Trie | undefined;
  return (word, ids) => {
    for (const piece of bestPieces(word, trie ??= vocabulary.trie(), search)) {
      const id = vocabulary.id(piece);
      const bytes = id === undefined && byteFallback
        ? Array.from(encoder.encode(piece), (byte) => vocabulary.id(byteToken(byte)))
        : [];
      if (id !== undefined) ids.push(id);
      else if (bytes.length > 0 && !bytes.includes(undefined)) { for (const byte of bytes) ids.push(byte!); }
      else ids.push(unknown ?? missingUnknown());
    }
  };
}

interface Search {
  readonly vocabulary: ScoredVocabulary;
  readonly unknown: number | undefined;
  readonly unknownScore: number;
  readonly budget: Budget;
}

function bestPieces(text: string, trie: Trie, { vocabulary, unknown, unknownScore, budget }: Search): string[] {
  budget.start(text.length);
  const scores = new Float64Array(text.length + 1);
  const starts = new Int32Array(text.length + 1).fill(-1);
  const ids = new Int32Array(text.length + 1);
  for (let start = 0, end; start < text.length; start = end) {
    const from = end = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
    const take = (to: number, id: number, score: number): void => {
      if (starts[to] >= 0 && !(scores[start] + score > scores[to])) return;
      scores[to] = scores[start] + score;
      starts[to] = start;
      ids[to] = id;
    };
    let isSingle = false;
    trie.prefixes(text, start, budget, (to, id) => {
      isSingle ||= to === from;
      take(to, id, vocabulary.scores[id]);
    });
    if (!isSingle) take(end, unknown ?? missingUnknown(), unknownScore);
  }
  const pieces: string[] = [];
  let wasUnknown = false;
  for (let end = text.length; end > 0; end = starts[end]) {
    const piece = text.slice(starts[end], end);
    const isUnknown = ids[end] === unknown;
    if (isUnknown && wasUnknown) pieces[pieces.length - 1] = piece + pieces[pieces.length - 1];
    else pieces.push(piece);
    wasUnknown = isUnknown;
  }
  return pieces.reverse();
}

function missingUnknown(): never {
  throw new RangeError("Cannot encode this text: the tokenizer has no unk token for characters that it does not know");
}
