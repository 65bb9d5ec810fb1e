/**
 * Sets of characters, asked about one character at a time: classes of patterns, and ranges of code points.
 *
 * @module
 */

/** The characters that one class of a JavaScript pattern (flag `v`) fits. */
export class CharacterSet {
  readonly #pattern: RegExp;
  /** Of the first 65,536 characters, what is known: 0 nothing, 1 outside, 2 inside. */
  #known: Uint8Array | undefined;

  /** From a class such as `[\p{L}\p{N}]`. */
  constructor(source: string, ignoreCase = false) {
    this.#pattern = new RegExp(`^${source}$`, ignoreCase ? "vi" : "v");
  }

  /** Whether it has a code point. */
  has(character: number): boolean {
    if (character > 0xffff) return this.#pattern.test(String.fromCodePoint(character));
    const known = this.#known ??= new Uint8Array(0x10000);
    if (known[character] === 0) known[character] = this.#pattern.test(String.fromCharCode(character)) ? 2 : 1;
    return known[character] === 2;
  }
}

/** What Unicode calls white space, as Rust and Oniguruma do: U+0085 is, U+FEFF is not. JavaScript's `\s` differs. */
export const WHITE_SPACE = "\\p{White_Space}";

/** `\w` of Rust's regex crate. */
export const RUST_WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d]";

/** `char::is_numeric` of Rust, which knows the numbers of Unicode 17. */
export const RUST_NUMERIC = "[\\p{N}\\u{11de0}-\\u{11de9}\\u{16ff4}-\\u{16ff6}]";

const sets = new Map<string, CharacterSet>();

/** The set of a class, made once. */
export function characterSet(source: string): CharacterSet {
  let set = sets.get(source);
  if (!set) sets.set(source, set = new CharacterSet(source));
  return set;
}

/** First and last code points, one range after another. */
export type CharacterRanges = Uint32Array;

/** From numbers in base 36: how far after the last range the next one starts, and how much longer than 1 it is. */
export function decode(text: string): () => CharacterRanges {
  let made: CharacterRanges | undefined;
  return () => {
    let last = 0;
    return made ??= Uint32Array.from(text.split(" "), (number) => last += parseInt(number, 36));
  };
}

/** Whether a code point is in one of the ranges. */
export function isIn(ranges: CharacterRanges, character: number): boolean {
  let [low, high] = [0, ranges.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (character > ranges[2 * middle + 1]) low = middle + 1;
    else high = middle;
  }
  return 2 * low < ranges.length && character >= ranges[2 * low];
}
