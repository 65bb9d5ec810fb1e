/**
 * The vocabulary of a unigram model: tokens and their scores.
 *
 * @module
 */
import { excerpt, quote } from "../../../quote.ts";
import { Irregular, type JsonScanner } from "./json_scanner.ts";
import { Trie } from "./trie.ts";
import { MAX_TOKEN_ID, type Vocabulary } from "./vocabulary.ts";

/** The tokens of `[["token", score], …]`. */
export class ScoredVocabulary implements Vocabulary {
  /** By id. */
  readonly scores: number[] = [];
  readonly #tokens: string[] = [];
  readonly #ids = new Map<string, number>();

  /** Reads them; the scanner stands before them. */
  constructor(scanner: JsonScanner) {
    scanner.list(() => {
      scanner.openList();
      scanner.string();
      const token = scanner.text();
      scanner.comma();
      const text = scanner.skip();
      const score = readScore(text);
      if (score === undefined) throw new Irregular(`token ${quote(token)} has the score ${excerpt(text)}`);
      scanner.closeList();
      this.#ids.set(token, this.#tokens.length);
      if (this.#tokens.push(token) > MAX_TOKEN_ID) throw new Irregular(`it has more than ${MAX_TOKEN_ID} tokens`);
      this.scores.push(score);
    });
  }

  get size(): number {
    return this.#tokens.length;
  }

  get largestId(): number {
    return this.#tokens.length - 1;
  }

  id(token: string): number | undefined {
    return this.#ids.get(token);
  }

  token(id: number): string | undefined {
    return this.#tokens[id];
  }

  /** All tokens by their beginnings. */
  trie(): Trie {
    const trie = new Trie();
    for (const [token, id] of this.#ids) if (token !== "") trie.add(token, id);
    return trie;
  }
}

/** The largest number of Rust's u64. */
const MOST_DIGITS = "18446744073709551615";

/**
 * A number as Rust's serde_json reads it: its digits as a whole number, as many as fit, then one product or quotient. The
 * last bit may differ from the nearest number's; where two ways to write a text are nearly equal, that decides.
 */
export function readScore(text: string): number | undefined {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text);
  if (!found || text.length > 400) return undefined;
  const [, sign, whole, fraction = "", power = "0"] = found;
  const digits = (whole + fraction).replace(/^0+/, "");
  const most = MOST_DIGITS.length;
  const kept = digits.length < most ? digits.length : digits.slice(0, most) <= MOST_DIGITS ? most : most - 1;
  let exponent = Number(power) - fraction.length + digits.length - kept;
  let value = Number(digits.slice(0, kept));
  for (; exponent < -308 && value !== 0; exponent += 308) value /= 1e308;
  if (value === 0) return 0;
  if (exponent < 0) value /= Number(`1e${-exponent}`);
  else value *= Number(`1e${exponent}`);
  return Number.isFinite(value) ? (sign ? -value : value) : undefined;
}
