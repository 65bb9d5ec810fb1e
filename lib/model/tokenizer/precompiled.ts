/**
 * The character map of a SentencePiece model: a double-array trie of UTF-8 bytes, then the texts that it points at.
 *
 * @module
 */
import { type Part, refused } from "./part.ts";

/** Far above those in use (300 KB). */
const MAX_BYTES = 16 * 1024 * 1024;

/** The map of a `Precompiled` normalizer: over graphemes of up to 5 bytes, then over characters. */
export function precompiled(part: Part): (text: string) => string {
  const bytes = decodeBase64(part.text("precompiled_charsmap"));
  const trieBytes = bytes.length < 4 ? -1 : new DataView(bytes.buffer).getUint32(0, true);
  const units = Math.floor(trieBytes / 4);
  if (units < 1 || 4 + 4 * units > bytes.length) throw damaged();
  const view = new DataView(bytes.buffer, 4, 4 * units);
  const trie = Uint32Array.from({ length: units }, (_, i) => view.getUint32(4 * i, true));
  const texts = bytes.subarray(4 + 4 * units);
  const map = (chunk: string): string | undefined => {
    const place = firstValue(trie, encoder.encode(chunk));
    if (place === undefined) return undefined;
    const end = texts.indexOf(0, place);
    return decoder.decode(texts.subarray(place, end < 0 ? undefined : end));
  };
  const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });
  return (text) => {
    let made = "";
    for (const { segment } of graphemes.segment(text)) {
      const whole = encoder.encode(segment).length < 6 ? map(segment) : undefined;
      made += whole ?? Array.from(segment, (character) => map(character) ?? character).join("");
    }
    return made;
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > MAX_BYTES) throw refused(`its precompiled_charsmap has more than ${MAX_BYTES} characters`);
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw damaged();
  }
}

/** The value of the shortest key that the bytes start with: the reference takes that one. */
function firstValue(trie: Uint32Array, key: Uint8Array): number | undefined {
  const unitAt = (at: number): number => {
    if (at >= trie.length) throw damaged();
    return trie[at];
  };
  const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let at = offset(unitAt(0));
  for (const byte of key) {
    if (byte === 0) return undefined;
    at ^= byte;
    const unit = unitAt(at);
    if ((unit & 0x800000ff) !== byte) return undefined;
    at ^= offset(unit);
    if ((unit & 0x100) !== 0) return unitAt(at) & 0x7fffffff;
  }
  return undefined;
}

function damaged(): SyntaxError {
  return refused("its precompiled_charsmap is damaged");
}
