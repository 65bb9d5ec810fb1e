/**
 * Text and values from outside in messages: on one line, short, without what a terminal would obey or hide.
 *
 * @module
 */

/** What a message repeats of a text at most. */
const MOST_CHARACTERS = 60;
/** Control and format characters, lone surrogates, separators of lines. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** The same, and what has a meaning inside double quotes. */
const UNQUOTABLE = /["\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/**
 * The beginning of a text from outside as a message may repeat it: one line of at most 60 characters, and `…` where
 * something is left out.
 *
 * @param most of characters, for what is only in part from outside
 */
export function excerpt(text: string, most: number = MOST_CHARACTERS): string {
  return cut(text, UNPRINTABLE, most);
}

/**
 * A value from outside as a message may repeat it: a text in double quotes, another value as JSON; one line, cut as
 * {@linkcode excerpt} cuts.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { quote } from "./quote.ts";
 *
 * assert.equal(quote("a\nb"), '"a\\nb"');
 * assert.equal(quote([1, 2]), "[1,2]");
 * ```
 */
export function quote(value: unknown): string {
  return typeof value === "string" ? `"${cut(value, UNQUOTABLE, MOST_CHARACTERS)}"` : excerpt(asText(value));
}

function cut(text: string, escaped: RegExp, most: number): string {
  let shown = "";
  let read = 0;
  for (const character of text) {
    const next = escaped.test(character) ? escape(character) : character;
    if (shown.length + next.length > most) break;
    shown += next;
    read += character.length;
  }
  return read < text.length ? `${shown}…` : shown;
}

function escape(character: string): string {
  const code = character.codePointAt(0)!;
  if (code < 0x20 || character === '"' || character === "\\") return JSON.stringify(character).slice(1, -1);
  return `\\u{${code.toString(16)}}`;
}

function asText(value: unknown): string {
  if (typeof value === "number") return String(value); // JSON has no NaN and no infinity
  try {
    const text = JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? Number(inner) : inner);
    return text ?? String(value);
  } catch {
    return "a value that is nested too deeply";
  }
}

/** A text without the credentials and queries of the addresses in it: the last guard for messages that are not ours. */
export function withoutSecrets(text: string): string {
  return text.replace(
    /\b([a-z][a-z0-9+.-]{0,20}:\/\/|https?(?::\/|\/\/))([^\s"'<>()]+)/gi,
    (_, scheme: string, rest: string) => {
      const [place, ...hidden] = rest.split(/[?#]/, 2);
      // What ends a sentence after the address stays.
      const end = hidden.length === 0 ? "" : /[,;:.…]*$/.exec(rest)![0];
      return scheme + place.replace(/^[^/\\]*@/, "") + end;
    },
  );
}

/** What is printed of a message at most. Our own are shorter, where they repeat nothing from outside in full. */
const MOST_PRINTED = 600;

/**
 * A message as it is printed: one line, and the middle of a very long one left out. The last guard for messages that
 * are not ours.
 */
export function messageLine(error: unknown): string {
  const message = withoutSecrets(error instanceof Error ? error.message || error.name : String(error));
  const line = withoutMiddle(message).trim().replace(/[\r\n]\s*/g, " ").replace(new RegExp(UNPRINTABLE, "gu"), escape);
  return withoutMiddle(line); // what is escaped is longer
}

function withoutMiddle(text: string): string {
  const half = MOST_PRINTED / 2;
  return text.length > MOST_PRINTED ? `${text.slice(0, half)} … ${text.slice(-half)}` : text;
}
