/**
 * The prompt: text, token ids, or standard input.
 *
 * @module
 */
import { readText } from "../../platform/read_text.ts";
import { quote, UsageError } from "./values.ts";

/** Text or ids, or the word that it is still to be read. */
export type PromptSource = string | readonly number[] | typeof STDIN;

/** The prompt comes from standard input. */
export const STDIN: unique symbol = Symbol("standard input");

/**
 * Where the prompt comes from.
 *
 * @throws {UsageError} unless it is given in exactly one way
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readPromptSource, STDIN } from "./prompt.ts";
 *
 * assert.equal(readPromptSource([" golf"], undefined), " golf");
 * assert.equal(readPromptSource(["-"], undefined), STDIN);
 * ```
 */
export function readPromptSource([text]: readonly string[], ids: readonly number[] | undefined): PromptSource {
  if (text !== undefined && ids !== undefined) {
    throw new UsageError(`the prompt is given twice, as ${quote(text)} and as --token-ids: give one of them`);
  }
  if (ids !== undefined) return ids;
  if (text === undefined) {
    throw new UsageError('PROMPT is missing: write the text in quotes, "-" for standard input, or --token-ids 1,2,3');
  }
  return text === "-" ? STDIN : text;
}

/** Prompts rarely have fewer characters per token. */
const CHARACTERS_PER_TOKEN = 3;

/** About how many tokens a prompt has; 0 if it is still to be read. */
export function expectedTokens(source: PromptSource): number {
  if (source === STDIN) return 0;
  return typeof source === "string" ? Math.ceil(source.length / CHARACTERS_PER_TOKEN) : source.length;
}

/** The prompt itself. A newline at the end of standard input is the shell's, not the prompt's. */
export async function readPrompt(source: PromptSource): Promise<string | readonly number[]> {
  if (source !== STDIN) return source;
  return (await readText(Deno.stdin.readable, "standard input")).replace(/\r?\n$/, "");
}
