/**
 * The commonest mistakes with prompts and answers: spaces, line ends and BOS, which are tokens and cannot be seen.
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import { excerpt, quote } from "../../quote.ts";

/** How many times better the other spelling of an answer must rank. */
const FAR = 10;
/** White space other than line ends: chat templates end with one. */
const SPACE_AT_END = /[^\S\r\n]$/;

/**
 * What a prompt has that its author may not have meant.
 *
 * @param prompt as given; of token ids, their texts are looked at
 * @param tokens the prompt's tokens, BOS included if there is one
 */
export async function promptWarnings(
  model: Model,
  prompt: string | readonly number[],
  tokens: readonly number[],
): Promise<string[]> {
  const tokenizer = await model.tokenizer();
  if (tokenizer === undefined) return [];
  const text = typeof prompt === "string" ? prompt : tokens.map((id) => tokenizer.tokenText(id)).join("");
  const { bosId } = tokenizer;
  const isTwice = bosId !== undefined && tokens[0] === bosId && tokens[1] === bosId;
  return [
    ...(prompt === "" ? ["The prompt is empty: all that the model reads is what is put before it"] : []),
    ...textWarnings(text),
    ...(isTwice
      ? [`The prompt begins with ${excerpt(tokenizer.tokenText(bosId))} twice: write it or have it put first, not both`]
      : []),
  ];
}

/** The same of a text alone, without its tokens. */
export function textWarnings(text: string): string[] {
  return [
    ...(SPACE_AT_END.test(text)
      ? ["The prompt ends with a space: most models expect the space at the start of the next token"]
      : []),
    ...(text.includes("\r")
      ? ["The prompt has carriage returns (\\r, as Windows ends lines), which are tokens: was \\n alone meant?"]
      : []),
  ];
}

/** Where an answer stands in a next-token table. */
export interface AskedAnswer {
  /** As given. */
  readonly text: string;
  /** The text that the table is after. */
  readonly before: string;
  /** A token's place in the table. */
  place(id: number): Promise<{ readonly rank: number }>;
}

/**
 * A warning with both ranks if an answer was given without its leading space, or after white space with one, and the
 * model expects it otherwise. Of an answer of several tokens, the first is looked at.
 */
export async function answerWarnings(model: Model, { text, before, place }: AskedAnswer): Promise<string[]> {
  const tokenizer = await model.tokenizer();
  const isSpaced = text.startsWith(" ");
  if (tokenizer === undefined || (isSpaced && !/\s$/.test(before))) return [];
  const other = isSpaced ? text.trimStart() : ` ${text}`;
  const [given, meant] = [text, other].map((spelling) => tokenizer.encode(spelling)[0]);
  if (given === undefined || meant === undefined || given === meant) return [];
  const { rank } = await place(given);
  if (rank + 1 < FAR) return [];
  const { rank: better } = await place(meant);
  if (FAR * (better + 1) > rank + 1) return [];
  const how = isSpaced ? "without its leading space" : "with a leading space";
  return [
    `${quote(text)} has rank ${rank} among the predictions, ${quote(other)} ${how} rank ${better}: was that meant?`,
  ];
}
