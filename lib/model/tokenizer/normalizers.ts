/**
 * Normalizers: what is made of a text before it is split, as tokenizers 0.23.3 does it.
 *
 * @module
 */
import { byteLevel } from "./token_bytes.ts";
import { ACCENTS, CONTROL, INERT, MARKS } from "./regex/character_tables.ts";
import { type CharacterRanges, characterSet, isIn, WHITE_SPACE } from "./regex/character_set.ts";
import { type Part, readPattern } from "./part.ts";
import { type Finder, mapPiece, type Piece, prependTo, wholePiece } from "./piece.ts";
import { precompiled } from "./precompiled.ts";

/** Makes one piece of another. */
export type Normalizer = (piece: Piece) => Piece;

/** The normalizer of a part. */
export function createNormalizer(part: Part): Normalizer {
  const normalizer = ofType(part);
  part.done();
  return normalizer;
}

function ofType(part: Part): Normalizer {
  if (Object.hasOwn(PLAIN, part.type)) return PLAIN[part.type];
  switch (part.type) {
    case "Sequence": {
      const all = part.parts("normalizers").map(createNormalizer);
      return (piece) => all.reduce((made, normalize) => normalize(made), piece);
    }
    case "Strip": {
      const [left, right] = [part.flag("strip_left"), part.flag("strip_right")];
      return (piece) => strip(piece, left, right);
    }
    case "Prepend": {
      const before = part.text("prepend");
      return (piece) => prependTo(piece, before);
    }
    case "Replace": {
      const { find, canBeEmpty } = readPattern(part);
      if (canBeEmpty) throw part.refused("has a pattern that fits between two characters");
      const content = part.text("content");
      return (piece) => replace(piece, find, content);
    }
    case "BertNormalizer":
      return bert(part);
    case "Precompiled":
      return charsmap(part);
    default:
      throw part.refused("is not known here");
  }
}

/** Those without settings. */
const PLAIN: Readonly<Record<string, Normalizer>> = {
  ...Object.fromEntries((["NFC", "NFD", "NFKC", "NFKD"] as const).map((form): [string, Normalizer] => [
    form,
    (piece) => mapPiece(piece, (text) => unicodeForm(text, form)),
  ])),
  Lowercase: (piece) => mapPiece(piece, lowercase),
  StripAccents: filter(MARKS),
  Nmt: nmt,
  ByteLevel: (piece) => mapPiece(piece, byteLevel),
};

function charsmap(part: Part): Normalizer {
  const map = precompiled(part);
  return (piece) => {
    const { text, fromStart } = mapPiece(piece, map);
    // Where nothing is made of the first character, what comes next takes its place.
    return { text, fromStart: piece.fromStart > 0 ? fromStart || wholePiece(text).fromStart : 0 };
  };
}

/** Characters that are newer than the library's tables take no part. */
function unicodeForm(text: string, form: "NFC" | "NFD" | "NFKC" | "NFKD"): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  const inert = INERT();
  let [made, from, at] = ["", 0, 0];
  for (const character of text) {
    const end = at + character.length;
    if (character > "\x7f" && isIn(inert, character.codePointAt(0)!)) {
      made += text.slice(from, at).normalize(form) + character;
      from = end;
    }
    at = end;
  }
  return made + text.slice(from).normalize(form);
}

/** Capital letters of Unicode 17, and their small ones. */
const NEW_CAPITALS: readonly (readonly [first: number, last: number, distance: number])[] = [
  [0xa7ce, 0xa7ce, 1],
  [0xa7d2, 0xa7d2, 1],
  [0xa7d4, 0xa7d4, 1],
  [0x16ea0, 0x16eb8, 27],
];

/** One character at a time: where it stands in a word (the final sigma) does not count. */
function lowercase(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  return Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    const capital = NEW_CAPITALS.find(([first, last]) => code >= first && code <= last);
    return capital ? String.fromCodePoint(code + capital[2]) : character.toLowerCase();
  }).join("");
}

/** Drops characters. What follows a dropped first character does not stand for the start of the text. */
function keep({ text, fromStart }: Piece, isKept: (character: number) => boolean): Piece {
  const kept = (part: string) => Array.from(part).filter((one) => isKept(one.codePointAt(0)!)).join("");
  return { text: kept(text), fromStart: kept(text.slice(0, fromStart)).length };
}

function filter(dropped: () => CharacterRanges): Normalizer {
  return (piece) => keep(piece, (character) => !isIn(dropped(), character));
}

function strip({ text, fromStart }: Piece, left: boolean, right: boolean): Piece {
  const space = characterSet(WHITE_SPACE);
  let [start, end] = [0, text.length];
  while (left && start < end && space.has(text.charCodeAt(start))) start++;
  while (right && end > start && space.has(text.charCodeAt(end - 1))) end--;
  return { text: text.slice(start, end), fromStart: Math.max(0, Math.min(fromStart, end) - start) };
}

/** New text stands where the last character of the old one did. */
function replace({ text, fromStart }: Piece, find: Finder, content: string): Piece {
  const found = find(text);
  let [made, length, from] = ["", 0, 0];
  for (let i = 0; i < found.length; i += 2) {
    const [start, end] = [found[i], found[i + 1]];
    made += text.slice(from, start) + content;
    length += Math.max(0, Math.min(fromStart, start) - from) + (end <= fromStart ? content.length : 0);
    from = end;
  }
  return { text: made + text.slice(from), fromStart: length + Math.max(0, fromStart - from) };
}

const NMT_DROPPED = characterSet("[\\u0001-\\u0008\\u000b\\u000e-\\u001f\\u007f\\u008f\\u009f]");
const NMT_SPACE = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g;

function nmt(piece: Piece): Piece {
  const { text, fromStart } = keep(piece, (character) => !NMT_DROPPED.has(character));
  return { text: text.replace(NMT_SPACE, " "), fromStart };
}

/** The CJK ideographs that BERT sets apart. */
const IDEOGRAPHS =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bert(part: Part): Normalizer {
  const clean = part.flag("clean_text");
  const setApart = part.flag("handle_chinese_chars");
  const lower = part.flag("lowercase");
  const strip = part.value("strip_accents") === null ? lower : part.flag("strip_accents");
  const dropControl = filter(CONTROL);
  const dropAccents = filter(ACCENTS);
  return (piece) => {
    let made = piece;
    if (clean) {
      made = dropControl(made);
      made = { ...made, text: made.text.replace(/\p{White_Space}/gu, " ") };
    }
    if (setApart) made = mapPiece(made, (text) => text.replace(IDEOGRAPHS, " $& "));
    if (strip) made = dropAccents(mapPiece(made, (text) => unicodeForm(text, "NFD")));
    return lower ? mapPiece(made, lowercase) : made;
  };
}
