/**
 * How people write a token that is written otherwise.
 *
 * @module
 */

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
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { likelySpellings } from "./token_spellings.ts";
 *
 * assert.deepEqual(likelySpellings("·golf"), [" golf", " ·golf"]);
 * assert.deepEqual(likelySpellings("golf"), [" golf"]);
 * ```
 */
export function likelySpellings(text: string): string[] {
  const meant = SIGNS.reduce((read, [sign, space]) => read.replace(sign, space), text);
  return [...new Set([meant, ` ${text}`, text.trimStart()])].filter((other) => other !== "" && other !== text);
}
