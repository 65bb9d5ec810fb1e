/**
 * Pre-tokenizers: how a normalized text is split into words, as tokenizers 0.23.3 does it.
 *
 * @module
 */
import { byteLevel } from "./token_bytes.ts";
import { characterSet, isIn, RUST_NUMERIC, WHITE_SPACE } from "./regex/character_set.ts";
import { PUNCTUATION } from "./regex/character_tables.ts";
import { type Part, readMetaspace, readPattern } from "./part.ts";
import {
  characterFinder,
  type Finder,
  mapPiece,
  type Piece,
  prependTo,
  slicePiece,
  SPLIT_BEHAVIORS,
  type SplitBehavior,
  splitPiece,
  textFinder,
} from "./piece.ts";
import { Regex } from "./regex/regex.ts";

/** Makes pieces of one. */
export type PreTokenizer = (piece: Piece) => readonly Piece[];

/** GPT-2's words. */
const GPT2_WORDS = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** Words, and what stands between them but is no space, as Rust's regex crate sees them: joiners belong to words. */
const WORDS = String
  .raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]+|[^\s\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]+`;

const isWhitespace = (character: number): boolean => characterSet(WHITE_SPACE).has(character);
const isPunctuation = (character: number): boolean => isIn(PUNCTUATION(), character);

/** The pre-tokenizer of a part. */
export function createPreTokenizer(part: Part): PreTokenizer {
  const preTokenizer = ofType(part);
  part.done();
  return preTokenizer;
}

function ofType(part: Part): PreTokenizer {
  switch (part.type) {
    case "Sequence":
      return inSequence(part.parts("pretokenizers").map(createPreTokenizer));
    case "ByteLevel":
      return readByteLevel(part);
    case "Split": {
      const { find } = readPattern(part);
      return splitter(find, part.choice("behavior", SPLIT_BEHAVIORS), part.flag("invert"));
    }
    case "Digits": {
      const isNumeric = characterFinder((character) => characterSet(RUST_NUMERIC).has(character));
      return splitter(isNumeric, part.flag("individual_digits") ? "Isolated" : "Contiguous");
    }
    case "Punctuation":
      return splitter(characterFinder(isPunctuation), part.choice("behavior", SPLIT_BEHAVIORS, "Isolated"));
    case "Whitespace":
      return splitter(regexFinder(WORDS), "Removed", true);
    case "WhitespaceSplit":
      return splitter(characterFinder(isWhitespace), "Removed");
    case "BertPreTokenizer":
      return inSequence([
        splitter(characterFinder(isWhitespace), "Removed"),
        splitter(characterFinder(isPunctuation), "Isolated"),
      ]);
    case "CharDelimiterSplit":
      return splitter(textFinder(part.character("delimiter")), "Removed");
    case "FixedLength": {
      const length = part.count("length", 1_000_000_000, 5);
      if (length === 0) throw part.refused("has the length 0");
      return (piece) => chunks(piece, length);
    }
    case "Metaspace":
      return metaspace(part);
    default:
      throw part.refused("is not known here");
  }
}

function inSequence(all: readonly PreTokenizer[]): PreTokenizer {
  return (piece) => all.reduce((pieces: readonly Piece[], split) => pieces.flatMap(split), [piece]);
}

function splitter(find: Finder, behavior: SplitBehavior, invert = false): PreTokenizer {
  return (piece) => splitPiece(piece, find, behavior, invert);
}

function regexFinder(source: string): Finder {
  const regex = new Regex(source);
  return (text) => regex.find(text);
}

function readByteLevel(part: Part): PreTokenizer {
  part.ignore("trim_offsets");
  const addSpace = part.flag("add_prefix_space");
  const split = part.flag("use_regex", true) ? splitter(regexFinder(GPT2_WORDS), "Isolated") : undefined;
  return (piece) => {
    const spaced = addSpace && !piece.text.startsWith(" ") ? prependTo(piece, " ") : piece;
    return (split?.(spaced) ?? [spaced]).map((one) => mapPiece(one, byteLevel));
  };
}

function metaspace(part: Part): PreTokenizer {
  const { mark, scheme } = readMetaspace(part);
  const isSplit = part.value("split") === null || part.flag("split");
  return (piece) => {
    const isFirst = piece.fromStart > 0;
    const marked = mapPiece(piece, (text) => text.replaceAll(" ", () => mark));
    const isDue = (scheme === "always" || (scheme === "first" && isFirst)) && !marked.text.startsWith(mark);
    const ready = isDue ? prependTo(marked, mark) : marked;
    return isSplit ? splitPiece(ready, textFinder(mark), "MergedWithNext") : [ready];
  };
}

function chunks(piece: Piece, length: number): Piece[] {
  const made: Piece[] = [];
  let [start, at, count] = [0, 0, 0];
  for (const character of piece.text) {
    at += character.length;
    if (++count % length === 0 || at === piece.text.length) {
      made.push(slicePiece(piece, start, at));
      start = at;
    }
  }
  return made;
}
