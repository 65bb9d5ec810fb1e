/**
 * Sets of characters, asked about one character at a time.
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
