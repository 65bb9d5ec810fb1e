/**
 * WordPiece and WordLevel: words and parts of words as the vocabulary has them.
 *
 * @module
 */
import { quote } from "../../../quote.ts";
import type { WordModel } from "./bpe.ts";
import { type Part } from "../part.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

/** The most characters of a word that a file may ask for: a word takes the square of it. Files in use say 100. */
const MAX_WORD = 200;

/** Whole words. */
export function createWordLevel(part: Part, vocabulary: Vocabulary): WordModel {
  const unknown = part.text("unk_token");
  return (word, ids) => ids.push(vocabulary.id(word) ?? unknownId(vocabulary, unknown));
}

/** The longest token that a word starts with, then the longest that the rest starts with. */
export function createWordPiece(part: Part, vocabulary: Vocabulary): WordModel {
  const unknown = part.text("unk_token");
  const prefix = part.text("continuing_subword_prefix");
  const most = part.count("max_input_chars_per_word", MAX_WORD);
  return (word, ids) => {
    const made = Array.from(word).length > most ? undefined : wordPieces(word, prefix, vocabulary);
    if (made) { for (const id of made) ids.push(id); }
    else ids.push(unknownId(vocabulary, unknown));
  };
}

function wordPieces(word: string, prefix: string, vocabulary: Vocabulary): number[] | undefined {
  const made: number[] = [];
  for (let start = 0; start < word.length;) {
    let end = word.length;
    let id: number | undefined;
    for (; end > start; end -= word.codePointAt(end - 2)! > 0xffff && end - 1 > start ? 2 : 1) {
      id = vocabulary.id((start > 0 ? prefix : "") + word.slice(start, end));
      if (id !== undefined) break;
    }
    if (id === undefined) return undefined;
    made.push(id);
    start = end;
  }
  return made;
}

function unknownId(vocabulary: Vocabulary, unknown: string): number {
  const id = vocabulary.id(unknown);
  if (id === undefined) {
    throw new RangeError(`Cannot encode this text: the tokenizer's unk_token ${quote(unknown)} is no token`);
  }
  return id;
}
