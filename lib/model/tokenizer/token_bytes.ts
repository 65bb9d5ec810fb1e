/**
 * Tokens that hold a part of a character: their bytes, readable.
 *
 * A character outside ASCII takes two to four bytes in UTF-8, and a tokenizer that works on bytes may spread them over
 * several tokens. No such part is text; shown as U+FFFD all parts of all characters would look the same.
 *
 * @module
 */

/** The characters that stand for themselves in a byte-level vocabulary: the visible ones of Latin-1. */
const VISIBLE: readonly (readonly [first: number, last: number])[] = [[0x21, 0x7e], [0xa1, 0xac], [0xae, 0xff]];

/** GPT-2's alphabet of bytes: visible ones by their own character, the others, in order, from U+0100 on. */
const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  (() => {
    let next = 0x100;
    return Array.from({ length: 256 }, (_, byte): [string, number] => {
      const isVisible = VISIBLE.some(([first, last]) => byte >= first && byte <= last);
      return [String.fromCharCode(isVisible ? byte : next++), byte];
    });
  })(),
);

const characterOfByte: readonly string[] = [...byteOfCharacter].sort(([, a], [, b]) => a - b).map(([one]) => one);

/** The UTF-8 bytes of a text as GPT-2's alphabet writes them. */
export function byteLevel(text: string): string {
  let made = "";
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at)!;
    if (code > 0xffff) at++;
    if (code < 0x80) made += characterOfByte[code];
    else for (const byte of utf8(code)) made += characterOfByte[byte];
  }
  return made;
}

/** The bytes of a character outside ASCII. */
function utf8(code: number): number[] {
  const rest = (shift: number) => 0x80 | ((code >> shift) & 0x3f);
  if (code < 0x800) return [0xc0 | (code >> 6), rest(0)];
  if (code < 0x10000) return [0xe0 | (code >> 12), rest(6), rest(0)];
  return [0xf0 | (code >> 18), rest(12), rest(6), rest(0)];
}

/** How a vocabulary writes bytes: as characters of GPT-2's alphabet, or `<0xE2>` where it has no better token. */
export type ByteNotation = "byte-level" | "byte-fallback";

/** How the vocabulary of a `tokenizer.json` writes bytes, from its decoder; undefined where it has none. */
export function byteNotation(decoder: unknown): ByteNotation | undefined {
  if (typeof decoder !== "object" || decoder === null) return undefined;
  const { type, decoders } = decoder as { type?: unknown; decoders?: unknown };
  if (type === "ByteLevel") return "byte-level";
  if (type === "ByteFallback") return "byte-fallback";
  if (!Array.isArray(decoders)) return undefined;
  return decoders.map(byteNotation).find((notation) => notation !== undefined);
}

/** The bytes of a token as the vocabulary spells it; undefined where the spelling is no bytes. */
export function tokenBytes(spelling: string, notation: ByteNotation): Uint8Array | undefined {
  if (notation === "byte-fallback") {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(spelling)?.[1];
    return hex === undefined ? undefined : new Uint8Array([parseInt(hex, 16)]);
  }
  const bytes = [...spelling].map((character) => byteOfCharacter.get(character));
  return bytes.includes(undefined) ? undefined : Uint8Array.from(bytes as number[]);
}

/** Bytes as text, whole characters as they are and every other byte as `\xE2`; undefined where all is whole. */
export function escapeParts(bytes: Uint8Array): string | undefined {
  let text = "";
  let isWhole = true;
  for (let at = 0; at < bytes.length;) {
    const character = characterAt(bytes, at);
    if (character === undefined) {
      text += `\\x${bytes[at].toString(16).toUpperCase().padStart(2, "0")}`;
      isWhole = false;
    } else text += character;
    at += character === undefined ? 1 : new TextEncoder().encode(character).length;
  }
  return isWhole ? undefined : text;
}

/** The whole character that begins at a byte. */
function characterAt(bytes: Uint8Array, at: number): string | undefined {
  const lead = bytes[at];
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return undefined;
  try {
    // ignoreBOM: U+FEFF is a character like others.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, at + length));
  } catch {
    return undefined;
  }
}

/** What vocabularies and outputs write for a space, a line's end and a tab: byte-level BPE, SentencePiece, our tables. */
const SIGNS: readonly [RegExp, string][] = [
  [/[Ġ▁]|(?<=^·*)·|·(?=·*$)/g, " "],
  [/Ċ|\\n/g, "\n"],
  [/ĉ|\\t/g, "\t"],
  [/č|\\r/g, "\r"],
];

/**
 * Texts that may be meant by one that is not a token, the likeliest first: with its leading space, without it, as a
 * vocabulary or a table of tokens shows it (`Ġgolf`, `▁golf`, `·golf`, `\n`).
 */
export function likelySpellings(text: string): string[] {
  const meant = SIGNS.reduce((read, [sign, space]) => read.replace(sign, space), text);
  return [...new Set([meant, ` ${text}`, text.trimStart()])].filter((other) => other !== "" && other !== text);
}
